// Package alike looks at the first keys of topics that must be partitioned alike, for whether they are: a join, or a cogroup, of topics whose producers choose
// partitions differently misses what it should find, and says nothing.
//
// What you get: a Group of topics, a Sample for each of their partitions, and the first Difference that is found. Two things are compared: where a key is with
// where Kafka's default partitioner (murmur2) would have put it, and where one key is in two topics. What you owe: what is partitioned by of each encoded key (of
// a windowed key, the inner key), null keys left out; and a lock, for a Group with its Samples belongs to one goroutine at a time. Memory is bounded, and after
// the first keys there is nothing to do any more.
//
// It does not prove that topics are partitioned alike: a topic with few keys, or a process that reads few of its partitions, may show no difference.
package alike
