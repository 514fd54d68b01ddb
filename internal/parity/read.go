package parity

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"slices"
)

// Recorded are the recorded cases: the folder golden/testdata/topologies.
type Recorded struct {
	files    fs.FS
	manifest manifest
}

type manifest struct {
	Jars  map[string]string // SHA-256 in hex, by file name
	Files map[string]struct {
		Seed   int64 // of the first run; each later one has one more
		Lines  int
		SHA256 string // in hex, of the text
	}
}

// Open reads the manifest.
func Open(files fs.FS) (*Recorded, error) {
	b, err := fs.ReadFile(files, "manifest.json")
	if err != nil {
		return nil, fmt.Errorf("parity: %w", err)
	}
	r := &Recorded{files: files}
	if err := strict(b, &r.manifest); err != nil {
		return nil, fmt.Errorf("parity: manifest.json: %w", err)
	}
	return r, nil
}

// Names are the names of all cases, sorted.
func (r *Recorded) Names() []string { return slices.Sorted(maps.Keys(r.manifest.Files)) }

// Case reads a case with all its runs. It is an error if its text is not what the manifest says.
func (r *Recorded) Case(name string) (*Case, error) {
	c, err := r.read(name)
	if err != nil {
		return nil, fmt.Errorf("parity: %s: %w", name, err)
	}
	return c, nil
}

func (r *Recorded) read(name string) (*Case, error) {
	f, err := r.files.Open(name + ".jsonl.gz")
	if err != nil {
		return nil, err
	}
	text, err := unpack(f)
	if err := errors.Join(err, f.Close()); err != nil {
		return nil, err
	}
	sum := sha256.Sum256(text)
	if got, want := hex.EncodeToString(sum[:]), r.manifest.Files[name].SHA256; got != want {
		return nil, fmt.Errorf("its text is not what was recorded: SHA-256 %s, the manifest says %q", got, want)
	}
	return parse(text)
}

func unpack(f io.Reader) ([]byte, error) {
	z, err := gzip.NewReader(bufio.NewReader(f))
	if err != nil {
		return nil, err
	}
	return io.ReadAll(z)
}

// parse reads the case's own line and a line for each run.
func parse(text []byte) (*Case, error) {
	c := &Case{}
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(c); err != nil {
		return nil, err
	}
	for d.More() {
		var run Run
		if err := d.Decode(&run); err != nil {
			return nil, fmt.Errorf("run %d: %w", len(c.Runs), err)
		}
		c.Runs = append(c.Runs, run)
	}
	return c, nil
}
