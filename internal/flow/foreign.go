package flow

import (
	"bytes"

	"github.com/weirstream/weir/internal/murmur3"
	"github.com/weirstream/weir/internal/null"
	"github.com/weirstream/weir/internal/rows"
	"github.com/weirstream/weir/internal/seal"
	"github.com/weirstream/weir/processor"
	"github.com/weirstream/weir/serde"
)

// A foreign-key join (KIP-213) asks across partitions: a left row sends a subscription to where its foreign key's row is, which remembers it, answers it, and
// answers it again whenever that row changes. An answer carries the hash of the left value that asked. It counts only while the left row still
// has that value: otherwise a later subscription is on its way, whose answer comes after.

// Answer is a right row, or that there is none, for one left row (Kafka's SubscriptionResponseWrapper).
type Answer[R any] struct {
	Hash      [16]byte // of the left value that asked; only with HasHash
	HasHash   bool
	Value     R
	Has       bool
	Partition int32 // where it goes; −1 not known. It is not written
}

const answerVersion = 0

// AnswerSerde writes answers as Kafka Streams does: (version | 80 without a hash) ‖ [hash(16)] ‖ value. A value of zero bytes reads as none.
func AnswerSerde[R any](of serde.Serde[R]) serde.Serde[Answer[R]] {
	return serde.New("foreign-key-answer-"+of.Name(), func(dst []byte, a Answer[R]) ([]byte, error) {
		dst = rows.AppendHash(dst, answerVersion, a.Hash, a.HasHash)
		if !a.Has {
			return dst, nil
		}
		return of.Append(dst, a.Value)
	}, func(b []byte) (a Answer[R], err error) {
		_, hash, has, _, rest, err := rows.CutHash(b, answerVersion, 0)
		if err != nil {
			return a, err
		}
		a = Answer[R]{Hash: hash, HasHash: has, Has: len(rest) > 0, Partition: -1}
		if a.Has {
			a.Value, err = of.Decode(rest)
			a.Has = !null.Is(a.Value)
		}
		return a, err
	})
}

// Foreign is what a foreign-key join knows of its left table. On is the foreign key of a row; false is none.
type Foreign[K, L, FK any] struct {
	On    func(K, L) (FK, bool, error)
	Left  bool // every left row has a result
	Key   serde.Serde[K]
	Value serde.Serde[L]
	By    serde.Serde[FK]
}

// Subscribe turns changes of the left table, which carry the values of before, into subscriptions (Kafka's SubscriptionSendProcessor). A null key is
// dropped. Without a foreign key an inner join drops the row and a left one subscribes to null, which is only answered.
func Subscribe[K, L, FK any](n *Node, f Foreign[K, L, FK], next Receiver[FK, rows.Subscription]) Receiver[K, Change[L]] {
	s := &subscriber[K, L, FK]{Foreign: f, node: n, next: next}
	return func(r processor.Record[K, Change[L]]) error {
		if r.KeyIsNull() {
			n.Drop(NullKey)
			return nil
		}
		if outOfOrder(n, &r.Value) {
			return nil
		}
		if done, err := n.deciding(func() error { return s.prepare(&r) }); !done || err != nil {
			return err
		}
		return s.send(&r)
	}
}

// subscriber is one task's Subscribe. What it prepares for a record is sent only when all of it is there.
type subscriber[K, L, FK any] struct {
	Foreign[K, L, FK]
	node *Node
	next Receiver[FK, rows.Subscription]

	sub      rows.Subscription // Key is its own buffer
	old, now foreignKey[FK]
	plan     []request[FK]
	missing  bool // an inner join's row has no foreign key
	value    []byte
}

// foreignKey is one with its bytes, if there is one.
type foreignKey[FK any] struct {
	key   FK
	has   bool
	bytes []byte
}

type request[FK any] struct {
	to *foreignKey[FK]
	rows.Instruction
}

func (s *subscriber[K, L, FK]) prepare(r *processor.Record[K, Change[L]]) (err error) {
	s.plan, s.missing = s.plan[:0], false
	c := &r.Value
	if err := s.find(&s.old, r.Key, c.Old, c.HasOld); err != nil {
		return err
	}
	if err := s.find(&s.now, r.Key, c.New, c.HasNew); err != nil {
		return err
	}
	if s.Left {
		s.left(c)
	} else {
		s.inner(c)
	}
	if len(s.plan) == 0 {
		return nil
	}
	return s.fill(r)
}

