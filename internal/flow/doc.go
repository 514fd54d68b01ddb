// Package flow is the seam between types and tasks: everything generic that runs.
//
// A topology is data (package topology); for each task its nodes are made anew, from the sinks up, as typed closures: a Receiver per node,
// which captures its children, its stores and its Node. Types are erased once, when a node links its children, and nothing is boxed per
// record. From the task's side the whole is a few untyped faces: Queue in, Collector out, Env beside.
//
// What you get: a record handed to Queue.Run has been through the whole graph when Run returns, depth first, children in the order of
// their declaration.
//
// What you owe: one goroutine per task. Before Run, Env.Origin, StreamTime and WallTime are those of the record in process.
//
// Errors: a node that fails asks Node.Decide, which applies the user's decision there and then: its siblings go on. What Decide returns is
// final, a *Fatal, and is handed up untouched.
package flow
