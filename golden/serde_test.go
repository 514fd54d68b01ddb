package golden_test

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math"
	"strconv"
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/weirstream/weir/serde"
)

type serdeLine struct {
	Serde string
	Value *string // nil: Kafka refuses the bytes
	Bytes string
}

// kind joins one of our serdes with the text that the recorder writes for its values.
type kind interface {
	encode(text string) ([]byte, error)
	decode(b []byte) (text string, err error)
}

type kindOf[T any] struct {
	serde serde.Serde[T]
	parse func(text string) T
	print func(v T) string
}

func (k kindOf[T]) encode(text string) ([]byte, error) { return k.serde.Append(nil, k.parse(text)) }

func (k kindOf[T]) decode(b []byte) (string, error) {
	v, err := k.serde.Decode(b)
	if err != nil {
		return "", err
	}
	return k.print(v), nil
}

func kinds() map[string]kind {
	return map[string]kind{
		"string":  kindOf[string]{serde.String(), fromUnits, toUnits},
		"bytes":   kindOf[[]byte]{serde.Bytes(), unhex, hex.EncodeToString},
		"bool":    kindOf[bool]{serde.Bool(), func(s string) bool { return s == "true" }, strconv.FormatBool},
		"int16":   integers(serde.Int16(), 16),
		"int32":   integers(serde.Int32(), 32),
		"int64":   integers(serde.Int64(), 64),
		"float32": kindOf[float32]{serde.Float32(), float32Of, func(v float32) string { return fmt.Sprintf("%08x", math.Float32bits(v)) }},
		"float64": kindOf[float64]{serde.Float64(), float64Of, func(v float64) string { return fmt.Sprintf("%016x", math.Float64bits(v)) }},
		"uuid":    kindOf[[16]byte]{serde.UUID(), func(s string) [16]byte { return [16]byte(unhex(s)) }, func(v [16]byte) string { return hex.EncodeToString(v[:]) }},
	}
}

func integers[T int16 | int32 | int64](s serde.Serde[T], bits int) kindOf[T] {
	return kindOf[T]{s,
		func(text string) T { return T(must(strconv.ParseInt(text, 10, bits))) },
		func(v T) string { return strconv.FormatInt(int64(v), 10) }}
}

func float32Of(s string) float32 { return math.Float32frombits(binary.BigEndian.Uint32(unhex(s))) }
func float64Of(s string) float64 { return math.Float64frombits(binary.BigEndian.Uint64(unhex(s))) }

func must[T any](v T, err error) T {
	if err != nil {
		panic(err) // a recorded file holds such a value
	}
	return v
}

func unitsOf(text string) (units []uint16) {
	for b := unhex(text); len(b) > 0; b = b[2:] {
		units = append(units, binary.BigEndian.Uint16(b))
	}
	return units
}

// fromUnits reads a Java string. Java encodes half a surrogate pair as a question mark; a Go string cannot hold one, so it is a question mark here.
func fromUnits(text string) string {
	units := unitsOf(text)
	var out strings.Builder
	for i := 0; i < len(units); i++ {
		r := rune(units[i])
		if utf16.IsSurrogate(r) {
			r = '?'
			if i+1 < len(units) && utf16.DecodeRune(rune(units[i]), rune(units[i+1])) != '\ufffd' {
				r = utf16.DecodeRune(rune(units[i]), rune(units[i+1]))
				i++
			}
		}
		out.WriteRune(r)
	}
	return out.String()
}

func toUnits(s string) string {
	var b []byte
	for _, unit := range utf16.Encode([]rune(s)) {
		b = binary.BigEndian.AppendUint16(b, unit)
	}
	return hex.EncodeToString(b)
}

