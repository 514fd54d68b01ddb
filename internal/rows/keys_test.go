package rows

import (
	"bytes"
	"math"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/weirstream/weir/serde"
	"github.com/weirstream/weir/window"
)

// schemaCase is a key schema under test: how keys are drawn and how local keys must sort.
type schemaCase struct {
	name  string
	keys  Keys[window.Key[string]]
	exact bool // Decode gives the drawn key back, end included
	less  func(a, b window.Key[string]) int
}

const testRetention = 200_000

func schemas() []schemaCase {
	w := Windowing{Size: 5000, Retention: testRetention}
	indexed := w
	indexed.Indexed = true
	interval := SegmentInterval(testRetention)
	bySegment := func(a, b window.Key[string]) int {
		return first(order(a.StartMs()/interval, b.StartMs()/interval), bytes.Compare([]byte(a.Key), []byte(b.Key)), order(a.StartMs(), b.StartMs()))
	}
	bySession := func(a, b window.Key[string]) int {
		return first(order(a.EndMs()/interval, b.EndMs()/interval), bytes.Compare([]byte(a.Key), []byte(b.Key)), order(a.EndMs(), b.EndMs()), order(a.StartMs(), b.StartMs()))
	}
	return []schemaCase{
		{"aligned", AlignedKeys(serde.String(), w), false, func(a, b window.Key[string]) int {
			return first(order(a.StartMs(), b.StartMs()), bytes.Compare([]byte(a.Key), []byte(b.Key)))
		}},
		{"segmented", SegmentedKeys(serde.String(), w), false, bySegment},
		{"segmented, indexed", SegmentedKeys(serde.String(), indexed), false, bySegment},
		{"session", SessionKeys(serde.String(), testRetention, false), true, bySession},
		{"session, indexed", SessionKeys(serde.String(), testRetention, true), true, bySession},
	}
}

func order(a, b int64) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

func first(cs ...int) int {
	for _, c := range cs {
		if c != 0 {
			return c
		}
	}
	return 0
}

func drawKey(t *rapid.T) string {
	return string(rapid.SliceOfN(rapid.SampledFrom([]byte{0, 1, 2, 'a', 0xfe, 0xff}), 0, 6).Draw(t, "key"))
}

func drawTime(t *rapid.T) int64 {
	return rapid.OneOf(rapid.Int64Range(0, 10*testRetention), rapid.Int64Range(0, math.MaxInt64-5000)).Draw(t, "time")
}

func drawWindow(t *rapid.T) window.Key[string] {
	start := drawTime(t)
	return window.NewKey(drawKey(t), start, start+rapid.Int64Range(0, 5000).Draw(t, "length"))
}

func TestKeySchemas(t *testing.T) {
	for _, c := range schemas() {
		t.Run(c.name, func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) { checkSchema(t, c, drawWindow(t), drawWindow(t)) })
		})
	}
}

// failer is as much of a test as a check needs, so that saboteurs can be shown to it.
type failer interface {
	Helper()
	Fatalf(format string, args ...any)
}

func checkSchema(t failer, c schemaCase, a, b window.Key[string]) {
	t.Helper()
	la, lb := local(t, c.keys, a), local(t, c.keys, b)
	if got, want := bytes.Compare(la, lb), c.less(a, b); got != want {
		t.Fatalf("%s: %x and %x compare as %d, %v and %v as %d", c.name, la, lb, got, a, b, want)
	}
	back, err := c.keys.Decode(la)
	if err != nil || back.Key != a.Key || !back.Start.Equal(a.Start) || c.exact && !back.End.Equal(a.End) {
		t.Fatalf("%s: %v came back as %v, %v", c.name, a, back, err)
	}
	checkLog(t, c, la)
	checkTime(t, c, a, la)
	if x, ok := c.keys.(Indexed); ok {
		checkIndex(t, x, la)
	}
}

func local(t failer, keys Keys[window.Key[string]], k window.Key[string]) []byte {
	t.Helper()
	l, err := keys.Append([]byte("dst"), k)
	if err != nil || !bytes.HasPrefix(l, []byte("dst")) {
		t.Fatalf("append %v: %x, %v", k, l, err)
	}
	return l[3:]
}

