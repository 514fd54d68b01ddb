// Package weir builds stream-processing topologies and runs them.
//
// A Builder collects operators on streams and tables; Build checks them and returns a Topology; an App runs it as a member of a Kafka consumer
// group. State lives in stores that are logged to Kafka topics, so that any copy of the program can take over.
//
// Order of arguments: inputs, the name of what is stored, parameters, functions, options.
//
// Serdes, first that is given: the operator's own option; inherited along operators that keep the key or the value; RegisterSerde for the Go
// type; that of a topic used in this Builder, before or after; built in. Missing or ambiguous is a Build error.
//
// Null, unless an operator says otherwise: where K or V is nilable (pointer, slice, map) user functions are called with nil, and
// returning nil makes null; where it is not, "dropped" means dropped and counted by reason. Operators of tables never call user functions with
// a null key or value; nil from a joiner or mapper of a nilable kind deletes the row. Time and headers of a record are kept.
//
// What you owe: one goroutine uses a Builder. User functions may be called by several workers at once, for different tasks, so what they share
// they must guard; what a processor keeps in its own fields belongs to one task. A function that blocks holds up its worker.
package weir

//go:generate go run ./internal/fluent
