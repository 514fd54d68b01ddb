package parity

import (
	"iter"
	"time"

	weir "github.com/weirstream/weir"
	"github.com/weirstream/weir/processor"
	"github.com/weirstream/weir/serde"
	"github.com/weirstream/weir/state"
	"github.com/weirstream/weir/window"
)

// answering forwards what a store answers to each record with a key.
func answering[S any](d interface {
	state.Descriptor
	Bind(state.Binder) S
}, ask func(s S, r rec) (text, error)) Build {
	return func(b *weir.Builder) {
		out(process(in(b), func(ctx processor.Context, r rec, out ahead) error {
			if r.Key == nil {
				return nil
			}
			answer, err := ask(d.Bind(ctx), r)
			if err != nil {
				return err
			}
			return out(with(r, answer))
		}, weir.Stores(d)))
	}
}

// listing is rows, each with a comma.
func listing[K any](rows iter.Seq2[K, text], key func(K) text) text {
	all := cat()
	for k, v := range rows {
		all = cat(all, key(k), "=", v, ",")
	}
	return all
}

func byKey(rows iter.Seq2[string, text]) text {
	return listing(rows, func(k string) text { return &k })
}

func byStart(rows iter.Seq2[time.Time, text]) text {
	return listing(rows, func(at time.Time) text { return decimal(at.UnixMilli()) })
}

func byWindow(rows iter.Seq2[window.Key[string], text]) text {
	return listing(rows, func(k window.Key[string]) text {
		return cat(k.Key, "@", decimal(k.StartMs()), "-", decimal(k.EndMs()))
	})
}

func startOf(r rec) time.Time { return r.Time.Truncate(sec(10)) }

// before is some seconds before a time, or the epoch.
func before(at time.Time, seconds int) time.Time {
	return time.UnixMilli(max(0, at.UnixMilli()-1000*int64(seconds))).UTC()
}

func stores() map[string]Build {
	keyValue := func(opts ...state.Option) state.KeyValueDesc[string, text] {
		return state.KeyValueStore("s", serde.String(), texts, opts...)
	}
	windows := func(keep time.Duration, opts ...state.Option) state.WindowDesc[string, text] {
		return state.WindowStore("s", serde.String(), texts, sec(10), append(opts, state.Retention(keep))...)
	}
	sessions := func(keep time.Duration, opts ...state.Option) state.SessionDesc[string, text] {
		return state.SessionStore("s", serde.String(), texts, append(opts, state.Retention(keep))...)
	}
	return map[string]Build{
		"key-value-scans":           answering(keyValue(), keyValueScans),
		"key-value-scans-in-memory": answering(keyValue(state.InMemory()), keyValueScans),
		"put-all":                   answering(keyValue(), putAll),
		"lru":                       answering(keyValue(state.LRU(2)), exchanged),
		"changelog-config":          answering(keyValue(state.TopicConfig(map[string]string{"min.insync.replicas": "2"})), exchanged),
		"window-scans":              answering(windows(sec(120)), windowScans),
		"window-scans-in-memory":    answering(windows(sec(120), state.InMemory()), windowScans),
		"window-in-memory":          answering(windows(day, state.InMemory()), windowFetches),
		"window-duplicates":         answering(windows(day, state.Duplicates()), windowFetches),
		"window-cached":             answering(windows(day, state.Cached()), windowFetches),
		"session-scans":             answering(sessions(sec(120)), sessionScans),
		"session-scans-in-memory":   answering(sessions(sec(120), state.InMemory()), sessionScans),
		"session-in-memory":         answering(sessions(day, state.InMemory()), sessionFetches),
		"session-cached":            answering(sessions(day, state.Cached()), sessionFetches),
		"custom":                    custom,
	}
}

func keyValueScans(s state.KeyValue[string, text], r rec) (text, error) {
	if err := put(s, r); err != nil {
		return nil, err
	}
	return cat("from:", byKey(s.From("aa")), " to:", byKey(s.Upto("b")), " back:", byKey(s.ReverseRange("aa", "b")),
		" all-back:", byKey(s.ReverseAll()), " prefix:", byKey(s.Prefix([]byte("a")))), s.Err()
}

func putAll(s state.KeyValue[string, text], r rec) (text, error) {
	err := s.PutAll(func(yield func(string, text) bool) {
		if r.Value == nil {
			yield(*r.Key, nil)
			return
		}
		_ = yield(*r.Key, r.Value) && yield((*r.Value)[:1], r.Key) && yield(*r.Key, ifLow(r.Value, cat(r.Value, "!")))
	})
	if err != nil {
		return nil, err
	}
	return byKey(s.All()), s.Err()
}

