// Package kafkatest gives tests the real brokers that scripts/kafka.sh started for them.
//
// A test that needs one lives in a file with the build tag kafka and asks here for its address and its topics.
// It runs by "make kafka-test", or, for one package,
//
//	scripts/kafka.sh run -- go test -tags kafka ./internal/kafka
//
// You get: the address of a broker whose transactions are of version 2, that of one whose transactions are of
// version 1, and topics that nobody else uses and that are deleted after the test. You owe: names of groups and
// transactional ids that are yours alone (Name makes them), since all tests of a run share the brokers.
//
// Without a broker such a test fails; it does not skip. A run that tested nothing must not look like one that passed.
package kafkatest