func checkLog(t failer, c schemaCase, la []byte) {
	t.Helper()
	log, err := c.keys.AppendLog([]byte("dst"), la)
	if err != nil {
		t.Fatalf("%s: log key of %x: %v", c.name, la, err)
	}
	again, err := c.keys.AppendLocal(nil, log[3:])
	if err != nil || !bytes.Equal(again, la) {
		t.Fatalf("%s: %x came back from the changelog as %x, %v", c.name, la, again, err)
	}
}

func checkTime(t failer, c schemaCase, a window.Key[string], la []byte) {
	t.Helper()
	timed := c.keys.(Timed)
	at, err := timed.Time(la)
	want := a.StartMs()
	if c.exact {
		want = a.EndMs()
	}
	if err != nil || at != want {
		t.Fatalf("%s: the time of %v is %d, %v, want %d", c.name, a, at, err, want)
	}
	grain := at / timed.Interval() * timed.Interval()
	if within(la, timed.Expire(grain)) {
		t.Fatalf("%s: %v expires at its own segment", c.name, a)
	}
	if next := grain + timed.Interval(); next > grain && !within(la, timed.Expire(next)) {
		t.Fatalf("%s: %v does not expire after its segment", c.name, a)
	}
}

func checkIndex(t failer, x Indexed, la []byte) {
	t.Helper()
	index, err := x.AppendIndex(nil, la)
	if err != nil || index[0] != indexTag {
		t.Fatalf("index of %x: %x, %v", la, index, err)
	}
	again, err := x.FromIndex(nil, index)
	if err != nil || !bytes.Equal(again, la) {
		t.Fatalf("%x came back from the index as %x, %v", la, again, err)
	}
	at, err := x.(Timed).Time(la)
	later := at < math.MaxInt64 && within(index, []Span{x.(Timed).Between(at+1, math.MaxInt64)}) // after the greatest time there is none
	if err != nil || !within(index, []Span{x.(Timed).Between(at, at)}) || later {
		t.Fatalf("index %x of time %d stands wrongly, %v", index, at, err)
	}
}

func within(key []byte, spans []Span) bool {
	for _, s := range spans {
		if bytes.Compare(key, s.Lo) >= 0 && (s.Hi == nil || bytes.Compare(key, s.Hi) < 0) {
			return true
		}
	}
	return false
}

// TestKafkaLogKeys checks changelog keys byte for byte: WindowKeySchema and SessionKeySchema.
func TestKafkaLogKeys(t *testing.T) {
	k := window.NewKey("k", 0x0102, 0x0304)
	const start, end = "\x00\x00\x00\x00\x00\x00\x01\x02", "\x00\x00\x00\x00\x00\x00\x03\x04"
	for _, c := range schemas() {
		want := "k" + start + "\x00\x00\x00\x00"
		if c.exact {
			want = "k" + end + start
		}
		log, err := c.keys.AppendLog(nil, local(t, c.keys, k))
		if err != nil || string(log) != want {
			t.Errorf("%s: changelog key %x, %v, want %x", c.name, log, err, want)
		}
	}
}

// TestBrokenSchemasAreSeen feeds the checker schemas that are wrong in one thing each.
func TestBrokenSchemasAreSeen(t *testing.T) {
	a, b := window.NewKey("a", 70_000, 75_000), window.NewKey("a\x00", 3000, 3500)
	for _, c := range schemas() {
		broken := map[string]Keys[window.Key[string]]{
			"unescaped": unescaped{c.keys},
			"lossy":     lossy{c.keys},
		}
		for name, keys := range broken {
			c := c
			c.keys = keys
			if !complains(func(t failer) { checkSchema(t, c, a, b) }) {
				t.Errorf("%s: a schema that is %s passed", c.name, name)
			}
		}
	}
}

// unescaped puts the key first, without an end.
type unescaped struct{ Keys[window.Key[string]] }

func (u unescaped) Append(dst []byte, k window.Key[string]) ([]byte, error) {
	return appendTime(append(dst, k.Key...), k.StartMs()), nil
}

// lossy forgets the last byte of the changelog key.
type lossy struct{ Keys[window.Key[string]] }

