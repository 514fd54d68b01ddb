package offsetmeta

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"slices"
)

// Unknown is the partition time when nothing is known.
const Unknown = -1

// Metadata is what is committed with an offset.
type Metadata struct {
	PartitionTime int64            // largest timestamp taken from the partition, in milliseconds; Unknown if none was
	Watermarks    map[string]int64 // by store: up to which time closed windows were emitted; Decode leaves it nil if there are none
}

const (
	versionTime       = 1
	versionWatermarks = 2
)

// Encode writes m in the newest version. Watermarks are sorted by name, so equal metadata is an equal string. (Kafka writes them in a hash map's order.)
func Encode(m Metadata) string {
	b := make([]byte, 0, 64)
	b = append(b, versionWatermarks)
	b = binary.BigEndian.AppendUint64(b, uint64(m.PartitionTime))
	if len(m.Watermarks) > 0 {
		b = appendWatermarks(b, m.Watermarks)
	}
	return base64.StdEncoding.EncodeToString(b)
}

func appendWatermarks(b []byte, watermarks map[string]int64) []byte {
	b = binary.BigEndian.AppendUint32(b, uint32(len(watermarks)))
	for _, name := range slices.Sorted(maps.Keys(watermarks)) {
		b = binary.BigEndian.AppendUint32(b, uint32(len(name)))
		b = append(b, name...)
		b = binary.BigEndian.AppendUint64(b, uint64(watermarks[name]))
	}
	return b
}

// Decode reads both versions, and the empty string as Unknown. With an error comes what could be read, which is what Kafka goes on with: the time, if it
// was whole, and the watermarks, if all of them were.
func Decode(s string) (Metadata, error) {
	if s == "" {
		return Metadata{PartitionTime: Unknown}, nil
	}
	m, err := decode(s)
	if err != nil {
		return m, fmt.Errorf("offset metadata %s: %w", shortened(s), err)
	}
	return m, nil
}

func decode(s string) (m Metadata, err error) {
	m.PartitionTime = Unknown
	b, err := base64.StdEncoding.DecodeString(s)
	if err != nil {
		return m, err
	}
	r := reader{b: b}
	version, time := r.byte(), r.int64()
	if version != versionTime && version != versionWatermarks && len(b) > 0 {
		return m, fmt.Errorf("version %d, want 1 or 2", version)
	}
	if r.short {
		return m, fmt.Errorf("%d bytes, want at least 9", len(b))
	}
	m.PartitionTime = time
	if version == versionWatermarks {
		if m.Watermarks, err = r.watermarks(); err != nil {
			return m, err
		}
	}
	if len(r.b) > 0 {
		return m, fmt.Errorf("%d bytes left over", len(r.b))
	}
	return m, nil
}

// reader takes values off the front of b. Once b was too short for one, all further ones are zero.
type reader struct {
	b     []byte
	short bool
}

var errCutOff = errors.New("cut off")

func (r *reader) take(n int) []byte {
	if r.short || n < 0 || n > len(r.b) {
		r.short = true
		return nil
	}
	taken := r.b[:n]
	r.b = r.b[n:]
	return taken
}

func (r *reader) byte() byte {
	if b := r.take(1); b != nil {
		return b[0]
	}
	return 0
}

func (r *reader) int32() int32 {
	if b := r.take(4); b != nil {
		return int32(binary.BigEndian.Uint32(b))
	}
	return 0
}

func (r *reader) int64() int64 {
	if b := r.take(8); b != nil {
		return int64(binary.BigEndian.Uint64(b))
	}
	return 0
}

// watermarks reads what follows the time. No bytes are no watermarks.
func (r *reader) watermarks() (map[string]int64, error) {
	if len(r.b) == 0 {
		return nil, nil
	}
	n := r.int32()
	if n < 0 {
		return nil, fmt.Errorf("%d watermarks", n)
	}
	var watermarks map[string]int64 // grows as entries are read: n is not to be trusted
	for i := range n {
		name, watermark := string(r.take(int(r.int32()))), r.int64()
		if r.short {
			return nil, fmt.Errorf("watermark %d of %d: %w", i+1, n, errCutOff)
		}
		if watermarks == nil {
			watermarks = make(map[string]int64)
		}
		watermarks[name] = watermark
	}
	if r.short {
		return nil, fmt.Errorf("number of watermarks: %w", errCutOff)
	}
	return watermarks, nil
}

// shortened keeps errors readable whatever a stranger committed.
func shortened(s string) string {
	const most = 40
	if len(s) <= most {
		return fmt.Sprintf("%q", s)
	}
	return fmt.Sprintf("%q…", s[:most])
}