func checkSerde(kinds map[string]kind) func(serdeLine) error {
	return func(line serdeLine) error {
		k, want := kinds[line.Serde], unhex(line.Bytes)
		got, err := k.encode(*line.Value)
		if err != nil || !bytes.Equal(got, want) {
			return fmt.Errorf("%s: %s encodes to %x, %v; want %x", line.Serde, *line.Value, got, err, want)
		}
		text, err := k.decode(want)
		if err != nil {
			return fmt.Errorf("%s: %x: %w", line.Serde, want, err)
		}
		if again, err := k.encode(text); err != nil || !bytes.Equal(again, want) {
			return fmt.Errorf("%s: %x decodes to %s, which encodes to %x, %v", line.Serde, want, text, again, err)
		}
		return nil
	}
}

func TestSerdesWriteKafkasBytes(t *testing.T) {
	compare(t, "serdes.jsonl", checkSerde(kinds()))
}

func TestSerdeComparisonCatches(t *testing.T) {
	little := kinds()
	little["int64"] = kindOf[int64]{serde.New("int64",
		func(dst []byte, v int64) ([]byte, error) {
			return binary.LittleEndian.AppendUint64(dst, uint64(v)), nil
		},
		func(b []byte) (int64, error) { return int64(binary.LittleEndian.Uint64(b)), nil }),
		integers(serde.Int64(), 64).parse, integers(serde.Int64(), 64).print}
	sabotage(t, "serdes.jsonl", "a little-endian int64", checkSerde(little))

	positive := kinds()
	positive["float64"] = kindOf[float64]{serde.New("float64",
		func(dst []byte, v float64) ([]byte, error) { return serde.Float64().Append(dst, v+0) }, // loses the sign of a zero
		serde.Float64().Decode), float64Of, kinds()["float64"].(kindOf[float64]).print}
	sabotage(t, "serdes.jsonl", "a float64 without negative zero", checkSerde(positive))

	upper := kinds()
	upper["uuid"] = kindOf[[16]byte]{serde.New("uuid",
		func(dst []byte, v [16]byte) ([]byte, error) {
			b, err := serde.UUID().Append(nil, v)
			return append(dst, bytes.ToUpper(b)...), err
		},
		serde.UUID().Decode), kinds()["uuid"].(kindOf[[16]byte]).parse, kinds()["uuid"].(kindOf[[16]byte]).print}
	sabotage(t, "serdes.jsonl", "a UUID in capitals", checkSerde(upper))
}

// checkDecode asks for Kafka's verdict on each input, and its value. Java reads UUIDs with shortened, signed or overlong groups; we do not.
func checkDecode(kinds map[string]kind) func(serdeLine) error {
	return func(line serdeLine) error {
		got, err := kinds[line.Serde].decode(unhex(line.Bytes))
		switch {
		case err == nil && line.Value == nil:
			return fmt.Errorf("%s: %s decodes to %s, which Kafka refuses", line.Serde, line.Bytes, got)
		case err == nil && got != *line.Value:
			return fmt.Errorf("%s: %s decodes to %s, want %s", line.Serde, line.Bytes, got, *line.Value)
		case err != nil && line.Value != nil && line.Serde != "uuid":
			return fmt.Errorf("%s: %s: %w, want %s", line.Serde, line.Bytes, err, *line.Value)
		}
		return nil
	}
}

func TestDecodersRefuseWhatKafkaRefuses(t *testing.T) {
	compare(t, "decoded.jsonl", checkDecode(kinds()))
}

func TestDecodeComparisonCatches(t *testing.T) {
	lenient := kinds()
	lenient["bool"] = kindOf[bool]{serde.New("bool", serde.Bool().Append, func(b []byte) (bool, error) { return len(b) > 0 && b[0] != 0, nil }),
		nil, strconv.FormatBool}
	sabotage(t, "decoded.jsonl", "a bool of any byte", checkDecode(lenient))

	strict := kinds()
	strict["bytes"] = kindOf[[]byte]{serde.New("bytes", serde.Bytes().Append, func(b []byte) ([]byte, error) {
		if len(b) == 0 {
			return nil, fmt.Errorf("nothing there")
		}
		return b, nil
	}), nil, hex.EncodeToString}
	sabotage(t, "decoded.jsonl", "bytes that refuse to be empty", checkDecode(strict))
}