func (l lossy) AppendLog(dst, local []byte) ([]byte, error) {
	b, err := l.Keys.AppendLog(dst, local)
	return b[:len(b)-1], err
}

type recorder struct{ failed bool }

func (r *recorder) Helper()               {}
func (r *recorder) Fatalf(string, ...any) { r.failed = true; panic(r) }

func complains(check func(t failer)) bool {
	r := &recorder{}
	func() {
		defer func() {
			if x := recover(); x != nil {
				r.failed = true
			}
		}()
		check(r)
	}()
	return r.failed
}

func TestPlainKeys(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		keys := PlainKeys(serde.String())
		a, b := drawKey(t), drawKey(t)
		la, _ := keys.Append(nil, a)
		lb, _ := keys.Append(nil, b)
		if bytes.Compare(la, lb) != bytes.Compare([]byte(a), []byte(b)) {
			t.Fatalf("%q and %q sort otherwise when encoded", a, b)
		}
		if back, err := keys.Decode(la); err != nil || back != a {
			t.Fatalf("%q came back as %q, %v", a, back, err)
		}
	})
}

func TestNegativeTimesAreRefused(t *testing.T) {
	for _, c := range schemas() {
		if _, err := c.keys.Append(nil, window.NewKey("a", -1, 5)); err == nil {
			t.Errorf("%s: a window before 1970 was taken", c.name)
		}
	}
	if _, err := SessionKeys(serde.String(), 0, false).Append(nil, window.NewKey("a", 5, 4)); err == nil {
		t.Error("a session that ends before its start was taken")
	}
}

func TestSuccessor(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		prefix, key := []byte(drawKey(t)), []byte(drawKey(t))
		hi := successor(nil, prefix)
		in := bytes.Compare(key, prefix) >= 0 && (hi == nil || bytes.Compare(key, hi) < 0)
		if in != bytes.HasPrefix(key, prefix) {
			t.Fatalf("key %x, prefix %x, successor %x", key, prefix, hi)
		}
	})
}

func TestSegmentInterval(t *testing.T) {
	for _, c := range []struct{ retention, want int64 }{
		{1, 60_000}, {119_999, 60_000}, {120_002, 60_001}, {time.Hour.Milliseconds(), 1_800_000}, {0, math.MaxInt64},
	} {
		if got := SegmentInterval(c.retention); got != c.want {
			t.Errorf("retention %d: interval %d, want %d", c.retention, got, c.want)
		}
	}
}

func FuzzEscape(f *testing.F) {
	f.Add([]byte("a\x00b"), []byte{0, 0xff})
	f.Fuzz(func(t *testing.T, a, b []byte) {
		ea, eb := appendEscaped(nil, a), appendEscaped(nil, b)
		if bytes.Compare(ea, eb) != bytes.Compare(a, b) {
			t.Fatalf("%x and %x sort otherwise when escaped", a, b)
		}
		back, rest, err := cutEscaped(nil, append(ea, b...))
		if err != nil || !bytes.Equal(back, a) || !bytes.Equal(rest, b) {
			t.Fatalf("%x came back as %x, rest %x, %v", a, back, rest, err)
		}
	})
}

// FuzzDecode feeds every schema bytes that may be no key: it must refuse or take them, and what it takes must come out the same.
func FuzzDecode(f *testing.F) {
	f.Add([]byte("\x00\x00\x00\x00\x00\x00\x00\x01k\x00\x01\x00\x00\x00\x00\x00\x00\x00\x02\x00\x00\x00\x00"))
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, c := range schemas() {
			_, _ = c.keys.Decode(b)
			_, _ = c.keys.AppendLog(nil, b)
			_, _ = c.keys.(Timed).Time(b)
			if x, ok := c.keys.(Indexed); ok {
				_, _ = x.FromIndex(nil, b)
				_, _ = x.AppendIndex(nil, b)
			}
			l, err := c.keys.AppendLocal(nil, b)
			if err != nil {
				continue
			}
			log, err := c.keys.AppendLog(nil, l)
			seq := c.name == "aligned" // which has no sequence numbers
			if err != nil || !bytes.Equal(log, b) && !seq {
				t.Fatalf("%s: log key %x came back as %x, %v", c.name, b, log, err)
			}
		}
	})
}
