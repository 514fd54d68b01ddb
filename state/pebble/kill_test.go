package pebble

import (
	"fmt"
	"io"
	"os"
	"strconv"
	"testing"

	"github.com/cockroachdb/pebble/v2"

	"github.com/weirstream/weir/state"
)

// TestKill ends a process that applies batches, with SIGKILL: all batches that it had applied are there.
func TestKill(t *testing.T) {
	dir := t.TempDir()
	for round := range 3 {
		said := killed(t, "apply", dir, (round+1)*2000)
		e := open(t, New(), dir)
		if n := recovered(t, e); n < said {
			t.Errorf("round %d: %d batches were applied, %d survived the kill", round, said, n)
		}
		fatal(t, e.Close())
	}
}

// TestKillNoticesBuffers shows that the test can fail: batches that are left to Pebble's own buffer do not survive.
func TestKillNoticesBuffers(t *testing.T) {
	dir := t.TempDir()
	said := killed(t, "apply into Pebble's buffer", dir, 10)
	e := open(t, New(), dir)
	defer e.Close()
	if n := recovered(t, e); n >= said {
		t.Errorf("%d batches were applied, %d survived the kill", said, n)
	}
}

// killed runs a child until it has said a number of at least atLeast, kills it, and returns the last number that it said.
func killed(t *testing.T, part, dir string, atLeast int) (said int) {
	t.Helper()
	cmd, out := child(t, part, dir)
	for killed := false; out.Scan(); {
		n, err := strconv.Atoi(out.Text())
		if err != nil {
			continue // the last line may be cut off, and is then not a number or too small a one
		}
		said = max(said, n)
		if n >= atLeast && !killed {
			killed = true
			fatal(t, cmd.Process.Kill())
		}
	}
	cmd.Wait()
	if said < atLeast {
		t.Fatalf("the other process ended by itself after %d batches", said)
	}
	return said
}

// applyForEver goes on after the last batch that is there, and says the number of each that it has applied.
func applyForEver(dir string) {
	e, err := New().Open(dir, "0_0")
	if err != nil {
		panic(err)
	}
	i, err := offset(e)
	if err != nil {
		panic(err)
	}
	var b state.Batch
	for i++; ; i++ {
		if err := e.Apply(numbered(&b, i)); err != nil {
			panic(err)
		}
		fmt.Println(i)
	}
}

// applyIntoBuffer applies less than fills a block of the log, without asking for a sync, and waits to be killed.
func applyIntoBuffer(dir string) {
	e, err := New().Open(dir, "0_0")
	if err != nil {
		panic(err)
	}
	var b state.Batch
	for i := range 10 {
		to := e.(*engine).db.NewBatch()
		for _, op := range numbered(&b, i+1).Ops() {
			if err := add(to, op); err != nil {
				panic(err)
			}
		}
		if err := to.Commit(pebble.NoSync); err != nil {
			panic(err)
		}
		fmt.Println(i + 1)
	}
	io.Copy(io.Discard, os.Stdin)
}
