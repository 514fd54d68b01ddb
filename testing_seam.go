package weir

import (
	"github.com/weirstream/weir/internal/flow"
	"github.com/weirstream/weir/internal/seal"
	"github.com/weirstream/weir/internal/task"
	"github.com/weirstream/weir/state"
)

// TestSettings is what an App's options say that means something without a broker. It is for weirtest.
type TestSettings struct {
	Task        task.Config // OnError, OnDropped, Around, MaxIdle, EmitEvery, CloseIdle and CacheBytes (0 if not given)
	ExactlyOnce bool
	Provider    state.Provider // nil if not given
	TopicConfig map[string]string
}

// ReadTestSettings reads an App's options. It is for weirtest.
func ReadTestSettings(_ seal.Token, opts ...AppOption) TestSettings {
	var c appConfig
	for _, o := range opts {
		o.appOption(&c)
	}
	s := TestSettings{ExactlyOnce: c.exactlyOnce, Provider: c.provider, TopicConfig: c.topicConfig}
	s.Task = task.Config{OnError: c.onError, OnDropped: c.onDropped, Around: c.around, CacheBytes: c.cacheBytes, MaxIdle: c.maxTaskIdle.Milliseconds(), Recovers: true}
	s.Task.CloseIdle = c.closeIdle.Milliseconds()
	if c.emitEvery != nil {
		s.Task.EmitEvery = c.emitEvery.Milliseconds()
	}
	if c.maxTaskIdle < 0 {
		s.Task.MaxIdle = -1
	}
	return s
}

// Encoding is how records are written to the topic. It is for weirtest.
func (t Topic[K, V]) Encoding(seal.Token) flow.Encoding[K, V] { return t.encoding() }
