package rows

import (
	"fmt"

	"github.com/weirstream/weir/serde"
	"github.com/weirstream/weir/window"
)

// SessionKeys is the schema of sessions: segment ‖ ekey ‖ end ‖ start, where segment = end / interval. The changelog key is
// key ‖ end ‖ start. An index row is FF ‖ end ‖ start ‖ key. Retention is in ms; 0 keeps for ever.
func SessionKeys[K any](k serde.Serde[K], retention int64, indexed bool) Keys[window.Key[K]] {
	s := sessionKeys[K]{k, SegmentInterval(retention)}
	if indexed {
		return indexedSessions[K]{s}
	}
	return s
}

type sessionKeys[K any] struct {
	of       serde.Serde[K]
	interval int64
}

const sessionTail = 2 * stampLen

func (s sessionKeys[K]) Append(dst []byte, k window.Key[K]) ([]byte, error) {
	start, end := k.StartMs(), k.EndMs()
	if err := checkSession(start, end); err != nil {
		return dst, err
	}
	dst = appendTime(dst, end/s.interval)
	from := len(dst)
	dst, err := s.of.Append(dst, k.Key)
	if err != nil {
		return dst, err
	}
	return appendTime(appendTime(escapeTail(dst, from), end), start), nil
}

func checkSession(start, end int64) error {
	if start < 0 {
		return errStart(start)
	}
	if end < start {
		return fmt.Errorf("a session ends at %d ms, before its start %d ms", end, start)
	}
	return nil
}

func (s sessionKeys[K]) join(dst, key []byte, end, start int64) []byte {
	dst = appendEscaped(appendTime(dst, end/s.interval), key)
	return appendTime(appendTime(dst, end), start)
}

// cut takes a local key apart; key is not escaped, and may be a part of local.
func (s sessionKeys[K]) cut(local []byte) (key []byte, end, start int64, err error) {
	if len(local) < stampLen {
		return nil, 0, 0, tooShort("session", local, stampLen)
	}
	key, tail, err := cutKey(local[stampLen:])
	if err != nil {
		return key, 0, 0, err
	}
	if len(tail) != sessionTail {
		return key, 0, 0, fmt.Errorf("session: %d bytes after the key, want %d", len(tail), sessionTail)
	}
	return key, timeAt(tail), timeAt(tail[stampLen:]), nil
}

func (s sessionKeys[K]) Decode(local []byte) (k window.Key[K], err error) {
	raw, end, start, err := s.cut(local)
	if err != nil {
		return k, err
	}
	key, err := s.of.Decode(raw)
	return window.NewKey(key, start, end), err
}

func (s sessionKeys[K]) AppendLog(dst, local []byte) ([]byte, error) {
	key, end, start, err := s.cut(local)
	if err != nil {
		return dst, err
	}
	return appendTime(appendTime(append(dst, key...), end), start), nil
}

func (s sessionKeys[K]) AppendLocal(dst, log []byte) ([]byte, error) {
	n := len(log) - sessionTail
	if n < 0 {
		return dst, tooShort("changelog key of a session", log, sessionTail)
	}
	end, start := timeAt(log[n:]), timeAt(log[n+stampLen:])
	if err := checkSession(start, end); err != nil {
		return dst, err
	}
	return s.join(dst, log[:n], end, start), nil
}

func (s sessionKeys[K]) Time(local []byte) (int64, error) {
	if len(local) < sessionTail {
		return 0, tooShort("session", local, sessionTail)
	}
	return timeAt(local[len(local)-sessionTail:]), nil
}

func (s sessionKeys[K]) Interval() int64 { return s.interval }

func (s sessionKeys[K]) Format() string { return fmt.Sprintf("session/1 interval=%d", s.interval) }

func (s sessionKeys[K]) Expire(floor int64) []Span {
	return []Span{{Lo: nil, Hi: appendTime(nil, floor/s.interval)}}
}

func (s sessionKeys[K]) Between(from, to int64) Span { return Span{} }

// indexedSessions are sessions with an index by end.
type indexedSessions[K any] struct{ sessionKeys[K] }

func (s indexedSessions[K]) Format() string { return s.sessionKeys.Format() + " indexed" }

func (s indexedSessions[K]) AppendIndex(dst, local []byte) ([]byte, error) {
	key, end, start, err := s.cut(local)
	if err != nil {
		return dst, err
	}
	return append(appendTime(appendTime(append(dst, indexTag), end), start), key...), nil
}

func (s indexedSessions[K]) FromIndex(dst, index []byte) ([]byte, error) {
	const head = 1 + sessionTail
	if len(index) < head {
		return dst, tooShort("session index", index, head)
	}
	return s.join(dst, index[head:], timeAt(index[1:]), timeAt(index[1+stampLen:])), nil
}

func (s indexedSessions[K]) Expire(floor int64) []Span {
	return append(s.sessionKeys.Expire(floor), indexBefore(floor))
}

func (s indexedSessions[K]) Between(from, to int64) Span { return indexBetween(from, to) }
