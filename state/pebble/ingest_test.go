package pebble

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
)

func table(t *testing.T, p *Provider, path string, fill func(*Table) error) string {
	t.Helper()
	w, err := p.NewTable(path)
	fatal(t, err)
	fatal(t, fill(w))
	fatal(t, w.Close())
	return path
}

func rows(n int, value string) func(*Table) error {
	return func(w *Table) error {
		for i := range n {
			if err := w.Set(fmt.Appendf(nil, "k%04d", i), []byte(value)); err != nil {
				return err
			}
		}
		return nil
	}
}

func TestIngest(t *testing.T) {
	p, dir := New(), t.TempDir()
	e := open(t, p, filepath.Join(dir, "db"))
	set(t, e, "k0001", "old")
	set(t, e, "kept", "old")
	path := table(t, p, filepath.Join(dir, "a.sst"), rows(1000, "new"))
	fatal(t, e.Ingest([]string{path}))
	if got := []string{get(t, e, "k0001"), get(t, e, "k0999"), get(t, e, "kept")}; fmt.Sprint(got) != "[new new old]" {
		t.Errorf("rows after ingesting: %v", got)
	}
	set(t, e, "k0001", "newer")
	fatal(t, e.Close())
	if _, err := os.Stat(path); !os.IsNotExist(err) {
		t.Errorf("the ingested file is still at its path: %v", err)
	}
	e = open(t, p, filepath.Join(dir, "db"))
	defer e.Close()
	if got := []string{get(t, e, "k0001"), get(t, e, "k0999")}; fmt.Sprint(got) != "[newer new]" {
		t.Errorf("rows after ingesting and reopening: %v", got)
	}
}

// TestIngestReplaces drops a range and sets rows inside of it, in one file.
func TestIngestReplaces(t *testing.T) {
	p := New(FS(vfs.NewMem()))
	e := open(t, p, "db")
	defer e.Close()
	set(t, e, "k5000", "old")
	set(t, e, "l", "old")
	path := table(t, p, "a.sst", func(w *Table) error {
		if err := w.DeleteRange([]byte("k"), []byte("l")); err != nil {
			return err
		}
		return rows(10, "new")(w)
	})
	fatal(t, e.Ingest([]string{path}))
	if got := []string{get(t, e, "k5000"), get(t, e, "k0003"), get(t, e, "l")}; fmt.Sprint(got) != "[none new old]" {
		t.Errorf("rows after ingesting: %v", got)
	}
}

func TestIngestAllOrNothing(t *testing.T) {
	p := New(FS(vfs.NewMem()))
	e := open(t, p, "db")
	defer e.Close()
	set(t, e, "k0001", "old")
	good := table(t, p, "good.sst", rows(10, "new"))
	same := table(t, p, "same.sst", rows(10, "newer"))
	bad, err := p.o.fs.Create("bad.sst", vfs.WriteCategoryUnspecified)
	fatal(t, err)
	_, err = bad.Write([]byte("not a table"))
	fatal(t, err)
	fatal(t, bad.Close())
	for _, other := range []string{"bad.sst", "missing.sst", same} {
		wantError(t, e.Ingest([]string{good, other}), nil, "db")
		if got := get(t, e, "k0001"); got != "old" {
			t.Errorf("with %s: half of the files were ingested", other)
		}
	}
	fatal(t, e.Ingest(nil))
	fatal(t, e.Ingest([]string{good}))
	if got := get(t, e, "k0001"); got != "new" {
		t.Errorf("after a failure nothing can be ingested: %q", got)
	}
}

// TestIngestFollows crashes right after ingesting: what was applied before must be there when the files are.
func TestIngestFollows(t *testing.T) {
	fs := vfs.NewCrashableMem()
	p := New(FS(fs))
	e := open(t, p, "db")
	defer e.Close()
	for i := range 100 {
		set(t, e, fmt.Sprint("before", i), "applied")
	}
	fatal(t, e.Ingest([]string{table(t, p, "a.sst", rows(10, "new"))}))
	after := open(t, New(FS(fs.CrashClone(vfs.CrashCloneCfg{}))), "db")
	defer after.Close()
	if got := []string{get(t, after, "before99"), get(t, after, "k0009")}; fmt.Sprint(got) != "[applied new]" {
		t.Errorf("after a crash: %v", got)
	}
}

func TestTableErrorsNameTheFile(t *testing.T) {
	w, err := New(FS(vfs.NewMem())).NewTable("a.sst")
	fatal(t, err)
	fatal(t, w.Set([]byte("b"), nil))
	wantError(t, w.Set([]byte("a"), nil), nil, "a.sst")
	w.Close()
	_, err = New().NewTable(filepath.Join(t.TempDir(), "missing", "a.sst"))
	wantError(t, err, nil, "a.sst")
}
