// Package serde turns typed values into bytes and back.
//
// What you get: a Serde[T] for Go's own kinds whose bytes equal those of Kafka's Java serializers (integers and floats big-endian, strings UTF-8,
// UUIDs in text form), JSON for structs, Nullable for pointers, and New for anything else.
//
// What you owe, when you write one:
//
//   - Append appends to dst and returns the longer slice, as append does; on an error what it returned is thrown away.
//   - Decode does not keep b, nor any part of it: the caller uses the memory again. It returns an error for bytes that Append cannot have written.
//   - Both are called by many goroutines at once.
//   - Name names the format: two serdes of equal name are taken for the same one, and no conversion is made between them. Where the Go type decides
//     the format, the name holds the type.
//   - Equal values have equal bytes, if the serde is used for keys: keys are compared, ordered and partitioned by their bytes. A Go map in a JSON key
//     is fine (encoding/json sorts it); a float's two zeros are different keys.
//
// Null never reaches a serde: it is decided before. A null key or value of a record is no bytes at all, and that is not the same as zero bytes:
// the empty string is a value.
//
// # Keys that are partitioned by a part of their bytes
//
// A record's partition is Kafka's murmur2 of its encoded key. A serde whose method
//
//	InnerKey(encoded []byte) []byte
//
// exists gives the part of an encoded key to be hashed instead; the windowed serdes of package window have it, so that all windows of a key share the
// partition of the key, as in Kafka Streams. Nullable passes it on.
package serde
