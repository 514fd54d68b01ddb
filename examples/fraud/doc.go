// Fraud raises an alert when a card is used too fast: a count over a hopping window, joined with a table of card holders, and a processor with a store
// of its own that lets one alert per card and hour pass and forgets by punctuation.
//
//	go run ./examples/fraud
//
// starts a broker inside the process, sends it made-up transactions, sixty seconds of them in a second, and prints alerts. With -brokers it runs on a
// Kafka of yours; start a second copy and they share the work. alerts is the part to copy.
package main
