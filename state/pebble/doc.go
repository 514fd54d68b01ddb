// Package pebble keeps the state of tasks in Pebble, an ordered store on local disk: one database per task, one budget of memory and
// one of open files for all of them.
//
// What you get: engines that hold the contract of state.Engine, that is, after any crash a prefix of the applied batches. How long
// the lost tail is depends on what died. Apply returns when the batch has been written to the operating system, so the death of the
// process, however sudden, costs nothing. The death of the machine costs what came after the last Flush, which waits for the disk.
//
// What you owe: a directory that is yours alone; every snapshot and iterator closed before Close; and a look at the errors. An error
// that Pebble cannot survive (a full disk in the midst of a commit) stops the engine: nothing reaches its files from then on, as if the
// process had died, every call answers with that error, and the next Open finds the prefix.
//
// Less formally, on the log. Pebble keeps what is applied without a sync in a buffer of its own, where SIGKILL finds it; and a sync for
// each batch costs milliseconds. So batches ask for a sync, and the log's file carries it out only in Flush, Ingest and when the log is
// closed: all others end at the operating system. Pebble's newest log format would call that a corrupt file after a power failure,
// since it notes in the log how much of it was synced; databases are kept in the format before (see format).
//
// A directory that was written in a newer format than this package knows is refused with ErrNewer, one that is in use with ErrLocked.
package pebble
