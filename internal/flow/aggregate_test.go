package flow

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/weirstream/weir/internal/rows"
	"github.com/weirstream/weir/processor"
	"github.com/weirstream/weir/serde"
	"github.com/weirstream/weir/window"
)

// Nothing before 1970 enters a store; what is fatal names the node.
func TestTimesBefore1970(t *testing.T) {
	kv := rows.NewKeyValue("kv", serde.String(), serde.Int64())
	win := rows.NewWindow("win", serde.String(), serde.Int64(), rows.Windowing{Size: 10, Advance: 10, Retention: 10})
	ses := rows.NewSession("ses", serde.String(), serde.Int64(), 10, false)
	n := started(t, kv, win, ses)
	store := func(name string) any {
		s, ok := n.Env.Stores.Store(name)
		if !ok {
			t.Fatal(name)
		}
		return s
	}
	plain, windows, count := store("kv").(*rows.KeyValue[string, int64]).T, store("win").(*rows.Windows[string, int64]).T, counting[string, int64]()
	wide, flat := Fan[window.Key[string], Change[int64]](nil), Fan[string, Change[int64]](nil)
	for name, take := range map[string]Receiver[string, int64]{
		"table":     Table(n, plain, false, flat),
		"count":     Aggregate(n, plain, count, false, flat),
		"windows":   AggregateWindows(n, "win", windows, window.Tumbling(10*time.Millisecond), count, nil, false, wide),
		"unlimited": AggregateUnlimited(n, windows, 0, count, false, wide),
		"sessions":  AggregateSessions(n, "ses", store("ses").(*rows.Sessions[string, int64]), window.Session(time.Second), count, nil, false, wide),
	} {
		err := take(processor.NewRecord("a", int64(1), time.UnixMilli(-1)))
		var fatal *Fatal
		if !errors.As(err, &fatal) || fatal.Node != "node" || !strings.Contains(err.Error(), "1970") {
			t.Errorf("%s: error %v", name, err)
		}
	}
}
