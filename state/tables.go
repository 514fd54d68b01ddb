package state

import (
	"github.com/weirstream/weir/internal/rows"
	"github.com/weirstream/weir/internal/seal"
)

// WindowOf describes a window store by its Spec. It is for weir's own rooms.
func WindowOf[K, V any](_ seal.Token, s *rows.Spec) WindowDesc[K, V] {
	return WindowDesc[K, V]{declared{s}}
}

// SessionOf describes a session store by its Spec. It is for weir's own rooms.
func SessionOf[K, V any](_ seal.Token, s *rows.Spec) SessionDesc[K, V] {
	return SessionDesc[K, V]{declared{s}}
}
