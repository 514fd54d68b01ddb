// Package processor is what users write processors with: records, stores, typed outputs, punctuation, error decisions.
//
// What you get: one instance per task, used by one goroutine, from Init to Close. Process sees every record, null ones too, in the order in
// which the task takes them. Forward hands a record to the children, depth first: when it returns, all that follows from the record has
// been done. Stores and further outputs are bound once, in Init.
//
// What you owe: return the errors of Forward and of the stores, keep no Context beyond Close, start no goroutine that touches a store or
// forwards, and do not change the memory of a record that was forwarded.
package processor
