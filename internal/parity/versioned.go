package parity

import (
	"bytes"
	"fmt"
	"math"
	"time"

	weir "github.com/weirstream/weir"
	"github.com/weirstream/weir/internal/rows"
	"github.com/weirstream/weir/processor"
	"github.com/weirstream/weir/serde"
	"github.com/weirstream/weir/state"
	"github.com/weirstream/weir/topology"
)

func versioned() map[string]Build {
	history := func(seconds int) weir.OpOption { return weir.Versioned(time.Duration(seconds) * time.Second) }
	t := func(b *weir.Builder) table { return tableOf(b, "in", "t", history(60)) }
	r := func(b *weir.Builder) table { return tableOf(b, "in2", "r", history(60)) }
	j := weir.Materialized("j")
	return map[string]Build{
		"table":            func(b *weir.Builder) { updates(t(b)) },
		"table-no-history": func(b *weir.Builder) { updates(tableOf(b, "in", "t", history(0))) },
		"table-long":       func(b *weir.Builder) { updates(tableOf(b, "in", "t", history(1000))) },
		"filter":           func(b *weir.Builder) { updates(t(b).Filter(isLow)) },
		"filter-versioned": func(b *weir.Builder) { updates(t(b).Filter(isLow, weir.Materialized("f"), history(60))) },
		"map-values": func(b *weir.Builder) {
			updates(weir.MapTable(t(b), func(_, v text) text { return cat(v, "!") }, weir.Materialized("m")))
		},
		"to-table": func(b *weir.Builder) {
			updates(in(b).ToTable("t", history(60)).Filter(isLow, weir.Materialized("f")))
		},
		"count":  func(b *weir.Builder) { counts(weir.Count(in(b).GroupByKey(), "agg", history(60))) },
		"reduce": func(b *weir.Builder) { updates(weir.Reduce(in(b).GroupByKey(), "agg", joined, history(60))) },
		"aggregate": func(b *weir.Builder) {
			updates(weir.Aggregate(in(b).GroupByKey(), "agg", addingLow(), history(60)))
		},
		"group":      func(b *weir.Builder) { updates(weir.ReduceTable(lettered(t(b)), "agg", plus, minus)) },
		"join":       func(b *weir.Builder) { updates(weir.JoinTables(t(b), r(b), slash)) },
		"left-join":  func(b *weir.Builder) { updates(weir.LeftJoinTables(t(b), r(b), slashLeft, j)) },
		"outer-join": func(b *weir.Builder) { updates(weir.OuterJoinTables(t(b), r(b), slashOuter, j)) },
		"outer-join-one": func(b *weir.Builder) {
			updates(weir.OuterJoinTables(t(b), tableOf(b, "in2", "r"), slashOuter, j))
		},
		"foreign-key": func(b *weir.Builder) {
			left, right := tableOf(b, "l", "lt", history(60)), tableOf(b, "r", "rt", history(60))
			updates(weir.JoinForeign(left, right, "fk", foreignOf, slash, j))
		},
		"stream-join": func(b *weir.Builder) { out(weir.LeftJoinTable(from(b, "in2"), t(b), overLeft)) },
		"process":     func(b *weir.Builder) { out(process(in(b), asking, weir.Stores(versions))) },
	}
}

var versions = state.VersionedStore("s", serde.String(), texts, time.Minute)

// asking deletes for values that begin with d, else puts; it forwards what the store answers.
func asking(ctx processor.Context, r rec, out ahead) error {
	if r.Key == nil {
		return nil
	}
	s := versions.Bind(ctx)
	if r.Value != nil && (*r.Value)[0] == 'd' {
		old, had, err := s.Delete(*r.Key, r.Time)
		if err != nil {
			return err
		}
		return out(with(r, cat("deleted ", shown(old, had))))
	}
	answer, err := putVersion(s, r)
	if err != nil {
		return err
	}
	now, has, err := s.Get(*r.Key)
	if err != nil {
		return err
	}
	then, had, err := s.GetAsOf(*r.Key, time.UnixMilli(max(0, r.Time.UnixMilli()-5000)))
	if err != nil {
		return err
	}
	return out(with(r, cat(answer, " ", shown(now, has), " ", shown(then, had))))
}

// putVersion answers as Kafka's put does.
func putVersion(s state.Versioned[string, text], r rec) (string, error) {
	until, kept, err := s.Put(*r.Key, r.Value, r.Time)
	switch {
	case !kept:
		return fmt.Sprint(int64(math.MinInt64)), err
	case until.IsZero():
		return "-1", err
	}
	return fmt.Sprint(until.UnixMilli()), err
}

func shown(v state.Version[text], has bool) string {
	if !has {
		return "null"
	}
	return fmt.Sprintf("%s@%d", *v.Value, v.From.UnixMilli())
}

// dumpVersions finds versions by asking for moments, as the recorder did.
func dumpVersions(s *topology.Store, b bare, times []int64) (store Store, err error) {
	store.Kind = s.Kind.String()
	all, err := rows.NewVersioned(s.Name, serde.Bytes(), serde.Bytes(), s.History).View(b.Reader, b.observed)
	if err != nil {
		return store, err
	}
	keys, err := versionedKeys(b)
	if err != nil {
		return store, err
	}
	for _, k := range keys {
		last := int64(-1)
		for _, at := range times {
			v, ok, err := all.(*rows.VersionsView[[]byte, []byte]).AsOf(k, at)
			if err != nil {
				return store, err
			}
			if ok && v.From != last {
				last = v.From
				store.Rows = append(store.Rows, Row{Key: k, Value: clone(v.Value), Start: v.From, End: -1, Time: -1})
			}
		}
	}
	return store, nil
}

// versionedKeys are the keys of which a versioned store has rows: 00 ‖ key ‖ 00 01 …; those of the cases hold no 00.
func versionedKeys(b bare) (keys [][]byte, err error) {
	it, err := b.Iter([]byte{0}, []byte{1}, false)
	if err != nil {
		return nil, err
	}
	defer it.Close()
	for it.Next() {
		key, _, _ := bytes.Cut(it.Key()[1:], []byte{0, 1})
		if n := len(keys); n == 0 || !bytes.Equal(keys[n-1], key) {
			keys = append(keys, clone(key))
		}
	}
	return keys, it.Err()
}

// dumpWaiting lists what waits. Of its times Kafka knows only what the last release has left.
func dumpWaiting(s *topology.Store, b bare) (Store, error) {
	store := Store{Kind: s.Kind.String()}
	it, err := b.Iter(nil, nil, false)
	if err != nil {
		return store, err
	}
	defer it.Close()
	for it.Next() {
		store.Count++
		store.From = b.observed - s.History + 1
		key := append([]byte{0}, it.Key()...) // as in the changelog
		store.Rows = append(store.Rows, Row{Key: key, Value: clone(it.Value()), Start: -1, End: -1, Time: -1})
	}
	return store, it.Err()
}