func exchanged(s state.KeyValue[string, text], r rec) (text, error) {
	had, _, err := s.Get(*r.Key)
	if err != nil {
		return nil, err
	}
	return had, put(s, r)
}

func windowFetches(s state.Window[string, text], r rec) (text, error) {
	start := startOf(r)
	if err := s.Put(*r.Key, start, r.Value); err != nil {
		return nil, err
	}
	return cat(byStart(s.Fetch(*r.Key, before(start, 60), start)), " back:", byStart(s.ReverseFetch(*r.Key, before(start, 60), start))), s.Err()
}

func windowScans(s state.Window[string, text], r rec) (text, error) {
	to := startOf(r)
	near, far := before(to, 60), before(to, 200)
	if err := putOrDelete(s, r, to); err != nil {
		return nil, err
	}
	one, _, err := s.Get(*r.Key, to)
	if err != nil {
		return nil, err
	}
	return cat("one:", one, " some:", byStart(s.Fetch(*r.Key, near, to)), " back:", byStart(s.ReverseFetch(*r.Key, near, to)),
		" range:", byWindow(s.FetchRange("a", "b", far, to)), " range-back:", byWindow(s.ReverseFetchRange("a", "b", far, to)),
		" fetch-all:", byWindow(s.FetchAll(near, to)), " fetch-all-back:", byWindow(s.ReverseFetchAll(near, to)),
		" all:", byWindow(s.All()), " all-back:", byWindow(s.ReverseAll())), s.Err()
}

func putOrDelete(s state.Window[string, text], r rec, start time.Time) error {
	if r.Value == nil {
		return s.Delete(*r.Key, start)
	}
	return s.Put(*r.Key, start, r.Value)
}

func sessionOf(r rec) window.Key[string] {
	at := r.Time.UnixMilli()
	return window.NewKey(*r.Key, at-at%10_000, at)
}

func sessionFetches(s state.Session[string, text], r rec) (text, error) {
	if err := s.Put(sessionOf(r), r.Value); err != nil {
		return nil, err
	}
	from := before(r.Time, 60)
	return cat(byWindow(s.FindSessions(*r.Key, from, r.Time)), " back:", byWindow(s.ReverseFindSessions(*r.Key, from, r.Time))), s.Err()
}

func sessionScans(s state.Session[string, text], r rec) (text, error) {
	session := sessionOf(r)
	if err := putOrRemove(s, session, r.Value); err != nil {
		return nil, err
	}
	one, _, err := s.Get(session)
	if err != nil {
		return nil, err
	}
	near, far := before(r.Time, 60), before(r.Time, 200)
	return cat("one:", one, " key:", byWindow(s.Fetch(*r.Key)), " some:", byWindow(s.FindSessions(*r.Key, near, r.Time)),
		" back:", byWindow(s.ReverseFindSessions(*r.Key, near, r.Time)), " range:", byWindow(s.FindSessionsRange("a", "b", far, r.Time)),
		" all:", byWindow(s.All())), s.Err()
}

// putOrRemove removes the session where the value begins with h.
func putOrRemove(s state.Session[string, text], session window.Key[string], value text) error {
	if value != nil && (*value)[0] == 'h' {
		return s.Delete(session)
	}
	return s.Put(session, value)
}

func custom(b *weir.Builder) {
	d := state.CustomStore("s", func(rows state.Rows) (state.Rows, error) { return rows, nil }, state.NoChangelog())
	out(process(in(b), func(ctx processor.Context, r rec, out ahead) error {
		if r.KeyIsNull() {
			return nil
		}
		answer, err := customRows(d.Bind(ctx), r)
		if err != nil {
			return err
		}
		return out(with(r, answer))
	}, weir.Stores(d)))
}

// customRows keeps text in rows of bytes.
func customRows(s state.Rows, r rec) (text, error) {
	var value []byte
	if r.Value != nil {
		value = []byte(*r.Value)
	}
	if err := s.Put([]byte(*r.Key), value); err != nil {
		return nil, err
	}
	got, ok, err := s.Get(nil, []byte(*r.Key))
	if err != nil {
		return nil, err
	}
	all := cat()
	for k, v := range s.Scan([]byte("a"), []byte("c")) {
		all = cat(all, string(k), "=", string(v), ",")
	}
	if !ok {
		return cat("null all:", all), nil
	}
	return cat(string(got), " all:", all), nil
}
