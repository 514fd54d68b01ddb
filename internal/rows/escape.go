package rows

import (
	"bytes"
	"encoding/binary"
	"errors"
)

// The escaped form of a key (ekey) ends itself, so that keys of different lengths sort by their bytes although something follows: each byte
// 00 becomes 00 FF, and 00 01 closes.

// appendEscaped appends the escaped form of key.
func appendEscaped(dst, key []byte) []byte {
	for {
		i := bytes.IndexByte(key, 0)
		if i < 0 {
			return append(append(dst, key...), 0, 1)
		}
		dst = append(append(dst, key[:i]...), 0, 0xff)
		key = key[i+1:]
	}
}

// escapeTail turns the bytes of dst from an offset on, which hold a key, into its escaped form. Most keys have no byte 00: nothing is copied.
func escapeTail(dst []byte, from int) []byte {
	if bytes.IndexByte(dst[from:], 0) < 0 {
		return append(dst, 0, 1)
	}
	return appendEscaped(dst[:from], clone(dst[from:]))
}

// cutKey is cutEscaped, without a copy where the key has no byte 00.
func cutKey(b []byte) (key, rest []byte, err error) {
	if i := bytes.IndexByte(b, 0); i >= 0 && i+1 < len(b) && b[i+1] == 1 {
		return b[:i:i], b[i+2:], nil
	}
	return cutEscaped(nil, b)
}

var errEscape = errors.New("row key: an escaped part is not closed")

// cutEscaped appends to dst the key whose escaped form b begins with, and returns what follows it.
func cutEscaped(dst, b []byte) (key, rest []byte, err error) {
	for {
		i := bytes.IndexByte(b, 0)
		if i < 0 || i+1 == len(b) {
			return dst, b, errEscape
		}
		dst = append(dst, b[:i]...)
		switch b[i+1] {
		case 1:
			return dst, b[i+2:], nil
		case 0xff:
			dst, b = append(dst, 0), b[i+2:]
		default:
			return dst, b, errEscape
		}
	}
}

// afterEscaped turns the end of an escaped key into the least bytes that are greater than every key that begins with it.
func afterEscaped(b []byte) []byte {
	b[len(b)-1]++
	return b
}

func appendTime(dst []byte, at int64) []byte {
	return binary.BigEndian.AppendUint64(dst, uint64(at))
}

func timeAt(b []byte) int64 { return int64(binary.BigEndian.Uint64(b)) }

// appendAfter appends the exclusive form of an inclusive upper bound: the time after at, in bytes that sort after every time where there is none.
func appendAfter(dst []byte, at int64) []byte { return appendTime(dst, max(at, -1)+1) }
