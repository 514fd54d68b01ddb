package pebble

import (
	"fmt"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/objstorage/objstorageprovider"
	"github.com/cockroachdb/pebble/v2/sstable"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/weirstream/weir/state"
)

// Table writes a file that engines can Ingest. Rows are added in ascending order of keys, each key once; the file is whole after Close,
// and of no use after an error. One goroutine uses it.
type Table struct {
	path string
	w    *sstable.Writer
}

// NewTable makes, or replaces, the file at path in the Provider's file system.
func (p *Provider) NewTable(path string) (*Table, error) {
	f, err := p.o.fs.Create(path, vfs.WriteCategoryUnspecified)
	if err != nil {
		return nil, fmt.Errorf("pebble: table %s: %w", path, err)
	}
	o := sstable.WriterOptions{TableFormat: format.MaxTableFormat()}
	return &Table{path, sstable.NewWriter(objstorageprovider.NewFileWritable(f), o)}, nil
}

// Set adds a row.
func (t *Table) Set(key, value []byte) error { return t.error(t.w.Set(key, value)) }

// DeleteRange makes the ingesting engine drop its rows with lo <= key < hi, and none of this file's. Ranges are added in order and apart.
func (t *Table) DeleteRange(lo, hi []byte) error { return t.error(t.w.DeleteRange(lo, hi)) }

// Close finishes the file and syncs it.
func (t *Table) Close() error { return t.error(t.w.Close()) }

func (t *Table) error(err error) error {
	if err != nil {
		return fmt.Errorf("pebble: table %s: %w", t.path, err)
	}
	return nil
}

var _ state.Engine = (*engine)(nil)
var _ pebble.Logger = logger{}
