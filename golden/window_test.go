package golden_test

import (
	"bytes"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/weirstream/weir/internal/murmur2"
	"github.com/weirstream/weir/serde"
	"github.com/weirstream/weir/window"
)

type keyLine struct {
	Window, Serde, Value string
	Start, End, Size     int64
	Bytes                string
	StartBack, EndBack   int64
	Partitions           [][2]int32
}

// makers are the windowed serdes of one key type, by Kafka's kind of window.
type makers[K any] map[string]func(k serde.Serde[K], size time.Duration) serde.Serde[window.Key[K]]

func ours[K any]() makers[K] {
	return makers[K]{
		"time":      window.KeySerde[K],
		"unlimited": func(k serde.Serde[K], _ time.Duration) serde.Serde[window.Key[K]] { return window.UnlimitedKeySerde(k) },
		"session":   func(k serde.Serde[K], _ time.Duration) serde.Serde[window.Key[K]] { return window.SessionKeySerde(k) },
	}
}

func checkKey[K any](m makers[K], k kindOf[K], line keyLine) error {
	size := time.Duration(0)
	if line.Window == "time" {
		size = time.Duration(line.Size) * time.Millisecond
	}
	s, want := m[line.Window](k.serde, size), unhex(line.Bytes)
	got, err := s.Append(nil, window.NewKey(k.parse(line.Value), line.Start, line.End))
	if err != nil || !bytes.Equal(got, want) {
		return fmt.Errorf("%s %s: encodes to %x, %v; want %x", line.Window, line.Serde, got, err, want)
	}
	back, err := s.Decode(want)
	if err != nil {
		return err
	}
	if back.StartMs() != line.StartBack || back.EndMs() != line.EndBack {
		return fmt.Errorf("%s: decoded window [%d, %d], want [%d, %d]", line.Window, back.StartMs(), back.EndMs(), line.StartBack, line.EndBack)
	}
	inner := s.(interface{ InnerKey([]byte) []byte }).InnerKey(want)
	for _, p := range line.Partitions {
		if got := murmur2.Partition(inner, p[0]); got != p[1] {
			return fmt.Errorf("%s %x: partition %d of %d, want %d", line.Window, want, got, p[0], p[1])
		}
	}
	return nil
}

// checkKeys sends a line to the kind of its inner key; strings may be sabotaged.
func checkKeys(strings makers[string]) func(keyLine) error {
	return func(line keyLine) error {
		switch k := kinds()[line.Serde].(type) {
		case kindOf[string]:
			return checkKey(strings, k, line)
		case kindOf[int64]:
			return checkKey(ours[int64](), k, line)
		case kindOf[[]byte]:
			return checkKey(ours[[]byte](), k, line)
		}
		return fmt.Errorf("no keys of %s are expected", line.Serde)
	}
}

func TestWindowedKeysAreKafkas(t *testing.T) {
	compare(t, "windowed-keys.jsonl", checkKeys(ours[string]()))
}

// whole partitions by all the bytes of a windowed key.
type whole struct {
	serde.Serde[window.Key[string]]
}

func (whole) InnerKey(b []byte) []byte { return b }

func TestKeyComparisonCatches(t *testing.T) {
	swapped := ours[string]()
	swapped["session"] = func(k serde.Serde[string], _ time.Duration) serde.Serde[window.Key[string]] {
		return startFirst{window.SessionKeySerde(k)}
	}
	sabotage(t, "windowed-keys.jsonl", "a session key with its start first", checkKeys(swapped))

	shifted := ours[string]()
	shifted["time"] = func(k serde.Serde[string], size time.Duration) serde.Serde[window.Key[string]] {
		return window.KeySerde(k, size+time.Millisecond)
	}
	sabotage(t, "windowed-keys.jsonl", "a time window that is too long", checkKeys(shifted))

	byAll := ours[string]()
	byAll["time"] = func(k serde.Serde[string], size time.Duration) serde.Serde[window.Key[string]] {
		return whole{window.KeySerde(k, size)}
	}
	sabotage(t, "windowed-keys.jsonl", "partitioning by the whole key", checkKeys(byAll))
}

type startFirst struct {
	serde.Serde[window.Key[string]]
}

func (s startFirst) Append(dst []byte, k window.Key[string]) ([]byte, error) {
	b, err := s.Serde.Append(nil, k)
	n := len(b) - 16
	return slices.Concat(dst, b[:n], b[n+8:], b[n:n+8]), err
}

func (s startFirst) InnerKey(b []byte) []byte { return b[:len(b)-16] }

type startsLine struct {
	Size, Advance, TS int64
	Starts            []int64
}

func millis(n int64) time.Duration { return time.Duration(n) * time.Millisecond }

func checkStarts(first func(w window.TimeWindows, ts int64) int64) func(startsLine) error {
	return func(line startsLine) error {
		w := window.Hopping(millis(line.Size), millis(line.Advance))
		var starts []int64
		for start := first(w, line.TS); start >= 0 && start <= line.TS; start += w.AdvanceMs() {
			starts = append(starts, start)
		}
		if !slices.Equal(starts, line.Starts) {
			return fmt.Errorf("%v: windows of %d start at %v, want %v", w, line.TS, starts, line.Starts)
		}
		return nil
	}
}

func TestTimeWindowsAreKafkas(t *testing.T) {
	compare(t, "time-windows.jsonl", checkStarts(window.TimeWindows.First))
}

func TestTimeWindowComparisonCatches(t *testing.T) {
	inclusive := func(w window.TimeWindows, ts int64) int64 {
		return max(0, ts-w.SizeMs()) / w.AdvanceMs() * w.AdvanceMs()
	}
	sabotage(t, "time-windows.jsonl", "a window that holds its end", checkStarts(inclusive))
}

type specLine struct {
	Spec        string
	A, B, Grace int64
	Accepted    bool
}

func validate(line specLine) error {
	a, b, grace := millis(line.A), millis(line.B), millis(line.Grace)
	switch line.Spec {
	case "time":
		return window.Hopping(a, b).Grace(grace).Validate()
	case "join":
		return window.Within(0).Before(a).After(b).Grace(grace).Validate()
	case "sliding":
		return window.Sliding(a).Grace(grace).Validate()
	case "session":
		return window.Session(a).Grace(grace).Validate()
	case "unlimited":
		return window.Unlimited(time.UnixMilli(line.A)).Validate()
	}
	panic("no specs of " + line.Spec + " are expected")
}

func checkSpec(validate func(specLine) error) func(specLine) error {
	return func(line specLine) error {
		if err := validate(line); (err == nil) != line.Accepted {
			return fmt.Errorf("%+v: Validate says %v", line, err)
		}
		return nil
	}
}

func TestSpecsAreRefusedAsByKafka(t *testing.T) {
	compare(t, "window-specs.jsonl", checkSpec(validate))
}

func TestSpecComparisonCatches(t *testing.T) {
	sabotage(t, "window-specs.jsonl", "a spec that refuses nothing", checkSpec(func(specLine) error { return nil }))
	sabotage(t, "window-specs.jsonl", "a join that refuses a negative side", checkSpec(func(line specLine) error {
		if line.Spec == "join" && line.A < 0 {
			return fmt.Errorf("negative")
		}
		return validate(line)
	}))
}