// find reads the foreign key of a row, if there is a row.
func (s *subscriber[K, L, FK]) find(f *foreignKey[FK], k K, v L, has bool) (err error) {
	f.has, f.bytes = false, f.bytes[:0]
	if !has {
		return nil
	}
	if f.key, f.has, err = s.On(k, v); err != nil || !f.has {
		return err
	}
	if f.has = !null.Is(f.key); f.has {
		f.bytes, err = s.By.Append(f.bytes, f.key)
	}
	return err
}

func (s *subscriber[K, L, FK]) ask(to *foreignKey[FK], i rows.Instruction) {
	s.plan = append(s.plan, request[FK]{to, i})
}

// moved says whether the row leaves the foreign key that it had: the new one may be in another partition.
func (s *subscriber[K, L, FK]) moved() bool {
	return s.old.has && (!s.now.has || !bytes.Equal(s.old.bytes, s.now.bytes))
}

// left asks for an answer in any case, also where the row is gone.
func (s *subscriber[K, L, FK]) left(c *Change[L]) {
	if !c.HasOld && !c.HasNew {
		return
	}
	if s.moved() {
		s.ask(&s.old, rows.Leave)
	}
	s.ask(&s.now, rows.JoinAnswered)
}

// inner wants to hear of no match only where there may have been one before.
func (s *subscriber[K, L, FK]) inner(c *Change[L]) {
	s.missing = c.HasNew && !s.now.has
	switch {
	case !s.now.has:
		if s.old.has {
			s.ask(&s.old, rows.LeaveAnswered)
		}
	case s.moved():
		s.ask(&s.old, rows.Leave)
		s.ask(&s.now, rows.JoinAnswered)
	default:
		s.ask(&s.now, rows.JoinMatched)
	}
}

// fill makes what all subscriptions of a change have in common.
func (s *subscriber[K, L, FK]) fill(r *processor.Record[K, Change[L]]) (err error) {
	s.sub.Partition = s.node.Env.Partition
	if s.sub.Key, err = s.Key.Append(notNil(s.sub.Key), r.Key); err != nil {
		return err
	}
	if s.sub.HasHash = r.Value.HasNew; !s.sub.HasHash {
		return nil
	}
	s.sub.Hash, s.value, err = hash(s.Value, s.value, r.Value.New)
	return err
}

// hash is a left value's, by its bytes, for which buf has room.
func hash[L any](of serde.Serde[L], buf []byte, v L) ([16]byte, []byte, error) {
	buf, err := of.Append(buf[:0], v)
	return murmur3.Sum(buf), buf, err
}

func (s *subscriber[K, L, FK]) send(r *processor.Record[K, Change[L]]) error {
	if s.missing {
		s.node.Drop(NullForeignKey)
	}
	for _, ask := range s.plan {
		s.sub.Instruction, s.sub.NoForeign = ask.Instruction, !ask.to.has
		out := processor.Record[FK, rows.Subscription]{Value: s.sub, Time: r.Time, Headers: r.Headers}
		if ask.to.has {
			out.Key = ask.to.key
		} else {
			out = processor.Seal(seal.Token{}, out, 1)
		}
		if err := s.next(out); err != nil {
			return err
		}
	}
	return nil
}

// KeepSubscriptions stores what has been asked, and hands it on to be answered (Kafka's SubscriptionReceiveProcessor). One to null is not stored.
func KeepSubscriptions[FK any](n *Node, s *rows.Subscriptions[FK], next Receiver[FK, rows.Subscription]) Receiver[FK, rows.Subscription] {
	ctx := s.T.Host().Context()
	keep := func(r *processor.Record[FK, rows.Subscription]) error {
		at, err := millis(r)
		if err != nil {
			return err
		}
		before := carry(ctx, r.Headers)
		err = s.Take(r.Key, r.Value, at)
		ctx.Headers = before
		return err
	}
	return func(r processor.Record[FK, rows.Subscription]) error {
		noKey := r.KeyIsNull()
		switch {
		case r.IsNull():
			n.Drop(NullValue)
			return nil
		case noKey && r.Value.Instruction != rows.JoinAnswered:
			n.Drop(NullForeignKey)
			return nil
		case noKey:
			return next(r)
		}
		if done, err := n.deciding(func() error { return keep(&r) }); !done || err != nil {
			return err
		}
		return next(r)
	}
}

