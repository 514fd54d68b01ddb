// Package topology is a stream-processing graph as data: nodes, stores, sub-topologies, names, validation, descriptions.
//
// The root package's Builder fills a Graph; Build checks the whole of it, reports every fault at once, and returns a Topology, which does
// not change any more and may run in many apps. Nothing here runs: what a node does stands behind Node.Make, which a task calls through
// Sub.Make.
//
// What you get: a checked Topology has unique legal names, edges that join equal types, stores that exist, sources that share no topic, and
// repartition topics that are written and read. Its sub-topologies are what must run in one task: nodes that are joined by edges or by
// stores. They are numbered in the order of their first nodes, as Kafka numbers them.
// Given the partition counts of the topics that Sources names and matches, Plan says which internal topics the app needs, Tasks which task
// reads what; both depend on nothing else, so that all members of an app agree where Hash agrees.
//
// What you owe: a node is added after its parents, and neither nodes nor stores are changed after Build. Plan and Tasks are asked with the
// same counts, also of topics that a pattern may match.
//
// Describe prints what Kafka Streams prints. testdata/record records that from Kafka itself.
package topology
