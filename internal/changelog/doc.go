// Package changelog reads changelog partitions into the stores of tasks.
//
// A Restorer is one goroutine with a fetch-only client of its own. It owns what it was given until it is done: a Job goes in by Add, comes
// back through Job.Done with its stores open and complete; or, after Remove, with ErrRemoved and its stores open as far as they are; or with
// another error, and its stores closed.
//
// The end of a restore is E, the end of the log, uncommitted records included, when the job was added. Records are read committed until the
// position reaches E: a transaction that is still open there is waited out, since its data may have been committed while its markers are
// missing. Markers come with the records and advance the position; without them a restore would never end.
//
// A topic that is an input of the task too is read as the task reads it, which at least once is all of it, and no further than the group has committed.
//
// Only the tail is read: from the position that the engine holds with the rows. Where the log no longer has that position, the rows are
// dropped and read anew from its start.
package changelog
