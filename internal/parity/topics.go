package parity

import (
	"strconv"
	"time"

	weir "github.com/weirstream/weir"
	"github.com/weirstream/weir/serde"
)

// ownTime is the time in a value: a:12345.
func ownTime(v text) time.Time {
	ms, err := strconv.ParseInt((*v)[2:], 10, 64)
	if err != nil {
		panic(err) // the recorder makes no others
	}
	return time.UnixMilli(ms)
}

func timed(b *weir.Builder, opts ...weir.OpOption) stream {
	return weir.From(b, weir.NewTopic("in", texts, texts, weir.EventTime(ownTime)), opts...)
}

func events() map[string]Build {
	return map[string]Build{
		"event-time": func(b *weir.Builder) { out(timed(b)) },
		"event-time-windows": func(b *weir.Builder) {
			windows(weir.Count(timed(b).GroupByKey().WindowedBy(tumbling.Grace(sec(20))), "agg"), sec(10), serde.Int64())
		},
		"event-time-skip": func(b *weir.Builder) { out(timed(b, weir.SkipInvalidTime())) },
		"event-time-fail": func(b *weir.Builder) { out(timed(b)) },
		"partition-time":  func(b *weir.Builder) { out(timed(b, weir.UsePartitionTime())) },
		"wall-clock":      func(b *weir.Builder) { out(weir.From(b, topicOf("in"), weir.WallClockTime())) },
		"two-times": func(b *weir.Builder) {
			by := topicOf("in").EventTimeBy(func(r weir.Record[text, text], _ time.Time) time.Time {
				if r.IsNull() {
					return r.Time
				}
				return ownTime(r.Value)
			})
			out(weir.From(b, by).Merge(from(b, "in2")))
		},
		"partition-by-value": partitioned(func(_, v text, n int) int {
			switch {
			case v == nil:
				return 0
			case low(v):
				return int((*v)[1]-'0') % n
			}
			return len(*v) % n
		}),
		"partition-some": partitioned(func(_, v text, _ int) int {
			if low(v) {
				return 3
			}
			return weir.DefaultPartition
		}),
		"partition-none": partitioned(func(_, v text, _ int) int {
			if low(v) {
				return 1
			}
			return -1
		}),
		"multicast": func(b *weir.Builder) {
			in(b).To(topicOf("out").Multicast(func(_, v text, _ int) []int {
				if low(v) {
					return []int{0, 2}
				}
				return []int{1, 2, 3}
			}))
		},
		"broadcast": func(b *weir.Builder) {
			in(b).To(topicOf("out").Multicast(func(_, _ text, _ int) []int { return []int{0, 1, 2, 3} }))
		},
		"route-by-value": func(b *weir.Builder) {
			in(b).ToFunc(func(r weir.Record[text, text]) topic {
				if r.Value == nil {
					return topicOf("out-null")
				}
				return topicOf("out-" + (*r.Value)[:1])
			})
		},
		"route-by-header": func(b *weir.Builder) {
			in(b).ToFunc(func(r weir.Record[text, text]) topic {
				if h, ok := r.Headers.Get("h"); ok {
					return topicOf("out-" + string(h))
				}
				return topicOf("out-none")
			})
		},
		"route-by-time": func(b *weir.Builder) {
			suffixed(in(b), "!").ToFunc(func(r weir.Record[text, text]) topic {
				return topicOf([]string{"out-even", "out-odd"}[r.Time.UnixMilli()%2])
			})
		},
	}
}

func partitioned(f func(k, v text, n int) int) Build {
	return func(b *weir.Builder) { in(b).To(topicOf("out").PartitionBy(f)) }
}
