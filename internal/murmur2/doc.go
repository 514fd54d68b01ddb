// Package murmur2 is Kafka's hash of keys (MurmurHash2, 32 bits, little-endian reads, Kafka's seed) and the partition that follows from it.
//
// What you get: the same numbers as org.apache.kafka.common.utils.Utils.murmur2 and the Java producer's default partitioner, without allocation.
// What you owe: the encoded key. For a windowed key that is the inner key's bytes (package window). A null key has no hash: it goes to any partition.
package murmur2
