// Package devbroker runs a Kafka broker inside the process: for go run, for demos, and for tests. Not for production.
//
// What you get: brokers that speak Kafka's protocol on the loopback interface, with groups, transactions, compaction and topic administration,
// and keep records in memory. They are franz-go's kfake, and start at once:
//
//	broker, err := devbroker.Start(devbroker.Topics(4, "payments", "accounts"))
//	if err != nil {
//		return err
//	}
//	defer broker.Close()
//	client, err := kgo.NewClient(kgo.SeedBrokers(broker.Addrs()...))
//
// What you owe: Close. Everything that was written is gone then, unless DataDir says where to keep it.
//
// # Where it is not Kafka
//
// One goroutine does all the work, so it never answers that a transaction is still being completed (CONCURRENT_TRANSACTIONS), replicates
// nothing, has no quotas, and holds every record in memory. A join of a group never waits for further members. Java's admin client cannot create topics on it.
// A program that works here has still to be tried on a real broker.
package devbroker
