// Package stage is what the example programs stand on: their flags, a broker, topics, and a client that sends and reads.
//
// What you get: Parse reads the flags that all examples have. Open connects to the brokers that they name, or starts one inside the process, and
// makes the topics. Run runs the parts of a program together: the first that ends, ends all.
//
// What you owe: Close. With a broker inside the process everything is gone then, the state too, unless -state names its folder: state
// that outlives its broker would belong to topics that are no more.
package stage
