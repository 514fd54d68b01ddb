// Package task runs one sub-topology for one partition: queues, the choice of the next record, stream time, punctuation, and the commit in
// two halves. It computes: no goroutine, no clock, no network. Time is an argument, records are pushed in, and what leaves goes through
// flow.Collector and store.Set. So an app's worker, the test driver and scenario scripts run the same code.
//
// What you get. Step takes the record of the smallest event time among the heads of the queues; ties go to the earlier source, so the same
// pushes at the same times give the same run. For each record, stream time is raised, the record goes through the whole
// graph, what is due on stream time is called, and the caches are brought back to their budget: Kafka's StreamTask.process and
// maybePunctuateStreamTime, with batches of one. After a restart stream time goes on from what the committed offsets' metadata say;
// a stream-time punctuation waits for the first record all the same.
//
// When a queue is empty the task waits, by KIP-695 (PartitionGroup.readyToProcess): for ever while its partition's lag is unknown or above
// zero, MaxIdle more from when the lag was first seen to be zero, and not at all with MaxIdle −1.
//
// Calls of user code that take long run beside the task, by flow.Calls, and are finished in Step, between records, or by Finish. While a node holds as many records
// open as it may, Step takes none; timers and commits go on. What is open at a commit is in a store, so offsets may pass it.
//
// A commit has two halves. PrepareCommit flushes the caches and says what to commit: of each partition whose position has moved since the last
// commit the offset of what waits at its head, else the position, with the partition's time; of all partitions with a position when a
// watermark has changed. The caller makes the outputs and these offsets durable, in the order that its guarantee asks for; Committed then
// applies the stores' writes. Records and punctuations are refused between the two.
//
// What you owe. One goroutine owns a task; hand-over is a channel send. Push in the order of offsets. SetEnd whenever an end is known:
// without it an empty queue holds the others back for ever. Call Step again after a push, a new end, the end of a call, or at Wake.
//
// Where operators close when their inputs are silent, CloseIdle is called between Step and a commit. It asks for what it must know: see WantsEnds.
//
// Errors. What a node decided to skip or to retry never gets here. Any error that a method returns is final: a record may be half done,
// so the task refuses everything from then on, a commit above all, and is to be abandoned (its stores go back to the last commit) or
// closed. A panic, ours or the user's, is such an error, with the coordinates of the record in process.
package task
