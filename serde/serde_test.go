package serde_test

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/weirstream/weir/serde"
	"pgregory.net/rapid"
)

// lawful checks what every serde owes for one value: Append keeps what dst held and is deterministic, Decode gives back a value of the same bytes,
// and keeps no part of its input.
func lawful[T any](s serde.Serde[T], v T) error {
	want, err := s.Append(nil, v)
	if err != nil {
		return fmt.Errorf("append: %w", err)
	}
	const before = "before"
	got, err := s.Append([]byte(before), v)
	if err != nil {
		return fmt.Errorf("append after a prefix: %w", err)
	}
	if string(got) != before+string(want) {
		return fmt.Errorf("appended %q to %q, got %q", want, before, got)
	}
	input := bytes.Clone(want)
	back, err := s.Decode(input)
	if err != nil {
		return fmt.Errorf("decode %x: %w", want, err)
	}
	for i := range input {
		input[i] ^= 0xff
	}
	again, err := s.Append(nil, back)
	if err != nil {
		return fmt.Errorf("append what was decoded: %w", err)
	}
	if !bytes.Equal(again, want) {
		return fmt.Errorf("decoded value encodes to %x, want %x", again, want)
	}
	return nil
}

func lawfulFor[T any](s serde.Serde[T], gen *rapid.Generator[T]) func(*testing.T) {
	return func(t *testing.T) {
		rapid.Check(t, func(t *rapid.T) {
			if err := lawful(s, gen.Draw(t, "value")); err != nil {
				t.Fatal(err)
			}
		})
	}
}

type payment struct {
	ID    string            `json:"id"`
	Cents int64             `json:"cents"`
	Tags  map[string]string `json:"tags,omitempty"`
}

func payments() *rapid.Generator[payment] {
	return rapid.Custom(func(t *rapid.T) payment {
		return payment{
			ID:    rapid.String().Draw(t, "id"),
			Cents: rapid.Int64().Draw(t, "cents"),
			Tags:  rapid.MapOf(rapid.String(), rapid.String()).Draw(t, "tags"),
		}
	})
}

func uuids() *rapid.Generator[[16]byte] {
	return rapid.Map(rapid.SliceOfN(rapid.Byte(), 16, 16), func(b []byte) [16]byte { return [16]byte(b) })
}

func TestEverySerdeIsLawful(t *testing.T) {
	t.Run("string", lawfulFor(serde.String(), rapid.String()))
	t.Run("bytes", lawfulFor(serde.Bytes(), rapid.SliceOf(rapid.Byte())))
	t.Run("bool", lawfulFor(serde.Bool(), rapid.Bool()))
	t.Run("int16", lawfulFor(serde.Int16(), rapid.Int16()))
	t.Run("int32", lawfulFor(serde.Int32(), rapid.Int32()))
	t.Run("int64", lawfulFor(serde.Int64(), rapid.Int64()))
	t.Run("float32", lawfulFor(serde.Float32(), rapid.Map(rapid.Uint32(), math.Float32frombits)))
	t.Run("float64", lawfulFor(serde.Float64(), rapid.Map(rapid.Uint64(), math.Float64frombits)))
	t.Run("uuid", lawfulFor(serde.UUID(), uuids()))
	t.Run("json", lawfulFor(serde.JSON[payment](), payments()))
	t.Run("nullable", lawfulFor(serde.Nullable(serde.String()), rapid.Ptr(rapid.String(), false)))
}

func TestLawfulCatchesBrokenSerdes(t *testing.T) {
	text := serde.String()
	broken := map[string]serde.Serde[string]{
		"overwrites dst": serde.New("x", func(_ []byte, v string) ([]byte, error) { return []byte(v), nil }, text.Decode),
		"loses a byte":   serde.New("x", text.Append, func(b []byte) (string, error) { return string(b[1:]), nil }),
		"cannot decode":  serde.New("x", text.Append, func([]byte) (string, error) { return "", errors.New("no") }),
		"cannot encode":  serde.New("x", func(d []byte, _ string) ([]byte, error) { return d, errors.New("no") }, text.Decode),
	}
	for name, s := range broken {
		if lawful(s, "value") == nil {
			t.Errorf("a serde that %s passed", name)
		}
	}
	keeps := serde.New("x", serde.Bytes().Append, func(b []byte) ([]byte, error) { return b, nil })
	if lawful(keeps, []byte("value")) == nil {
		t.Error("a serde that keeps its input passed")
	}
}

