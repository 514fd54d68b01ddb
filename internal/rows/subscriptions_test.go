package rows

import (
	"bytes"
	"encoding/hex"
	"reflect"
	"testing"

	"pgregory.net/rapid"

	"github.com/weirstream/weir/serde"
)

func drawSubscriber(t *rapid.T) Subscriber[string] {
	return Subscriber[string]{drawKey(t), []byte(drawKey(t))}
}

// Rows sort by foreign key, then by key: those of one foreign key lie together, whatever bytes it ends in.
func TestSubscriberKeys(t *testing.T) {
	keys := SubscriberKeys(serde.String())
	rapid.Check(t, func(t *rapid.T) {
		a, b := drawSubscriber(t), drawSubscriber(t)
		la, errA := keys.Append([]byte("dst"), a)
		lb, errB := keys.Append([]byte("dst"), b)
		if errA != nil || errB != nil {
			t.Fatal(errA, errB)
		}
		want := first(bytes.Compare([]byte(a.Foreign), []byte(b.Foreign)), bytes.Compare(a.Key, b.Key))
		if got := bytes.Compare(la, lb); got != want {
			t.Fatalf("%q and %q compare as %d, want %d", a, b, got, want)
		}
		la = la[3:]
		if back, err := keys.Decode(la); err != nil || back.Foreign != a.Foreign || !bytes.Equal(back.Key, a.Key) {
			t.Fatalf("%q came back as %q, %v", a, back, err)
		}
		log, err := keys.AppendLog([]byte("dst"), la)
		if err != nil {
			t.Fatal(err)
		}
		if again, err := keys.AppendLocal(nil, log[3:]); err != nil || !bytes.Equal(again, la) {
			t.Fatalf("%x came back from the changelog as %x, %v", la, again, err)
		}
	})
}

// As Kafka Streams 4.3.1 wrote them.
func TestSubscriptionsAreKafkas(t *testing.T) {
	keys := SubscriberKeys(serde.String())
	local, err := keys.Append(nil, Subscriber[string]{"x", []byte("c")})
	if err != nil {
		t.Fatal(err)
	}
	if log, err := keys.AppendLog(nil, local); err != nil || hex.EncodeToString(log) != "000000017863" {
		t.Errorf("changelog key %x, %v", log, err)
	}
	for _, c := range []struct {
		wire string
		s    Subscription
	}{
		{"01038a47dc24a1bd510f51f1495dc7a81d596300000000", Subscription{HasHash: true, Instruction: JoinMatched, Key: []byte("c"),
			Hash: [16]byte{0x8a, 0x47, 0xdc, 0x24, 0xa1, 0xbd, 0x51, 0x0f, 0x51, 0xf1, 0x49, 0x5d, 0xc7, 0xa8, 0x1d, 0x59}}},
		{"81016400000000", Subscription{Instruction: LeaveAnswered, Key: []byte("d")}},
		{"810264ffff", Subscription{}}, // too short for a partition
		{"810200000007", Subscription{Instruction: JoinAnswered, Key: []byte{}, Partition: 7}},
		{"800264", Subscription{Instruction: JoinAnswered, Key: []byte("d"), Partition: -1}}, // version 0 names no partition
		{"820264", Subscription{}},       // version 2
		{"8104640000", Subscription{}},   // instruction 4
		{"01", Subscription{}},           // no instruction
		{"0103aabbccdd", Subscription{}}, // half a hash
		{"", Subscription{}},
	} {
		b, err := hex.DecodeString(c.wire)
		if err != nil {
			t.Fatal(err)
		}
		s, err := SubscriptionSerde().Decode(b)
		if c.s.Key == nil {
			if err == nil {
				t.Errorf("%s was read as %+v", c.wire, s)
			}
			continue
		}
		if err != nil || !reflect.DeepEqual(s, c.s) {
			t.Errorf("%s: %+v, %v, want %+v", c.wire, s, err, c.s)
		}
		if out, err := SubscriptionSerde().Append(nil, c.s); err != nil || !bytes.Equal(out, b) {
			t.Errorf("%+v is written as %x, %v, want %s", c.s, out, err, c.wire)
		}
	}
}

func FuzzSubscription(f *testing.F) {
	f.Add([]byte("\x01\x030123456789abcdefc\x00\x00\x00\x00"))
	f.Add([]byte("\x00\x00\x00\x01xc"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if s, err := SubscriptionSerde().Decode(b); err == nil {
			out, err := SubscriptionSerde().Append(nil, s)
			if err != nil || !bytes.Equal(out, b) {
				t.Errorf("%x came out as %x, %v", b, out, err)
			}
		}
		keys := SubscriberKeys(serde.Bytes())
		_, _ = keys.Decode(b)
		if local, err := keys.AppendLocal(nil, b); err == nil {
			if log, err := keys.AppendLog(nil, local); err != nil || !bytes.Equal(log, b) {
				t.Errorf("changelog key %x came back as %x, %v", b, log, err)
			}
		}
	})
}
