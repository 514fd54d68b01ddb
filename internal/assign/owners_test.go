package assign

import (
	"maps"
	"testing"
)

// The freshest claim is believed; two equal ones are not.
func TestOwners(t *testing.T) {
	tp := func(p int32) TopicPartition { return TopicPartition{Topic: "in", Partition: p} }
	got := Owners([]Member{
		{ID: "a", Generation: 4, Owned: []TopicPartition{tp(0), tp(1), tp(2)}},
		{ID: "b", Generation: 5, Owned: []TopicPartition{tp(1)}},
		{ID: "c", Generation: 4, Owned: []TopicPartition{tp(2)}},
		{ID: "d", Generation: 4},
	})
	if want := map[TopicPartition]string{tp(0): "a", tp(1): "b"}; !maps.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}