func TestBytesOnTheWire(t *testing.T) {
	id := [16]byte{0x12, 0x3e, 0x45, 0x67, 0xe8, 0x9b, 0x12, 0xd3, 0xa4, 0x56, 0x42, 0x66, 0x14, 0x17, 0x40, 0x00}
	wire(t, serde.String(), "añ😀", "61c3b1f09f9880")
	wire(t, serde.String(), "", "")
	wire(t, serde.Bytes(), []byte{0, 255}, "00ff")
	wire(t, serde.Bool(), true, "01")
	wire(t, serde.Bool(), false, "00")
	wire(t, serde.Int16(), -2, "fffe")
	wire(t, serde.Int32(), math.MinInt32, "80000000")
	wire(t, serde.Int64(), 258, "0000000000000102")
	wire(t, serde.Float32(), 1.5, "3fc00000")
	wire(t, serde.Float64(), math.Copysign(0, -1), "8000000000000000")
	wire(t, serde.Float64(), math.NaN(), "7ff8000000000000")
	wire(t, serde.Float32(), float32(math.NaN()), "7fc00000")
	wire(t, serde.UUID(), id, fmt.Sprintf("%x", "123e4567-e89b-12d3-a456-426614174000"))
	wire(t, serde.JSON[payment](), payment{ID: "<a>", Cents: 5}, fmt.Sprintf("%x", `{"id":"\u003ca\u003e","cents":5}`))
	wire(t, serde.JSON[*payment](), nil, fmt.Sprintf("%x", "null"))
}

func wire[T any](t *testing.T, s serde.Serde[T], v T, want string) {
	t.Helper()
	b, err := s.Append(nil, v)
	if err != nil {
		t.Fatalf("%s: append %v: %v", s.Name(), v, err)
	}
	if got := fmt.Sprintf("%x", b); got != want {
		t.Errorf("%s: %v is %s, want %s", s.Name(), v, got, want)
	}
}

func TestDecodersSayWhatIsWrong(t *testing.T) {
	id := "123e4567-e89b-12d3-a456-426614174000"
	refuse(t, serde.Int64(), "abc", "int64: 3 bytes, want 8")
	refuse(t, serde.Int32(), "a", "int32: 1 byte, want 4")
	refuse(t, serde.Int16(), "", "int16: 0 bytes, want 2")
	refuse(t, serde.Float32(), "12345", "float32: 5 bytes, want 4")
	refuse(t, serde.Float64(), "123456789", "float64: 9 bytes, want 8")
	refuse(t, serde.Bool(), "ab", "bool: 2 bytes, want 1")
	refuse(t, serde.Bool(), "\x02", "bool: byte 0x02, want 0x00 or 0x01")
	refuse(t, serde.UUID(), "1-1-1-1-1", "uuid: 9 bytes, want 36")
	refuse(t, serde.UUID(), strings.Replace(id, "-", "a", 1), "uuid: byte 0x61 at 8, want a dash")
	refuse(t, serde.UUID(), "x"+id[1:], "uuid: encoding/hex: invalid byte: U+0078 'x'")
	refuse(t, serde.JSON[payment](), "{", "json:serde_test.payment: unexpected end of JSON input")
	refuse(t, serde.Nullable(serde.Int16()), "abc", "int16: 3 bytes, want 2")
}

func refuse[T any](t *testing.T, s serde.Serde[T], input, want string) {
	t.Helper()
	v, err := s.Decode([]byte(input))
	if err == nil {
		t.Fatalf("%s: %q decoded to %v, want an error", s.Name(), input, v)
	}
	if err.Error() != want {
		t.Errorf("%s: %q: error %q, want %q", s.Name(), input, err, want)
	}
}

