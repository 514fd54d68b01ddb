package weir_test

import (
	"strings"
	"testing"
	"time"

	"github.com/weirstream/weir"
	"github.com/weirstream/weir/serde"
)

func TestATopicIsReadOnce(t *testing.T) {
	b := weir.NewBuilder()
	in := weir.NewTopic("in", serde.String(), serde.Int64())
	out := weir.NewTopic("out", serde.String(), serde.Int64())
	weir.From(b, in).To(out)
	weir.From(b, in).Filter(func(string, int64) bool { return true }).To(out)
	topo, err := b.Build()
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(topo.Describe(), "Source:"); n != 1 {
		t.Errorf("%d sources, want one:\n%s", n, topo.Describe())
	}
}

func TestATopicReadInTwoWaysIsAFault(t *testing.T) {
	in := weir.NewTopic("in", serde.String(), serde.Int64())
	for name, second := range map[string]func(*weir.Builder){
		"another reset": func(b *weir.Builder) { weir.From(b, in, weir.StartAt(weir.Latest())).ForEach(func(string, int64) {}) },
		"another serde": func(b *weir.Builder) {
			weir.From(b, weir.NewTopic("in", serde.String(), serde.String())).ForEach(func(string, string) {})
		},
		"another event time": func(b *weir.Builder) {
			timed := weir.NewTopic("in", serde.String(), serde.Int64(), weir.EventTime(func(n int64) time.Time { return time.UnixMilli(n) }))
			weir.From(b, timed).ForEach(func(string, int64) {})
		},
	} {
		b := weir.NewBuilder()
		weir.From(b, in).ForEach(func(string, int64) {})
		second(b)
		if _, err := b.Build(); err == nil || !strings.Contains(err.Error(), `"in"`) {
			t.Errorf("%s: error %v, want one that names the topic", name, err)
		}
	}
}
