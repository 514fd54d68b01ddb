package golden

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"encoding/json"
	"fmt"
)

//go:embed testdata/*.jsonl testdata/manifest.json
var testdata embed.FS

// Lines reads a recorded file, for instance "serdes.jsonl": one T a line. A field that T does not have is an error.
func Lines[T any](file string) ([]T, error) {
	b, err := testdata.ReadFile("testdata/" + file)
	if err != nil {
		return nil, fmt.Errorf("golden: %w", err)
	}
	var lines []T
	for i, text := range bytes.Split(bytes.TrimSuffix(b, []byte("\n")), []byte("\n")) {
		var line T
		if err := decodeStrict(text, &line); err != nil {
			return nil, fmt.Errorf("golden: %s:%d: %w", file, i+1, err)
		}
		lines = append(lines, line)
	}
	return lines, nil
}

func decodeStrict(text []byte, into any) error {
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	return d.Decode(into)
}

// Manifest says what the files were recorded from.
type Manifest struct {
	Jars  map[string]string // SHA-256 in hex, by file name
	Files map[string]File   // by file name
}

// File is one recorded file.
type File struct {
	Seed   int64
	Lines  int
	SHA256 string // in hex
}

// ReadManifest reads the manifest.
func ReadManifest() (Manifest, error) {
	var m Manifest
	b, err := testdata.ReadFile("testdata/manifest.json")
	if err != nil {
		return m, fmt.Errorf("golden: %w", err)
	}
	if err := decodeStrict(b, &m); err != nil {
		return m, fmt.Errorf("golden: manifest.json: %w", err)
	}
	return m, nil
}

// Describes reports how the bytes of a file differ from what the manifest says of it, or nil.
func (m Manifest) Describes(file string, b []byte) error {
	want, ok := m.Files[file]
	if !ok {
		return fmt.Errorf("golden: %s is not in the manifest", file)
	}
	if lines := bytes.Count(b, []byte("\n")); lines != want.Lines {
		return fmt.Errorf("golden: %s has %d lines, the manifest says %d", file, lines, want.Lines)
	}
	sum := sha256.Sum256(b)
	if got := hex.EncodeToString(sum[:]); got != want.SHA256 {
		return fmt.Errorf("golden: %s was changed since it was recorded", file)
	}
	return nil
}
