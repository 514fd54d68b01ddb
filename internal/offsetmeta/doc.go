// Package offsetmeta is the metadata string of a committed offset, as Kafka Streams writes it (TopicPartitionMetadata, ProcessorMetadata).
//
// What you get: Encode and Decode of a partition's time and of the watermarks that windowed aggregations persist, byte for byte Kafka's; so a Java
// application may take over from ours, and ours from a Java one.
//
//	Base64( 0x02 | partitionTime(8) [ | n(4) | ( nameLen(4) | name | watermark(8) ) * n ] )
//
// Integers are big-endian. Without watermarks the string ends after the time. Version 1, 0x01 | partitionTime(8), is read too. The empty string is an
// offset without metadata.
//
// What you owe: an error of Decode is not fatal to a task. Kafka logs it and goes on with what could be read, because anyone may commit an offset with
// a string of their own; what is unknown is then observed anew.
package offsetmeta
