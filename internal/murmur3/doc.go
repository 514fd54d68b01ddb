// Package murmur3 is the hash by which a foreign-key join knows whether a left row is still the one that asked (MurmurHash3, 128 bits for 64-bit
// machines, with Kafka Streams' seed).
//
// What you get: the same bytes as org.apache.kafka.streams.state.internals.Murmur3.hash128, written as Kafka Streams writes them, without allocation.
package murmur3