func TestNames(t *testing.T) {
	names := []string{
		serde.String().Name(), serde.Bytes().Name(), serde.Bool().Name(), serde.Int16().Name(), serde.Int32().Name(), serde.Int64().Name(),
		serde.Float32().Name(), serde.Float64().Name(), serde.UUID().Name(), serde.JSON[payment]().Name(), serde.JSON[[]payment]().Name(),
		serde.JSON[int]().Name(), serde.Nullable(serde.String()).Name(),
	}
	want := []string{
		"string", "bytes", "bool", "int16", "int32", "int64", "float32", "float64", "uuid",
		"json:serde_test.payment", "json:[]serde_test.payment", "json:int", "nullable-string",
	}
	for i := range want {
		if names[i] != want[i] {
			t.Errorf("name %q, want %q", names[i], want[i])
		}
	}
}

func TestZeroBytesAreNotNull(t *testing.T) {
	b, err := serde.Bytes().Decode(nil)
	if err != nil || b == nil {
		t.Errorf("bytes: zero bytes decode to %v, %v; want an empty slice that is not nil", b, err)
	}
	s, err := serde.Nullable(serde.String()).Decode(nil)
	if err != nil || s == nil {
		t.Errorf("nullable-string: zero bytes decode to %v, %v; want a pointer to the empty string", s, err)
	}
}

func TestNullableRefusesNil(t *testing.T) {
	dst, err := serde.Nullable(serde.Int64()).Append([]byte("kept"), nil)
	if err == nil || err.Error() != "nullable-int64: nil has no bytes: null is decided before the serde" {
		t.Errorf("error %v", err)
	}
	if string(dst) != "kept" {
		t.Errorf("dst is %q after the error", dst)
	}
}

func TestSerdeOfOneDirection(t *testing.T) {
	s := serde.New[string]("half", nil, nil)
	if _, err := s.Append(nil, "v"); err == nil || !strings.HasPrefix(err.Error(), "half: ") {
		t.Errorf("append: error %v, want one that names the serde", err)
	}
	if _, err := s.Decode(nil); err == nil || !strings.HasPrefix(err.Error(), "half: ") {
		t.Errorf("decode: error %v, want one that names the serde", err)
	}
}

type byPointer struct{ v string }

func (p *byPointer) MarshalJSON() ([]byte, error) { return []byte(`"` + p.v + `"`), nil }
func (p *byPointer) UnmarshalJSON(b []byte) error { p.v = strings.Trim(string(b), `"`); return nil }

func TestJSONUsesMethodsOfThePointer(t *testing.T) {
	s := serde.JSON[byPointer]()
	wire(t, s, byPointer{"x"}, "227822")
	if v, err := s.Decode([]byte(`"x"`)); err != nil || v.v != "x" {
		t.Errorf("decoded %+v, %v", v, err)
	}
}

func TestJSONWorksAfterAnError(t *testing.T) {
	if _, err := serde.JSON[float64]().Append(nil, math.NaN()); err == nil {
		t.Fatal("NaN was encoded as JSON")
	}
	for range 8 { // enough to meet the pooled writer of the failure again
		wire(t, serde.JSON[float64](), 1.5, "312e35")
	}
}

type suffixed struct{ serde.Serde[string] }

func (suffixed) InnerKey(encoded []byte) []byte { return encoded[:1] }

func TestNullablePassesTheInnerKeyOn(t *testing.T) {
	type keyed interface{ InnerKey([]byte) []byte }
	s, ok := serde.Nullable[string](suffixed{serde.String()}).(keyed)
	if !ok {
		t.Fatal("a nullable serde of a keyed one has no InnerKey")
	}
	if got := s.InnerKey([]byte("abc")); string(got) != "a" {
		t.Errorf("inner key %q, want %q", got, "a")
	}
	if _, ok := serde.Nullable(serde.String()).(keyed); ok {
		t.Error("a nullable serde of a plain one has an InnerKey")
	}
}
