// Package soak kills whole programs on real brokers and looks whether their guarantees hold. It holds tests alone.
//
// The programs are this package's own test binary: TestMain, given a launch by the environment, runs an app instead
// of tests, until SIGTERM or until its parent is gone. So what is killed by SIGKILL is a true process with a true
// state directory, and nothing needs to be built beside the tests.
//
//	TestKafkasOwnVerifier         Kafka's StreamsEosTest generates and judges; four kills, each of which finds a transaction open
//	TestKafkasRelationalVerifier  Kafka's RelationalSmokeTest generates and judges joins of tables; two kills
//	TestPayments                  windows that close once, both guarantees; after a kill what was on disk is not read again
//	TestCountTV1                  a count over a kill on a broker of transaction.version 1, both guarantees
//
// You get verdicts that were themselves tested: every judgement here has a test that feeds it a broken run.
// You owe a machine that is not so busy that a process needs a minute to start. It runs by
//
//	make kafka-test PKG=./internal/soak
//
// WEIR_SOAK_EOS_RECORDS (default 4000) is how many records TestKafkasOwnVerifier's generator must have written at least,
// WEIR_SOAK_EOS_KILLS (4) how many processes it kills, WEIR_SOAK_PAYMENTS (200000) the records of TestPayments.
package soak
