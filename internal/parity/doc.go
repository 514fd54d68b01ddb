// Package parity compares weir with Kafka Streams, record by record: golden/testdata/topologies holds what Kafka Streams' test driver did with many
// topologies and random inputs, and the same topologies, built here with the public API, are given the same inputs.
//
// What you get: Read, a recorded Case with its definition in words and its Runs; Builders, the topologies built so far, by the case's name; Play, which
// sends a run's inputs through weirtest and returns what came of them in the same form; Diff, which says how two runs differ, and DiffDescribe, which
// compares the two descriptions after renaming nodes one to one.
//
// What is compared, step by step: the records of every topic in their order, with key, value, time, headers and, where it was recorded, partition;
// changelogs as the records of each key in their order, for Kafka writes some of them in the order of a hash set; how many records were dropped. At the
// end the rows of every store. Names of topics and stores are compared literally: a builder gives Kafka's.
//
// What you owe: a family of cases is a file with a function that returns its builders by name, and a line in Builders. A case without a builder is
// listed by Missing. A difference that is there on purpose is an entry of Differences, which edits the recorded run into exactly what we do instead; it fails
// when it changes nothing, and when docs/semantics.md has no row of its name.
package parity
