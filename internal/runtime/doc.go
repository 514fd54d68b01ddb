// Package runtime is the machine: it runs the tasks of a topology as members of a consumer group.
//
// One supervisor (Runtime.Run) makes and checks internal topics, holds the state directory's lock, and starts the workers. A worker is one
// goroutine with a group client and a producer; it owns its running tasks. Beside each worker a restorer owns the tasks whose stores are
// being restored. A task passes between them by a message: after it, the sender has no reference.
//
// A task's stores are in a slot of the state directory, which one owner at a time holds by a lease: a task waits until its former owner in this
// process has let go of it, and takes the stores over open. They hold committed state alone then, as they do on disk. A keeper closes those for
// which no owner came, and deletes the directories of tasks that are elsewhere for long.
//
//	assigned ──> restoring (restorer) ──> waiting for its positions ──> running (worker) ──> closed
//	                                                                       │
//	                                              abandoned: closed, and assigned anew
//
// Invariants:
//
//	I1  A task is owned by exactly one goroutine.
//	I2  Rebalance callbacks touch a worker's tasks only while it is parked in Poll.
//	I3  Offsets, outputs, changelogs and engines move together: by commit, or not at all.
//	I4  After anything else than a commit that is known to have succeeded, all uncommitted work of the worker is dropped, and done again from
//	    the committed offsets and the engines' state.
package runtime
