// Payments totals what merchants were paid, minute by minute: event time, windows with a grace, one result per window when it has closed, late
// payments counted.
//
//	go run ./examples/payments
//
// starts a broker inside the process, sends it made-up payments, sixty seconds of them in a second, and prints totals as their windows close. With
// -brokers it runs on a Kafka of yours; start a second copy and they share the work. totals is the part to copy.
package main
