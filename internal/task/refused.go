package task

import (
	"time"

	"github.com/weirstream/weir/internal/flow"
	"github.com/weirstream/weir/internal/store"
	"github.com/weirstream/weir/processor"
	"github.com/weirstream/weir/topology"
)

// Refused decides about records of an input from which a store is restored, and that cannot be read, as was decided when they were processed: by the
// source's own handler, or else the app's.
func Refused(s *topology.Store, apps flow.Handler, p flow.TopicPartition) func(store.LogRecord, error) error {
	return func(r store.LogRecord, err error) error {
		from := processor.Source{Topic: p.Topic, Partition: p.Partition, Offset: r.Offset}
		return flow.Refused(s.Reader.OnError, apps, s.Reader.Node, from, r.Key, r.Value, time.UnixMilli(r.Time).UTC(), err)
	}
}
