package task_test

import (
	"github.com/weirstream/weir/internal/store"
	"github.com/weirstream/weir/processor"
	"github.com/weirstream/weir/topology"
)

type stores struct {
	failInit, failClose bool
}

type countStore struct{}

func newStores() *stores                                       { return &stores{} }
func (s *stores) open(*topology.Sub) (*store.Set, error)       { return &store.Set{}, nil }
func (s *stores) log(name string, key, value []byte, at int64) {}
func (s *stores) declared() []*topology.Store                  { return nil }
func (s *stores) bind(processor.Context) *countStore           { return nil }
func (c *countStore) put(key, value string) error              { return nil }

func (s *stores) declare(string)                 {}
func (s *stores) print() string                  { return "" }
func (s *stores) acknowledged() map[string]int64 { return nil }
