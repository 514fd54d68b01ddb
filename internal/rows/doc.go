// Package rows turns typed keys and values into byte rows and back: key schemas, typed facades, the typed write-back cache.
//
// It stands between packages window and state, so that a descriptor, which alone knows its K and V, can open its own facade. It never
// sees an engine: a store's rows come through Host, which internal/store implements for the task that owns the store.
//
// What you get: a Spec per kind of store (NewKeyValue, NewWindow, NewSession, NewTable), whose Open makes the facade over a task's rows and
// whose View makes the read-only one over committed rows. The facades are KeyValue, Windows and Sessions; under each lies a Table, which the
// DSL uses directly. A Table gives out rows in hand (Ref), takes them back (Put, Drop), and tells of each change (OnUpdate): at once without a
// cache, with one at the flush, once per key.
//
// What you owe: one goroutine per Host. A Row is valid until the next call on its Table. What was put belongs to the table: a value
// that shares memory may be changed in place only between a Ref and its Put. Flush, Shrink and Clear are not called from within OnUpdate.
//
// How rows look is written down in docs/format/stores.md.
package rows
