//go:build kafka

package parity_test

import (
	"slices"
	"testing"

	"github.com/weirstream/weir/internal/kafkatest"
	"github.com/weirstream/weir/internal/parity"
)

// TestSpreadCasesOnKafka has the same on a real broker, a case after the other: their topics have the same names.
func TestSpreadCasesOnKafka(t *testing.T) {
	for _, name := range spreadable {
		t.Run(name, func(t *testing.T) {
			build := parity.Builders()[name]
			if build == nil {
				t.Fatal("it has no builder")
			}
			s := newSpread(t, read(t, name), kafkatest.Broker(t))
			defer s.sweep()
			s.play(build)
		})
	}
}

// sweep takes away what the case has made.
func (s *spread) sweep() {
	s.t.Helper()
	all, err := s.adm.ListTopics(s.ctx)
	s.must(err)
	own := s.topics(s.c.Runs[0])
	mine := slices.DeleteFunc(all.Names(), func(topic string) bool { return !slices.Contains(own, topic) && !internal(topic) })
	_, err = s.adm.DeleteTopics(s.ctx, mine...)
	s.must(err)
	_, err = s.adm.DeleteGroup(s.ctx, "app")
	s.must(err)
}
