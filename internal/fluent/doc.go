// Command fluent writes fluent_go127.go: the root package's functions as generic methods, which Go 1.27 has and Go 1.26 has not.
//
// What you get: for each exported function whose first parameter is a Builder, an App, a stream, a table or what is grouped, a method of that
// parameter's type that calls it. Names follow the function, but where a method says by its receiver what the function says in its name (names, in
// fluent.go). What a Go of no version takes as a method stays a function: whose result nests a parameter of the receiver (an instantiation cycle: Changes,
// LateOf, aggregations of what is windowed), and whose first parameter asks for a window.Key.
//
// What you owe: after a change of such a function's name, parameters or result run "go generate ." in the repository's root, and commit what it wrote. The
// package's test fails until then. The file is formatted as gofmt would, which cannot parse it before Go 1.27; "make fluent" has that version look.
package main
