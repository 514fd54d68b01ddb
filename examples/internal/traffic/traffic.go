package traffic

import (
	"context"
	"fmt"
	"iter"
	"math"
	"math/rand/v2"
	"time"
)

// Sent is a record on its way: its key and value, and when it arrives.
type Sent[V any] struct {
	Key    string
	Value  V
	Arrive time.Time
}

// Config says how much happens.
type Config struct {
	Seed  uint64
	Start time.Time     // of event time
	Gap   time.Duration // the mean time between two records
	Kinds int           // how many merchants, or cards, there are
}

// source draws what a sequence needs.
type source struct {
	*rand.Rand
	zipf *rand.Zipf
	gap  time.Duration
	now  time.Time
}

// newSource makes a source; stream tells sequences of one seed apart.
func newSource(c Config, stream uint64) *source {
	r := rand.New(rand.NewPCG(c.Seed, stream))
	return &source{Rand: r, zipf: rand.NewZipf(r, 1.2, 2, uint64(max(c.Kinds, 1)-1)), gap: c.Gap, now: c.Start}
}

// tick moves on to the next arrival.
func (s *source) tick() time.Time {
	s.now = s.now.Add(time.Duration(s.ExpFloat64() * float64(s.gap)))
	return s.now
}

// amount is in cents: most are small, a few are large.
func (s *source) amount() int64 { return 50 + int64(2500*math.Exp(1.1*s.NormFloat64())) }

// delay is how long a record has been on its way: mostly a moment, sometimes some seconds, rarely far too long.
func (s *source) delay() time.Duration {
	switch p := s.Float64(); {
	case p < 0.02:
		return 15*time.Second + s.upTo(2*time.Minute)
	case p < 0.1:
		return 2*time.Second + s.upTo(6*time.Second)
	}
	return s.upTo(2 * time.Second)
}

func (s *source) upTo(d time.Duration) time.Duration {
	return time.Duration(s.Int64N(int64(d))).Truncate(time.Millisecond)
}

// Play hands each record over when it arrives: speed is how many seconds of arrivals go by in a second. It ends with the sequence, with ctx or with
// send's first error.
func Play[V any](ctx context.Context, all iter.Seq[Sent[V]], speed float64, send func(Sent[V]) error) error {
	if speed <= 0 {
		return fmt.Errorf("traffic: a speed of %v never gets anywhere", speed)
	}
	var first time.Time
	began := time.Now()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for s := range all {
		if first.IsZero() {
			first = s.Arrive
		}
		due := time.Duration(float64(s.Arrive.Sub(first)) / speed)
		if wait := due - time.Since(began); wait > 0 {
			timer.Reset(wait)
			select {
			case <-ctx.Done():
			case <-timer.C:
			}
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err := send(s); err != nil {
			return err
		}
	}
	return nil
}
