// Package layers holds the table of which package may import which, and a test that says why when one does not keep to it.
//
// Every package is a room on a floor, and imports only rooms on lower floors. Test files are free. The rules, each with its reason in
// rules.go: a package is in the table; leaves import nothing of ours; imports go down; what is for tests is imported by tests; Kafka's client
// stays in and above internal/kafka; Pebble stays in state/pebble; the rooms below internal/kafka start no goroutine, look at no clock and open no
// connection.
//
// A new package gets its line in table.go. When a rule is in the way, the package is usually on the wrong floor, or two things in one package
// belong on two.
package layers
