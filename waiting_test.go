package weir_test

import (
	"strings"
	"testing"
	"time"

	"github.com/weirstream/weir"
	"github.com/weirstream/weir/processor"
	"github.com/weirstream/weir/weirtest"
)

func graceful(opts ...weir.OpOption) *weir.Builder {
	b := weir.NewBuilder()
	rows := weir.TableFrom(b, limits, "limits", weir.Versioned(time.Minute))
	weir.LeftJoinTable(weir.From(b, badIn), rows, func(_ string, v int64, row *int64) int64 { return 1000*v + weir.OrZero(row) }, opts...).To(badOut)
	return b
}

// What waits survives a restart, with its coordinates and headers.
func TestGrace(t *testing.T) {
	for _, opt := range [][]weir.OpOption{nil, {weir.InMemory()}} {
		d := weirtest.New(t, mustBuild(graceful(append(opt, weir.Named("late"), weir.Grace(5*time.Second))...)))
		in, out, table := weirtest.In(d, badIn), weirtest.Out(d, badOut), weirtest.In(d, limits)
		in.SendRecord(weir.Record[string, int64]{Key: "a", Value: 1, Time: at(2000), Headers: processor.Headers{{Key: "h", Value: []byte("x")}, {Key: "none"}}})
		in.SendAt("a", 2, at(1000)) // out of order
		in.SendAt("a", 2, at(1000)) // the same again
		expect(t, out, "")
		d.Restart()
		table.SendAt("a", 7, at(1500)) // in time for the first
		in.SendAt("a", 3, at(1000))    // numbers go on
		in.SendAt("a", 4, at(6999))    // 1999 + 5000
		expect(t, out, "a=2000@1000, a=2000@1000, a=3000@1000")
		in.SendAt("a", 5, at(1998)) // too late to wait
		expect(t, out, "a=5007@1998")
		in.SendAt("b", 6, at(7000))
		if r, ok := out.Next(); !ok || r.Value != 1007 || !r.Time.Equal(at(2000)) || len(r.Headers) != 2 || string(r.Headers[0].Value) != "x" || r.Headers[1].Value != nil {
			t.Errorf("released %+v %v", r, ok)
		}
		d.SendRaw("in", 0, nil, make([]byte, 8), at(9000)) // a null key is joined with nothing, at once
		expect(t, out, "=0@9000")
	}
}

func TestGraceFaults(t *testing.T) {
	named, wait := weir.Named("j"), weir.Grace(time.Second)
	for want, b := range map[string]*weir.Builder{
		"name it with weir.Named":         graceful(wait),
		"longer than the table's history": graceful(named, weir.Grace(time.Hour)),
		"whole number of milliseconds":    graceful(named, weir.Grace(time.Microsecond)),
		"InMemory needs Grace":            graceful(named, weir.InMemory()),
	} {
		if _, err := b.Build(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
	b := weir.NewBuilder()
	weir.JoinTable(weir.From(b, badIn), weir.TableFrom(b, limits, "limits"), func(string, int64, int64) int64 { return 0 }, named, wait)
	if _, err := b.Build(); err == nil || !strings.Contains(err.Error(), "give it weir.Versioned") {
		t.Error(err)
	}
}
