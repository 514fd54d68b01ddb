package golden_test

import (
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"maps"
	"testing"

	"github.com/weirstream/weir/internal/offsetmeta"
)

type metadataLine struct {
	Time       int64
	Watermarks map[string]int64
	Metadata   string
}

func checkEncoded(encode func(offsetmeta.Metadata) string) func(metadataLine) error {
	return func(line metadataLine) error {
		if got := encode(offsetmeta.Metadata{PartitionTime: line.Time, Watermarks: line.Watermarks}); got != line.Metadata {
			return fmt.Errorf("%d %v is %q, want %q", line.Time, line.Watermarks, got, line.Metadata)
		}
		return nil
	}
}

// checkDecoded asks for what Kafka goes on with, also after an error, of which it only writes into its log.
func checkDecoded(decode func(string) (offsetmeta.Metadata, error)) func(metadataLine) error {
	return func(line metadataLine) error {
		m, err := decode(line.Metadata)
		if m.PartitionTime != line.Time || !maps.Equal(m.Watermarks, line.Watermarks) {
			return fmt.Errorf("%q is %+v, %v; want %d %v", line.Metadata, m, err, line.Time, line.Watermarks)
		}
		return nil
	}
}

// checkClean: what Kafka wrote is read without an error.
func checkClean(line metadataLine) error {
	_, err := offsetmeta.Decode(line.Metadata)
	return err
}

// checkComplains: where Kafka knows nothing, though something was committed, there is an error.
func checkComplains(line metadataLine) error {
	if _, err := offsetmeta.Decode(line.Metadata); err == nil && line.Metadata != "" && line.Time == offsetmeta.Unknown {
		return fmt.Errorf("%q was read without an error", line.Metadata)
	}
	return nil
}

func TestOffsetMetadataIsKafkas(t *testing.T) {
	compare(t, "offset-metadata.jsonl", checkEncoded(offsetmeta.Encode))
	compare(t, "offset-metadata.jsonl", checkDecoded(offsetmeta.Decode))
	compare(t, "offset-metadata.jsonl", checkClean)
	compare(t, "offset-metadata-decoded.jsonl", checkDecoded(offsetmeta.Decode))
	compare(t, "offset-metadata-decoded.jsonl", checkComplains)
}

func TestOffsetMetadataComparisonCatches(t *testing.T) {
	counted := func(m offsetmeta.Metadata) string { // writes the number of watermarks also where it is zero
		if len(m.Watermarks) > 0 {
			return offsetmeta.Encode(m)
		}
		b := binary.BigEndian.AppendUint64([]byte{2}, uint64(m.PartitionTime))
		return base64.StdEncoding.EncodeToString(append(b, 0, 0, 0, 0))
	}
	sabotage(t, "offset-metadata.jsonl", "an explicit zero", checkEncoded(counted))
	forgetful := func(s string) (offsetmeta.Metadata, error) {
		m, err := offsetmeta.Decode(s)
		if err != nil {
			return offsetmeta.Metadata{PartitionTime: offsetmeta.Unknown}, err
		}
		return m, nil
	}
	sabotage(t, "offset-metadata-decoded.jsonl", "broken metadata read as clean", checkClean)
	sabotage(t, "offset-metadata.jsonl", "a committed time of -1 that is taken for broken", checkComplains)
	sabotage(t, "offset-metadata-decoded.jsonl", "a decoder that forgets the time with broken watermarks", checkDecoded(forgetful))
}
