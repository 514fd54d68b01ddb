package weirtest_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	weir "github.com/weirstream/weir"
	"github.com/weirstream/weir/processor"
	"github.com/weirstream/weir/serde"
	"github.com/weirstream/weir/weirtest"
)

// around runs one record through two nodes inside f, and returns the failure.
func around(t *testing.T, f func(ctx processor.Context, next func() error) error, fail bool) error {
	t.Helper()
	in, out := weir.NewTopic("in", serde.String(), serde.Int64()), weir.NewTopic("out", serde.String(), serde.Int64())
	b := weir.NewBuilder()
	weir.MapValues(weir.From(b, in, weir.Named("source")), func(v int64) int64 {
		if fail {
			panic("the mapper")
		}
		return v + 1
	}, weir.Named("map")).To(out, weir.Named("sink"))
	topo, err := b.Build()
	if err != nil {
		t.Fatal(err)
	}
	d := weirtest.New(t, topo, weirtest.With(weir.Around(f)))
	if err := weirtest.In(d, in).TrySend("k", 1); err != nil {
		return err
	}
	if all := weirtest.Out(d, out).All(); len(all) != 1 || all[0].Value != 2 {
		t.Errorf("came out: %v", all)
	}
	return nil
}

func TestAroundIsAroundEveryNode(t *testing.T) {
	var told []string
	err := around(t, func(ctx processor.Context, next func() error) error {
		source, _ := ctx.Source()
		told = append(told, fmt.Sprintf("%s %s-%d@%d", ctx.Node(), source.Topic, source.Partition, source.Offset))
		defer func() { told = append(told, "/"+ctx.Node()) }()
		return next()
	}, false)
	if want := []string{"source in-0@0", "map in-0@0", "sink in-0@0", "/sink", "/map", "/source"}; err != nil || !slices.Equal(told, want) {
		t.Errorf("told %v, %v, want %v", told, err, want)
	}
}

func TestAroundMustKeepItsContract(t *testing.T) {
	at := func(node string, f func(next func() error) error) func(ctx processor.Context, next func() error) error {
		return func(ctx processor.Context, next func() error) error {
			if ctx.Node() == node {
				return f(next)
			}
			return next()
		}
	}
	for want, c := range map[string]struct {
		f    func(next func() error) error
		fail bool
	}{
		"did not call next":                   {f: func(func() error) error { return nil }},
		"did not call next, and returned: no": {f: func(func() error) error { return errors.New("no") }},
		"called next more than once":          {f: func(next func() error) error { return errors.Join(next(), next()) }},
		"did not return the error of next":    {f: func(next func() error) error { _ = next(); return nil }, fail: true},
		"returned an error, but next did not": {f: func(next func() error) error { return errors.Join(next(), errors.New("no")) }},
		"panic: the wrapper":                  {f: func(func() error) error { panic("the wrapper") }},
		"the mapper":                          {f: func(next func() error) error { return fmt.Errorf("wrapped: %w", next()) }, fail: true},
	} {
		err := around(t, at("map", c.f), c.fail)
		if e := (*processor.RecordError)(nil); err == nil || !strings.Contains(err.Error(), want) || !errors.As(err, &e) || e.Node != "map" {
			t.Errorf("%v, want an error of the node map that says %q", err, want)
		}
	}
}
