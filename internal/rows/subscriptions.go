package rows

import (
	"encoding/binary"
	"fmt"
	"iter"

	"github.com/weirstream/weir/serde"
)

// Instruction is what a left row of a foreign-key join asks of the right side (Kafka's SubscriptionWrapper.Instruction).
type Instruction uint8

// The instructions, by their numbers on the wire. The first two end a subscription, the others make it or change it.
const (
	Leave         Instruction = iota // and no answer
	LeaveAnswered                    // and answer that there is nothing
	JoinAnswered                     // and answer, with nothing where there is no right row
	JoinMatched                      // and answer if there is a right row
	instructions
)

// Ends reports whether the subscription is deleted.
func (i Instruction) Ends() bool { return i <= LeaveAnswered }

// Subscription is a left row's subscription to a foreign key (Kafka's SubscriptionWrapper).
type Subscription struct {
	Hash        [16]byte // of the left row's value; only with HasHash
	HasHash     bool     // false: the row was deleted
	Instruction Instruction
	Key         []byte // of the left row, as its serde writes it
	Partition   int32  // of the left row, where the answer goes; −1 in those of Kafka Streams before 3.4, which did not say
	NoForeign   bool   // its foreign key is null. It is not written: the record's key says so
}

const (
	hashMissing       = 0x80
	subscriptionNow   = 1 // the version that is written
	subscriptionHead  = 2
	hashLen           = 16
	partitionLen      = 4
	foreignLen        = 4
	responseNow       = 0
	subscriptionsName = "subscriptions/1"
)

// AppendHash appends what subscriptions and their answers begin with: a version, in which the highest bit says that there is no hash, head bytes of
// the caller's, and the hash.
func AppendHash(dst []byte, version byte, hash [16]byte, has bool, head ...byte) []byte {
	if !has {
		return append(append(dst, version|hashMissing), head...)
	}
	return append(append(append(dst, version), head...), hash[:]...)
}

// CutHash is the opposite of AppendHash: head points to the caller's bytes, rest is what follows.
func CutHash(b []byte, most byte, heads int) (version byte, hash [16]byte, has bool, head, rest []byte, err error) {
	if len(b) <= heads {
		return 0, hash, false, nil, nil, tooShort("wrapper", b, heads+1)
	}
	version, has = b[0]&^hashMissing, b[0]&hashMissing == 0
	if version > most {
		return 0, hash, false, nil, nil, fmt.Errorf("wrapper of version %d: the newest that is known is %d", version, most)
	}
	head, rest = b[1:1+heads], b[1+heads:]
	if !has {
		return version, hash, false, head, rest, nil
	}
	if len(rest) < hashLen {
		return 0, hash, false, nil, nil, tooShort("wrapper with a hash", b, 1+heads+hashLen)
	}
	return version, [16]byte(rest), true, head, rest[hashLen:], nil
}

// SubscriptionSerde writes subscriptions as Kafka Streams does: (version | 80 without a hash) ‖ instruction ‖ [hash(16)] ‖ key ‖ partition(4), in
// version 0 without the partition.
func SubscriptionSerde() serde.Serde[Subscription] {
	return serde.New("foreign-key-subscription", appendSubscription, decodeSubscription)
}

func appendSubscription(dst []byte, s Subscription) ([]byte, error) {
	version := byte(subscriptionNow)
	if s.Partition < 0 {
		version = 0
	}
	dst = append(AppendHash(dst, version, s.Hash, s.HasHash, byte(s.Instruction)), s.Key...)
	if version == 0 {
		return dst, nil
	}
	return binary.BigEndian.AppendUint32(dst, uint32(s.Partition)), nil
}

func decodeSubscription(b []byte) (s Subscription, err error) {
	version, hash, has, head, rest, err := CutHash(b, subscriptionNow, 1)
	if err != nil {
		return s, err
	}
	s = Subscription{Hash: hash, HasHash: has, Instruction: Instruction(head[0]), Partition: -1}
	if s.Instruction >= instructions {
		return s, fmt.Errorf("instruction %d is not known", s.Instruction)
	}
	if version > 0 {
		if len(rest) < partitionLen {
			return s, tooShort("subscription", b, len(b)-len(rest)+partitionLen)
		}
		at := len(rest) - partitionLen
		s.Partition, rest = int32(binary.BigEndian.Uint32(rest[at:])), rest[:at]
	}
	s.Key = clone(rest)
	return s, nil
}

