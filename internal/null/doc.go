// Package null answers one question about a Go type, and one about its values: can it be nil, and is it?
//
// Kafka's null is nil where a type is nilable; where it is not, a record carries a bit beside the value.
package null
