package state_test

import (
	"strings"
	"testing"
	"time"

	"github.com/weirstream/weir/internal/rows"
	"github.com/weirstream/weir/internal/seal"
	"github.com/weirstream/weir/serde"
	"github.com/weirstream/weir/state"
)

// What Open and View make must be what Bind and View of the descriptors promise.
var (
	_ state.KeyValue[string, int64]         = (*rows.KeyValue[string, int64])(nil)
	_ state.ReadOnlyKeyValue[string, int64] = (*rows.KeyValueView[string, int64])(nil)
	_ state.Window[string, int64]           = (*rows.Windows[string, int64])(nil)
	_ state.ReadOnlyWindow[string, int64]   = (*rows.WindowView[string, int64])(nil)
	_ state.Session[string, int64]          = (*rows.Sessions[string, int64])(nil)
	_ state.ReadOnlySession[string, int64]  = (*rows.SessionView[string, int64])(nil)
	_ state.Rows                            = (*rows.Bytes)(nil)
)

func specOf(d state.Descriptor) *rows.Spec { return d.Spec(seal.Token{}) }

func TestOptionsReachTheSpec(t *testing.T) {
	d := state.WindowStore("w", serde.String(), serde.Int64(), time.Minute, state.InMemory(), state.Cached(), state.NoChangelog(),
		state.Retention(time.Hour), state.TopicConfig(map[string]string{"a": "1"}), state.TopicConfig(map[string]string{"b": "2"}))
	s := specOf(d)
	if s.Fault != nil || s.Name != "w" || d.StoreName() != "w" || s.Kind != rows.WindowKind || !s.InMemory || !s.Cached || s.Logged || s.Retention != 3_600_000 ||
		s.Config["a"] != "1" || s.Config["b"] != "2" || s.KeyType != "string" || s.ValueType != "int64" {
		t.Errorf("spec %+v", s)
	}
	if again := d; specOf(again) != s {
		t.Error("two copies of a descriptor are two stores")
	}
}

func TestDefaults(t *testing.T) {
	for name, s := range map[string]*rows.Spec{
		"window":  specOf(state.WindowStore("s", serde.String(), serde.Int64(), time.Minute)),
		"session": specOf(state.SessionStore("s", serde.String(), serde.Int64())),
	} {
		if s.Retention != 24*time.Hour.Milliseconds() || !s.Logged || s.Cached || s.InMemory || s.Fault != nil {
			t.Errorf("%s: %+v", name, s)
		}
	}
	if s := specOf(state.WindowStore("s", serde.String(), serde.Int64(), 48*time.Hour)); s.Retention != 48*time.Hour.Milliseconds() {
		t.Errorf("a window of two days is kept for %d ms", s.Retention)
	}
}

func TestFaults(t *testing.T) {
	k, v := serde.String(), serde.Int64()
	for want, d := range map[string]state.Descriptor{
		`TTL(1ns) is not a whole number`:           state.KeyValueStore("s", k, v, state.TTL(1)),
		`WallTTL(0s) is not a whole number`:        state.KeyValueStore("s", k, v, state.WallTTL(0)),
		`a second time to live`:                    state.KeyValueStore("s", k, v, state.WallTTL(time.Second), state.TTL(time.Second)),
		`fit a key-value store, not a window`:      state.WindowStore("s", k, v, 0, state.TTL(time.Second)),
		`LRU does not go with TTL`:                 state.KeyValueStore("s", k, v, state.TTL(time.Second), state.LRU(2)),
		`store "s": LRU(0) keeps nothing`:          state.KeyValueStore("s", k, v, state.LRU(0)),
		`Retention does not fit a key-value store`: state.KeyValueStore("s", k, v, state.Retention(time.Hour)),
		`Duplicates does not fit a session store`:  state.SessionStore("s", k, v, state.Duplicates()),
		`Retention(1s) is too short`:               state.WindowStore("s", k, v, time.Minute, state.Retention(time.Second)),
		`Retention(1.5ms) is not a whole number`:   state.SessionStore("s", k, v, state.Retention(1500*time.Microsecond)),
		`Cached does not go with Duplicates`:       state.WindowStore("s", k, v, 0, state.Cached(), state.Duplicates()),
		`window size -1s`:                          state.WindowStore("s", k, v, -time.Second),
		`a store needs a name`:                     state.KeyValueStore("", k, v),
		`Cached does not fit a custom store`:       state.CustomStore("s", func(state.Rows) (int, error) { return 0, nil }, state.Cached()),
		`must be declared`:                         state.KeyValueDesc[string, int64]{},
	} {
		if err := specOf(d).Fault; err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("fault %v, want one that says %q", err, want)
		}
	}
}

// wrongly finds a store of other types.
type wrongly struct{}

func (wrongly) ViewStore(state.Descriptor) (any, error) {
	return &rows.KeyValueView[int64, int64]{}, nil
}

func TestViewOfOtherTypes(t *testing.T) {
	_, err := state.KeyValueStore("s", serde.String(), serde.Int64()).View(wrongly{})
	if err == nil || !strings.Contains(err.Error(), `store "s"`) {
		t.Errorf("a view of other types: %v", err)
	}
}

// misbound gives a store of other types, and is told so.
type misbound struct{ told error }

func (*misbound) BindStore(state.Descriptor) any { return &rows.KeyValueView[int64, int64]{} }
func (m *misbound) FailBind(err error)           { m.told = err }

func TestBindOfOtherTypes(t *testing.T) {
	m := &misbound{}
	if s := state.KeyValueStore("s", serde.String(), serde.Int64()).Bind(m); s != nil || m.told == nil || !strings.Contains(m.told.Error(), `store "s"`) {
		t.Errorf("bound %v, told %v", s, m.told)
	}
}
