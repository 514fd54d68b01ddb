// Package store keeps the stores of one task: uncommitted writes over an engine, the changelog's records, what a restore applies.
//
// What you get: a Set over one durable engine and one in memory. What a task writes stays in overlays, which its reads see, until Commit
// applies all of it, with the changelog positions that it reflects, the stores' times and the marks, in one batch per engine. So an engine
// holds committed state only, and says itself how much of the changelog it contains: after a crash, restore replays from Position.
//
// What you owe: in order, Open; Replay until the changelog's end; Start; then records, FlushCaches, Commit. One goroutine, but for View,
// which any may call. After an error of a method the set's uncommitted state is undefined: Discard or Close it.
//
// Every row in an engine begins with the number of its store, 2 bytes, given by name in a dictionary and never again; store 0 is the set's own.
// docs/format/stores.md has the bytes.
package store
