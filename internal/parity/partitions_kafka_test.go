//go:build kafka

package parity_test

import (
	"slices"
	"testing"

	"github.com/weirstream/weir/internal/kafkatest"
)

// TestSpreadCasesOnKafka has the same on a real broker, a case after the other: their topics have the same names.
func TestSpreadCasesOnKafka(t *testing.T) {
	for _, of := range spreadings {
		t.Run(of.String(), func(t *testing.T) {
			s := newSpread(t, of, kafkatest.Broker(t))
			defer s.sweep()
			s.play()
		})
	}
}

// sweep takes away what the case has made.
func (s *spread) sweep() {
	s.t.Helper()
	all, err := s.adm.ListTopics(s.ctx)
	s.must(err)
	own := s.topics()
	mine := slices.DeleteFunc(all.Names(), func(topic string) bool { return !slices.Contains(own, topic) && !internal(topic) })
	_, err = s.adm.DeleteTopics(s.ctx, mine...)
	s.must(err)
	_, err = s.adm.DeleteGroup(s.ctx, "app")
	s.must(err)
}
