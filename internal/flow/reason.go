package flow

// Reason says why a record was dropped without an error, or skipped by a decision. The texts are part of the metrics' names.
type Reason uint8

// The reasons of drops.
const (
	NullKey        Reason = iota // a null key where the operator needs one
	NullValue                    // a null value where the operator needs one
	Late                         // it came after its window had closed
	Expired                      // a put that was older than the store keeps
	Undecodable                  // decoding failed, and the decision was to skip
	InvalidTime                  // an event time before the epoch, under SkipInvalidTime
	Failed                       // user code failed, and the decision was to skip
	Unwritable                   // the broker or the serde refused it, and the decision was to skip
	DeadLettered                 // it went to a dead-letter topic
	NoPartition                  // the partitioner chose none
	NoTopic                      // ToFunc chose none
	OutOfOrder                   // a change of a versioned table's history, where only current rows count
	BeforeStart                  // it came before the start of an unlimited window
	NullForeignKey               // a left row of an inner foreign-key join has no foreign key
	Stale                        // an answer to a foreign-key join's left row that has changed since: another is on its way
	reasons
)

var reasonTexts = [reasons]string{
	NullKey: "null key", NullValue: "null value", Late: "late", Expired: "expired", Undecodable: "undecodable", InvalidTime: "invalid time",
	Failed: "failed", Unwritable: "unwritable", DeadLettered: "dead letter", NoPartition: "no partition", NoTopic: "no topic", BeforeStart: "before start",
	OutOfOrder: "out of order", NullForeignKey: "null foreign key", Stale: "stale",
}

// String is the reason's stable text.
func (r Reason) String() string { return reasonTexts[r] }

// Reasons are all of them.
func Reasons() []Reason {
	all := make([]Reason, reasons)
	for i := range all {
		all[i] = Reason(i)
	}
	return all
}
