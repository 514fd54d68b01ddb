package rows

// manyLatest bounds what a store remembers of its keys' latest sessions; at it, all is forgotten and learned anew.
const manyLatest = 1 << 16

// Latest is the bounds, in ms, of a key's latest session: no session of the key that can be seen ends later. It may have been deleted.
type Latest struct{ Start, End int64 }

// latest remembers the latest sessions of keys, so that a record that comes in order needs no scan. It is a help that may be forgotten at any time.
type latest struct {
	of  map[string]Latest
	key []byte // of the last look
}

// Latest says which session of a key is the latest, if that is known.
func (s *Sessions[K, V]) Latest(k K) (l Latest, known bool, err error) {
	if s.latest.key, err = encodeKey(s.layout.of, s.latest.key[:0], k); err != nil {
		return l, false, s.wrap("encode key", err)
	}
	l, known = s.latest.of[string(s.latest.key)]
	return l, known, nil
}

// SetLatest remembers the latest session of the key that Latest was asked for last.
func (s *Sessions[K, V]) SetLatest(l Latest) {
	if len(s.latest.of) >= manyLatest {
		clear(s.latest.of)
	}
	if s.latest.of == nil {
		s.latest.of = map[string]Latest{}
	}
	s.latest.of[string(s.latest.key)] = l
}
