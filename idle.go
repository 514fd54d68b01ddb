package weir

import (
	"fmt"
	"time"
)

// CloseIdleAfter lets windows close when every input of a task has been read to its end and silent for d of wall-clock time; the default is never, which 0
// says too. It fits windowed aggregations but unlimited ones, AggregateCogroup, Suppress, LeftJoin and OuterJoin. A Suppress until windows close has
// that of the aggregation above, if it has none of its own.
//
// Then every window closes that may hold what has come, as if a record had come that is late enough: EmitOnClose emits, Suppress lets all go that it
// holds, joins forward what waits for a match. What comes later for such a window is late, also within the grace. Closing is part of the
// state: after a restart no window is emitted twice, and none opens again.
//
// Every partition that the task reads counts, repartition topics too; their ends are asked of the brokers before, so that brokers that do not answer
// are no silence. What is upstream of a repartition topic and still on its way does not count: d should be longer than what work upstream may take.
func CloseIdleAfter(d time.Duration) CommonOption {
	return commonOption{opOption{"CloseIdleAfter", func(o *op) {
		o.closeIdle = &d
		if err := validIdle(d); err != nil {
			o.fault = err
		}
	}}, func(c *appConfig) { c.closeIdle = d }}
}

func validIdle(d time.Duration) error {
	if d < 0 || d%time.Millisecond != 0 {
		return fmt.Errorf("CloseIdleAfter(%v) must be whole milliseconds, and not negative", d)
	}
	return nil
}

// idleAfter is after how many ms of silence windows are closed; −1: as the app says.
func (o *op) idleAfter() int64 {
	if o.closeIdle == nil {
		return -1
	}
	return o.closeIdle.Milliseconds()
}
