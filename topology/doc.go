// Package topology is a stream-processing graph as data: nodes, stores, sub-topologies, names, validation, descriptions.
//
// The root package's Builder fills a Graph; Build checks the whole of it, reports every fault at once, and returns a Topology, which does
// not change any more and may run in many apps. Nothing here runs: what a node does stands behind Node.Make, which a task calls.
package topology