// Subscriber is a left row, by its encoded key, and the foreign key that it has.
type Subscriber[FK any] struct {
	Foreign FK
	Key     []byte
}

// SubscriberKeys is the schema of a foreign-key join's subscriptions: ekey(foreign) ‖ key. The changelog key is len(foreign)(4) ‖ foreign ‖ key.
func SubscriberKeys[FK any](foreign serde.Serde[FK]) Keys[Subscriber[FK]] {
	return subscriberKeys[FK]{foreign}
}

type subscriberKeys[FK any] struct{ of serde.Serde[FK] }

func (s subscriberKeys[FK]) Append(dst []byte, k Subscriber[FK]) ([]byte, error) {
	dst, err := s.prefix(dst, k.Foreign)
	return append(dst, k.Key...), err
}

func (s subscriberKeys[FK]) prefix(dst []byte, foreign FK) ([]byte, error) {
	from := len(dst)
	dst, err := encodeKey(s.of, dst, foreign)
	if err != nil {
		return dst, err
	}
	return escapeTail(dst, from), nil
}

func (s subscriberKeys[FK]) Decode(local []byte) (k Subscriber[FK], err error) {
	foreign, key, err := cutKey(local)
	if err != nil {
		return k, err
	}
	k.Key = clone(key)
	k.Foreign, err = s.of.Decode(foreign)
	return k, err
}

func (s subscriberKeys[FK]) AppendLog(dst, local []byte) ([]byte, error) {
	foreign, key, err := cutKey(local)
	if err != nil {
		return dst, err
	}
	dst = binary.BigEndian.AppendUint32(dst, uint32(len(foreign)))
	return append(append(dst, foreign...), key...), nil
}

func (s subscriberKeys[FK]) AppendLocal(dst, log []byte) ([]byte, error) {
	if len(log) < foreignLen {
		return dst, tooShort("subscription's key", log, foreignLen)
	}
	n, rest := uint64(binary.BigEndian.Uint32(log)), log[foreignLen:]
	if n > uint64(len(rest)) {
		return dst, fmt.Errorf("subscription's key: a foreign key of %d bytes in %d", n, len(rest))
	}
	return append(appendEscaped(dst, rest[:n]), rest[n:]...), nil
}

func (s subscriberKeys[FK]) Format() string { return subscriptionsName }

// NewSubscriptions is the Spec of the store of a foreign-key join's subscriptions, which has no cache. Open makes a *Subscriptions; there is no View.
func NewSubscriptions[FK any](name string, foreign serde.Serde[FK]) *Spec {
	keys := subscriberKeys[FK]{foreign}
	s := newSpec[Subscriber[FK]](name, KeyValueKind, keys, foreign.Name(), SubscriptionSerde().Name())
	s.Scans = true
	s.Open = func(h Host) (any, error) {
		t := NewTable(s, h, keys, SubscriptionSerde())
		t.LogHeaders()
		return &Subscriptions[FK]{reads[Subscriber[FK], Subscription]{s.Name, keys, t, 0}, t, keys}, nil
	}
	s.View = func(Reader, int64) (any, error) {
		return nil, fmt.Errorf("store %q: the subscriptions of a foreign-key join have no view", s.Name)
	}
	return s
}

// Subscriptions are who asks for which foreign key.
type Subscriptions[FK any] struct {
	reads[Subscriber[FK], Subscription]
	T    *Table[Subscriber[FK], Subscription]
	keys subscriberKeys[FK]
}

// Take makes, changes or ends a subscription, as its instruction says, at a time in ms. The changelog gets the headers of the record in process.
func (s *Subscriptions[FK]) Take(foreign FK, sub Subscription, at int64) error {
	k := Subscriber[FK]{foreign, sub.Key}
	if sub.Instruction.Ends() {
		return s.T.Delete(k, at)
	}
	return s.T.Set(k, sub, at)
}

// Of walks the subscriptions to a foreign key in the order of the left rows' encoded keys.
func (s *Subscriptions[FK]) Of(foreign FK) iter.Seq[Subscription] {
	return func(yield func(Subscription) bool) {
		lo, err := s.keys.prefix(nil, foreign)
		if err != nil {
			s.src.fail(s.wrap("encode foreign key", err))
			return
		}
		s.scan([]Span{{lo, afterEscaped(clone(lo))}}, false, nil, func(_ []byte, it Item[Subscription]) bool { return yield(it.Value) })
	}
}
