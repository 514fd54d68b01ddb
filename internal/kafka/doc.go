// Package kafka is the only room that makes Kafka clients and requests.
//
// What you get.
//
//   - Settings, which carry the user's options to every client and refuse by name those that this room owns.
//   - Cluster, one per app: topics and their configurations, offsets, creating topics, deleting records.
//   - Group, one per worker: the member of the consumer group. Poll parks the worker; a Handler hears of partitions
//     that come and go.
//   - Producer, one per worker: idempotent, or transactional under exactly once. A Dest learns what became of the
//     records sent to it.
//   - Commit, one function over a Group and a Producer: offsets, state and outputs move together or not at all.
//   - Reader, one per restorer: reads given partitions from given offsets, markers included.
//
// What you owe.
//
//   - One goroutine, the worker, calls Poll, Pause, Resume, Rewind, Send, Flush, Commit and Leave. It calls Poll again
//     soon: rebalances wait for it. Wanted says that one is waiting.
//   - Between Polls nobody else touches what the handler touches. The handler runs only while the worker is inside Poll,
//     on a goroutine of the client or on the worker's own; it may call Commit and Pause, not Poll, Leave or Close.
//   - Each task goes on from the position in Started, not before it has come. Records of a partition are given only after
//     its Started, and none after it was revoked, lost or rewound.
//   - After ErrFenced, ErrProducerDead or ErrUnknownOutcome the worker's transaction is abandoned: drop what is
//     uncommitted in all its tasks, Replace the producer, Rewind the group.
//
// Less formally. The member id is the fence, the generation only freshness: the client may join again silently under a
// new id, and would then commit validly for partitions that meanwhile moved. A Group records the id under which its
// partitions were given, every commit carries that id with the generation of the moment, and another id in the client
// means that all partitions are lost, whatever callbacks came.
//
// No transaction is ended but by the client's own EndTransaction: from transaction.version 2 on each end bumps an epoch
// that the client must know. EndTransaction turns a commit of nothing, and one of a single rejected record, into nothing
// or an abort; so acknowledged records are counted, and with none the offsets are committed without a transaction. It does
// the same to a first transaction when it does not yet keep the topic that was written, so the end waits for that.
package kafka
