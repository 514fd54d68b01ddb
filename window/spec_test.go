package window_test

import (
	"math"
	"testing"
	"time"

	"github.com/weirstream/weir/window"
)

type validated interface{ Validate() error }

func TestValidateSaysEverythingThatIsWrong(t *testing.T) {
	for want, w := range map[string]validated{
		"time windows: size 0s is not positive":                                                      window.Tumbling(0),
		"time windows: size -1s is not positive":                                                     window.Tumbling(-time.Second),
		"time windows: size 1.5ms is not a whole number of milliseconds":                             window.Tumbling(1500 * time.Microsecond),
		"time windows: grace -1s is negative":                                                        window.Tumbling(time.Minute).Grace(-time.Second),
		"time windows: grace 1µs is not a whole number of milliseconds":                              window.Tumbling(time.Minute).Grace(time.Microsecond),
		"time windows: advance 0s is not positive":                                                   window.Hopping(time.Minute, 0),
		"time windows: advance 100µs is not a whole number of milliseconds":                          window.Hopping(time.Minute, 100*time.Microsecond),
		"time windows: advance 2m0s is larger than size 1m0s: records between windows would be lost": window.Hopping(time.Minute, 2*time.Minute),
		"time windows: size -1s is not positive\ntime windows: grace -2s is negative":                window.Tumbling(-time.Second).Grace(-2 * time.Second),

		"sliding windows: time difference -1s is negative":                                                            window.Sliding(-time.Second),
		"sliding windows: time difference 1ns is not a whole number of milliseconds":                                  window.Sliding(1),
		"sliding windows: grace -1s is negative":                                                                      window.Sliding(time.Second).Grace(-time.Second),
		"session windows: gap -1s is negative":                                                                        window.Session(-time.Second),
		"session windows: gap 1ns is not a whole number of milliseconds":                                              window.Session(1),
		"session windows: grace -1s is negative":                                                                      window.Session(time.Second).Grace(-time.Second),
		"join windows: before -1s + after -1s is negative: no two records would be joined":                            window.Within(-time.Second),
		"join windows: before 1ns is not a whole number of milliseconds":                                              window.Within(time.Second).Before(1),
		"join windows: after 1ns is not a whole number of milliseconds":                                               window.Within(time.Second).After(1),
		"join windows: grace -1s is negative":                                                                         window.Within(time.Second).Grace(-time.Second),
		"unlimited windows: start 0001-01-01 00:00:00 +0000 UTC is before 1970; time.UnixMilli(0) takes every record": window.Unlimited(time.Time{}),
		"unlimited windows: start 1970-01-01 00:00:00.000001 +0000 UTC is not a whole number of milliseconds":         window.Unlimited(time.UnixMicro(1).UTC()),
	} {
		if err := w.Validate(); err == nil || err.Error() != want {
			t.Errorf("%v: error %q, want %q", w, err, want)
		}
	}
}

func TestValidSpecs(t *testing.T) {
	for _, w := range []validated{
		window.Tumbling(time.Millisecond), window.Hopping(time.Minute, time.Minute), window.Hopping(time.Minute, time.Millisecond).Grace(time.Hour),
		window.Sliding(0), window.Sliding(time.Hour), window.Session(0), window.Session(time.Minute).Grace(time.Hour), window.Unlimited(time.UnixMilli(0)),
		window.Within(0), window.Within(time.Minute).Before(-time.Second), window.Within(time.Minute).Before(-time.Minute),
	} {
		if err := w.Validate(); err != nil {
			t.Errorf("%v: %v", w, err)
		}
	}
}

func TestRetention(t *testing.T) {
	for _, c := range []struct {
		spec interface{ RetentionMs() int64 }
		want int64
	}{
		{window.Tumbling(10 * ms).Grace(3 * ms), 13},
		{window.Hopping(10*ms, 5*ms).Grace(3 * ms), 13},
		{window.Sliding(10 * ms).Grace(3 * ms), 23},
		{window.Session(10 * ms).Grace(3 * ms), 13},
		{window.Unlimited(time.UnixMilli(0)), math.MaxInt64},
		{window.Within(10 * ms).Before(-2 * ms).Grace(3 * ms), 11},
	} {
		if got := c.spec.RetentionMs(); got != c.want {
			t.Errorf("%v: retention %d, want %d", c.spec, got, c.want)
		}
	}
}

func TestSpecsPrintThemselves(t *testing.T) {
	for want, w := range map[string]interface{ String() string }{
		"tumbling 1m0s, grace 10s":            window.Tumbling(time.Minute).Grace(10 * time.Second),
		"hopping 1m0s every 10s, grace 0s":    window.Hopping(time.Minute, 10*time.Second),
		"sliding 10s, grace 0s":               window.Sliding(10 * time.Second),
		"session 30s, grace 1s":               window.Session(30 * time.Second).Grace(time.Second),
		"unlimited from 1970-01-01T00:00:01Z": window.Unlimited(time.UnixMilli(1000)),
		"within [-5s, +10s], grace 0s":        window.Within(5 * time.Second).After(10 * time.Second),
		"within [0s, 0s], grace 0s":           window.Within(0),
	} {
		if got := w.String(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

func TestGettersAreMilliseconds(t *testing.T) {
	hop := window.Hopping(10*time.Second, 5*time.Second).Grace(time.Second)
	join := window.Within(time.Second).Before(-2 * ms).Grace(3 * ms)
	for _, c := range []struct {
		name      string
		got, want int64
	}{
		{"size", hop.SizeMs(), 10000}, {"advance", hop.AdvanceMs(), 5000}, {"grace", hop.GraceMs(), 1000},
		{"diff", window.Sliding(7 * ms).DiffMs(), 7}, {"gap", window.Session(7 * ms).GapMs(), 7},
		{"start", window.Unlimited(time.UnixMilli(7)).StartMs(), 7},
		{"before", join.BeforeMs(), -2}, {"after", join.AfterMs(), 1000}, {"join grace", join.GraceMs(), 3}, {"join size", join.SizeMs(), 998},
		{"mirrored before", join.Mirror().BeforeMs(), 1000}, {"mirrored after", join.Mirror().AfterMs(), -2}, {"mirrored grace", join.Mirror().GraceMs(), 3},
	} {
		if c.got != c.want {
			t.Errorf("%s is %d, want %d", c.name, c.got, c.want)
		}
	}
}
