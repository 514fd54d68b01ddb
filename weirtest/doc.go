// Package weirtest drives a topology by hand, with no broker: send records, read what comes out, move the clock, look into stores, stop and
// start again. It runs the task code that an App runs, so what holds here holds there.
//
//	d := weirtest.New(t, topo)
//	in, out := weirtest.In(d, Payments), weirtest.Out(d, Totals)
//	in.Send("p1", Payment{Merchant: "acme", Amount: 5})
//	r, ok := out.Next()
//
// What you get: when a Send returns, all that follows from the record has been done, through every repartition topic, and a commit has been
// made (CommitEvery changes that). Nothing looks at the real clock, but for the Timeout of a
// call, and nothing runs in the background: the same calls give the same run. Calls of asynchronous operators run at the same time, each on a
// goroutine of its own; when all that can be done without them is done, one after the other is waited for, in the order in which they began, and
// finished. One that waits to be repeated waits for AdvanceWallClock.
// Topics have one partition unless Partitions says otherwise, and one task per partition runs, as in an App.
//
// What you owe: one goroutine. A failure of the topology fails the test with its coordinates; the methods called Try… return it instead. After
// one, the driver refuses everything but Crash, which starts again from the last commit, as an App's supervisor would.
//
// # Where it is not a broker
//
// There is one member, which never loses a task to another. Partitions always end where the last record stands, so a task never waits for a
// record that is on its way; MaxTaskIdle is waited for on the driver's clock. A commit always succeeds, and no record is ever refused once it was
// encoded. Topics come into being when something writes to them, with the partitions that Partitions gives; the topics that a pattern matches are
// those that Partitions names. Nothing is compacted, and nothing expires in a topic. Transactions leave no markers, so offsets have no gaps
// but those of aborted records. Every topic is read from its start. A retry's pause moves the driver's clock, and a record that is tried again a
// thousand times is given up.
//
// At least once, which is an App's default, what a task writes is there at once, for the test and for the next task. So Crash has the
// worst outcome that a broker allows: outputs that were not committed stay, their input is done again, and stores hold what the changelog
// holds, that is uncommitted updates too. With weirtest.With(weir.ExactlyOnce()) what was written is seen after the commit, and Crash takes the
// rest away. With the default of one commit per record the two agree, except after an error.
//
// EmitEvery is 0 unless With says otherwise: what has closed is emitted with the record that closes it.
package weirtest
