// Package assign gives tasks to the members of a consumer group. It computes; it asks nobody, remembers nothing and looks at no clock: the same members and
// tasks, in whatever order, give the same plan.
//
// What you get. Plan is where every task should run: active once, standbys and warm-ups on other processes. In order of weight, an active task is placed so that
//
//  1. its member subscribes to all of its topics;
//  2. members carry equally many tasks: a process as many as its members allow, and counts of two members differ by at most one;
//  3. the same within each sub-topology, as far as 2 leaves room;
//  4. it stays on the process that owns it, if that process has its state;
//  5. it goes where its state is least behind.
//
// Rules 2 to 5 are one cost, minimised exactly (see spread.go): no plan that is as balanced moves fewer tasks from one process to another. The members of a
// process share its state, so the same is done a second time inside each process, to find the member.
//
// Assignable is what may be handed out now: a plan without the tasks whose partitions somebody else has yet to give up. Owners drop what they are not given,
// join again, and the next round hands it out. Nobody is ever given what another member still claims.
//
// MemberData and AssignmentData are the two byte strings that travel with a join and with its answer.
//
// What you owe. Member ids and task ids are unique, and no partition is a source of two tasks. One member per process reports Lags, and reports every task whose state the process holds, running tasks
// with their true lag (0 once restored). After a plan with warm-ups somebody rebalances again when they have caught up; until then their tasks stay where they are,
// and rules 2 and 3 wait. Members of one process subscribe to the same topics, or rule 2 is only approached.
//
// Less formally: Kafka Streams' high-availability assignor (KIP-441) with its moves counted as a flow instead of by rules of thumb.
package assign
