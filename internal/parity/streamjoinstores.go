package parity

import (
	"encoding/binary"
	"fmt"
	"strings"

	"github.com/weirstream/weir/topology"
)

// pending reports whether a store holds the records of a join that have no match yet.
func pending(s *topology.Store) bool { return strings.HasPrefix(s.Format, "join-pending/") }

// pendingRow reads side (1) ‖ time ‖ key as Kafka's time ‖ side (1) ‖ key.
func pendingRow(local, value []byte) (r Row, ok bool, err error) {
	if len(local) < 1+stamp {
		return r, false, fmt.Errorf("a key of %d bytes", len(local))
	}
	key := append(clone(local[1:1+stamp]), local[0])
	r = Row{Key: append(key, local[1+stamp:]...), Start: -1, End: -1}
	return r, true, r.stamped(value)
}

// unlisted are the entries of a row of pending records, one by one, as Kafka's store shows them. Other rows stay.
func unlisted(s *topology.Store, r Row) (all []Row) {
	if !pending(s) {
		return []Row{r}
	}
	for _, entry := range unlist(r.Value) {
		r.Value = entry
		all = append(all, r)
	}
	return all
}

// unlist takes a list apart: strategy (1) ‖ n (4) ‖ n × ( length (4) ‖ entry ).
func unlist(list Bytes) (all []Bytes) {
	const head = 1 + 4
	for rest := list[head:]; len(rest) > 0; {
		n := 4 + int(binary.BigEndian.Uint32(rest))
		all, rest = append(all, rest[4:n:n]), rest[n:]
	}
	return all
}

// bared are the rows of a store as it was recorded, without what is Kafka's own in their values.
func (s Store) bared() Store {
	if s.Kind != "window" {
		return s
	}
	rows := make([]Row, len(s.Rows))
	for i, r := range s.Rows {
		r.Value = payload(r.Value)
		rows[i] = r
	}
	s.Rows = rows
	return s
}

// payload takes off what a join's window store has before each value in Kafka Streams 4.3: length of headers (varint) ‖ headers ‖ time. Values without
// that stay.
func payload(value Bytes) Bytes {
	size, n := binary.Varint(value)
	at := n + int(size) + stamp
	if n <= 0 || size < 0 || at > len(value) {
		return value
	}
	return value[at:]
}
