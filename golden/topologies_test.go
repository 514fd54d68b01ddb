package golden_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/weirstream/weir/golden"
)

const (
	version = "4.3.1"
	room    = 20 << 20 // bytes that recorded files may take together
	packed  = ".jsonl.gz"
	listed  = "topologies/manifest.json"
)

// kafkas are the jars that make up Kafka Streams and its test driver; others are what these need.
var kafkas = []string{"kafka-clients-" + version + ".jar", "kafka-streams-" + version + ".jar", "kafka-streams-test-utils-" + version + ".jar"}

// faults are what is wrong with a folder of recorded files: the topologies' manifest names the jars of the right version and no other of Kafka's, the same
// as the other manifest; it names every file, and every file is there; all together are small.
func faults(folder fs.FS) (all []error) {
	topologies, err := manifestOf(folder, listed)
	if err != nil {
		return []error{err}
	}
	single, err := manifestOf(folder, "manifest.json")
	if err != nil {
		return []error{err}
	}
	if !maps.Equal(topologies.Jars, single.Jars) {
		all = append(all, errors.New("the two manifests name other jars"))
	}
	size, files, err := walked(folder)
	if err != nil {
		return []error{err}
	}
	if size > room {
		all = append(all, fmt.Errorf("%d bytes, at most %d", size, room))
	}
	return slices.Concat(all, jarFaults(topologies.Jars), fileFaults(topologies.Files, files))
}

func manifestOf(folder fs.FS, name string) (m golden.Manifest, err error) {
	b, err := fs.ReadFile(folder, name)
	if err != nil {
		return m, err
	}
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	return m, d.Decode(&m)
}

// walked is the size of all files, and the names of the topologies' by case.
func walked(folder fs.FS) (size int64, cases []string, err error) {
	err = fs.WalkDir(folder, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		size += info.Size()
		if rest, ok := strings.CutPrefix(name, path.Dir(listed)+"/"); ok && name != listed {
			cases = append(cases, strings.TrimSuffix(rest, packed))
		}
		return nil
	})
	return size, cases, err
}

func jarFaults(jars map[string]string) (all []error) {
	for _, jar := range kafkas {
		if len(jars[jar]) != 64 {
			all = append(all, fmt.Errorf("%s has the hash %q", jar, jars[jar]))
		}
	}
	for jar := range jars {
		if strings.HasPrefix(jar, "kafka") && !slices.Contains(kafkas, jar) {
			all = append(all, fmt.Errorf("%s is not of %s", jar, version))
		}
	}
	return all
}

func fileFaults(manifest map[string]golden.File, cases []string) (all []error) {
	for _, name := range cases {
		if _, ok := manifest[name]; !ok {
			all = append(all, fmt.Errorf("%s is not in the manifest", name))
		}
	}
	for name, f := range manifest {
		if !slices.Contains(cases, name) {
			all = append(all, fmt.Errorf("%s is in the manifest alone", name))
		}
		if f.Lines < 1+40 || len(f.SHA256) != 64 {
			all = append(all, fmt.Errorf("%s: %d lines, the hash %q", name, f.Lines, f.SHA256))
		}
	}
	return all
}

func TestTopologiesAreAsTheManifestSays(t *testing.T) {
	for _, err := range faults(os.DirFS("testdata")) {
		t.Error(err)
	}
}

// small is a folder of one case, without faults.
func small() fstest.MapFS {
	hash := strings.Repeat("0", 64)
	jars := map[string]string{"jackson-core-2.jar": hash}
	for _, jar := range kafkas {
		jars[jar] = hash
	}
	text := func(files map[string]golden.File) *fstest.MapFile {
		b, err := json.Marshal(map[string]any{"jars": jars, "files": files})
		if err != nil {
			panic(err) // maps of text can be written
		}
		return &fstest.MapFile{Data: b}
	}
	one := map[string]golden.File{"f/one": {Lines: 41, SHA256: hash}}
	return fstest.MapFS{"manifest.json": text(nil), listed: text(one), "topologies/f/one" + packed: {Data: []byte("1")}}
}

func TestFaultsOfTopologiesAreFound(t *testing.T) {
	if all := faults(small()); len(all) > 0 {
		t.Errorf("a good folder has faults: %v", all)
	}
	replaced := func(file, old, by string) func(fstest.MapFS) {
		return func(f fstest.MapFS) { f[file].Data = bytes.ReplaceAll(f[file].Data, []byte(old), []byte(by)) }
	}
	both := func(old, by string) func(fstest.MapFS) {
		return func(f fstest.MapFS) { replaced("manifest.json", old, by)(f); replaced(listed, old, by)(f) }
	}
	for what, spoil := range map[string]func(fstest.MapFS){
		"another version":         both(version, "4.3.0"),
		"a jar without a hash":    both(strings.Repeat("0", 64), ""),
		"another jar":             replaced(listed, "core-2", "core-3"),
		"a file too many":         func(f fstest.MapFS) { f["topologies/f/two"+packed] = &fstest.MapFile{} },
		"a file of another kind":  func(f fstest.MapFS) { f["topologies/f/notes.txt"] = &fstest.MapFile{} },
		"a file too few":          func(f fstest.MapFS) { delete(f, "topologies/f/one"+packed) },
		"too few runs":            replaced(listed, "41", "40"),
		"too much":                func(f fstest.MapFS) { f["topologies/f/one"+packed].Data = make([]byte, room) },
		"a manifest that is gone": func(f fstest.MapFS) { delete(f, listed) },
	} {
		folder := small()
		if spoil(folder); len(faults(folder)) == 0 {
			t.Errorf("%s goes unnoticed", what)
		}
	}
}
