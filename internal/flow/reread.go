package flow

import (
	"context"
	"time"

	"github.com/weirstream/weir/internal/rows"
	"github.com/weirstream/weir/internal/seal"
	"github.com/weirstream/weir/processor"
	"github.com/weirstream/weir/serde"
)

// Reread reads the records of a source once more, for the table that it fills: what it makes of one is what a table with a changelog would write there. The
// event time must follow from the record alone.
func Reread[K, V any](d Decoder[K, V], key serde.Serde[K], value serde.Serde[V]) rows.Reread {
	q := source[K, V]{decoder: d}.Queue("", 0).(*queue[K, V])
	encode := func() (k, v []byte, err error) {
		defer Catch(&err)
		if k, err = key.Append(nil, q.head.Key); err != nil || q.head.IsNull() {
			return k, nil, err
		}
		v, err = value.Append([]byte{}, q.head.Value)
		return k, v, err
	}
	return func(rawKey, rawValue []byte, at int64) (k, v []byte, t int64, ok bool, err error) {
		switch err := q.decode(&Raw{Key: rawKey, Value: rawValue, Time: at}); {
		case err == errSkipTime:
			return nil, nil, 0, false, nil
		case err != nil:
			return nil, nil, 0, false, err
		}
		if q.head.KeyIsNull() {
			return nil, nil, 0, false, nil
		}
		k, v, err = encode()
		return k, v, q.at, err == nil, err
	}
}

// Refused is the decision about a record of a source that cannot be read when a table is restored from it: the source's, or else the app's. What was skipped
// or sent to a dead-letter topic when it was processed is left out again, and nothing is sent; anything else is the error.
func Refused(own, apps Handler, node string, from processor.Source, key, value []byte, at time.Time, err error) error {
	if own == nil {
		own = apps
	}
	env := &Env{Context: context.Background(), Origin: Origin{Topic: from.Topic, Partition: from.Partition, Offset: from.Offset, Key: key, Value: value, Time: at.UnixMilli()}}
	n := &Node{Name: node, Env: env, onError: own}
	e := n.failure(processor.Decoding, err)
	switch verdict, _, _ := n.ask(e).Open(seal.Token{}); verdict {
	case processor.SkipIt, processor.DeadLetterIt:
		return nil
	}
	return &Fatal{e}
}
