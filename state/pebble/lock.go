package pebble

import (
	"io"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// Lock locks a file, which it makes, against every other process, until it is closed or the process ends. A lock that is taken is an error at once.
func Lock(path string) (io.Closer, error) { return vfs.Default.Lock(path) }