// AnswerSubscriptions answers with the right row of this moment, where an answer is wanted (Kafka's SubscriptionJoinProcessor). An answer's time is the
// greater of the two rows'.
func AnswerSubscriptions[FK, R any](n *Node, right Getter[FK, R], next Receiver[[]byte, Answer[R]]) Receiver[FK, rows.Subscription] {
	look := func(r *processor.Record[FK, rows.Subscription]) (row R, at int64, has bool, err error) {
		if r.KeyIsNull() {
			return row, 0, false, nil
		}
		return right(r.Key)
	}
	return func(r processor.Record[FK, rows.Subscription]) error {
		var row R
		var at int64
		var has bool
		done, err := n.deciding(func() (err error) {
			row, at, has, err = look(&r)
			return err
		})
		if !done || err != nil {
			return err
		}
		return answer(r, row, at, has, next)
	}
}

func answer[FK, R any](r processor.Record[FK, rows.Subscription], row R, at int64, has bool, next Receiver[[]byte, Answer[R]]) error {
	sub := &r.Value
	a := Answer[R]{Hash: sub.Hash, HasHash: sub.HasHash, Partition: sub.Partition}
	switch sub.Instruction {
	case rows.Leave:
		return nil
	case rows.JoinMatched:
		if !has {
			return nil
		}
		a.Value, a.Has = row, true
	case rows.JoinAnswered:
		a.Value, a.Has = row, has
	}
	if has {
		r = notBefore(r, at)
	}
	return next(processor.Record[[]byte, Answer[R]]{Key: sub.Key, Value: a, Time: r.Time, Headers: r.Headers})
}

// AnswerAll answers every subscription to the key of a right row that has changed (Kafka's ForeignTableJoinProcessor), with the change's time. A null key is
// dropped.
func AnswerAll[FK, R any](n *Node, s *rows.Subscriptions[FK], next Receiver[[]byte, Answer[R]]) Receiver[FK, Change[R]] {
	return func(r processor.Record[FK, Change[R]]) error {
		if r.KeyIsNull() {
			n.Drop(NullKey)
			return nil
		}
		if outOfOrder(n, &r.Value) {
			return nil
		}
		for sub := range s.Of(r.Key) {
			a := Answer[R]{Hash: sub.Hash, HasHash: sub.HasHash, Value: r.Value.New, Has: r.Value.HasNew, Partition: sub.Partition}
			if err := next(processor.Record[[]byte, Answer[R]]{Key: sub.Key, Value: a, Time: r.Time, Headers: r.Headers}); err != nil {
				return err
			}
		}
		return nil
	}
}

// ForeignResult says what becomes of a left row and an answer. Join is called with has == false only for left joins.
type ForeignResult[K, L, R, VO any] struct {
	Left  bool
	Value serde.Serde[L]
	Join  func(k K, l L, r R, has bool) (VO, error)
}

// Resolve joins answers with the left rows that asked (Kafka's ResponseJoinProcessor). An answer for a value that the left row no longer has is dropped. Where
// there is no left row, or an inner join has no right one, the result is a tombstone.
func Resolve[K, L, R, VO any](n *Node, left Getter[K, L], f ForeignResult[K, L, R, VO], next Receiver[K, VO]) Receiver[K, Answer[R]] {
	var value []byte
	once := func(r *processor.Record[K, Answer[R]]) (out processor.Record[K, VO], stale bool, err error) {
		row, _, has, err := left(r.Key)
		if err != nil {
			return out, false, err
		}
		a := &r.Value
		var now [16]byte
		if has {
			if now, value, err = hash(f.Value, value, row); err != nil {
				return out, false, err
			}
		}
		if has != a.HasHash || now != a.Hash {
			return out, true, nil
		}
		var result VO
		if !has || !a.Has && !f.Left {
			return processor.WithValue(*r, result).AsTombstone(), false, nil
		}
		result, err = f.Join(r.Key, row, a.Value, a.Has)
		return processor.WithValue(*r, result), false, err
	}
	return func(r processor.Record[K, Answer[R]]) error {
		switch {
		case r.KeyIsNull():
			n.Drop(NullKey)
			return nil
		case r.IsNull():
			n.Drop(NullValue)
			return nil
		}
		var out processor.Record[K, VO]
		var stale bool
		done, err := n.deciding(func() (err error) {
			out, stale, err = once(&r)
			return err
		})
		switch {
		case !done || err != nil:
			return err
		case stale:
			n.Drop(Stale)
			return nil
		}
		return next(out)
	}
}
