// Package assign gives tasks to the members of a consumer group. It computes; it asks nobody, remembers nothing and looks at no clock: the same members and
// tasks, in whatever order, give the same plan.
//
// What you get. Plan is where every task should run: active once, standbys and warm-ups on other processes. In order of weight, an active task is placed so that
//
//  1. its member subscribes to all of its topics;
//  2. members carry equally many tasks: counts of two members differ by at most one, and processes carry in proportion to their members;
//  3. the same holds within each sub-topology, as far as 2 leaves room;
//  4. its process is ready for it, so that as few tasks as can be have to restore;
//  5. it stays on its process, and after that on its member;
//  6. it goes where its state is least behind.
//
// Rules 2 to 6 are one cost, minimised exactly (see spread.go): of all plans that are as balanced and restore as little, none moves fewer tasks. It follows that
// what was given to a member stays with it in the next round, so that two rounds hand over anything.
//
// Assignable is what may be handed out now: a plan without the tasks whose partitions somebody else has yet to give up. Owners drop what they are not given,
// join again, and the next round hands it out. Nobody is ever given what another member still claims. Owners tells who that is.
//
// MemberData and AssignmentData are the two byte strings that travel with a join and with its answer.
//
// What you owe. Member ids and task ids are unique, and no partition is a source of two tasks. One member per process reports Positions, and reports every task whose state the process holds, running tasks
// as Latest. After a plan with warm-ups somebody rebalances again when they have caught up; until then their tasks stay where they are,
// and rules 2 and 3 wait.
//
// Less formally: Kafka Streams' high-availability assignor (KIP-441) with its moves counted as a flow instead of by rules of thumb.
package assign
