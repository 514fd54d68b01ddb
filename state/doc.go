// Package state declares stores, what they can do, and what an engine must do for them.
//
// A descriptor (KeyValueStore, WindowStore, …) is a value: declare it once, hand it to weir.Stores, Bind it in a processor's
// Init, read it with weir.ReadStore. Putting nil of a nilable kind deletes, in every kind of store. A scan closes itself; it sees the store as it was when
// it began, so its body may put, delete and forward. Its first error fails the record in a processor; in a view it is Err.
package state
