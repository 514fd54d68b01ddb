package store_test

import (
	"bytes"
	"cmp"
	"fmt"
	"maps"
	"runtime"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/weirstream/weir/internal/rows"
	"github.com/weirstream/weir/state"
	"github.com/weirstream/weir/state/pebble"
)

// heldModel is what Kafka's in-memory buffer holds, as plainly as can be.
type heldModel map[string]rows.Held

func (m heldModel) put(key string, h rows.Held) {
	if before, ok := m[key]; ok {
		h.Prior, h.At = before.Prior, before.At
	} else {
		h.Prior = h.Old
	}
	m[key] = h
}

func (m heldModel) first() (key string) {
	return slices.MinFunc(slices.Collect(maps.Keys(m)), func(a, b string) int {
		return cmp.Or(cmp.Compare(m[a].At, m[b].At), strings.Compare(a, b))
	})
}

// size is computeRecordSize of InMemoryTimeOrderedKeyValueChangeBuffer, over all that it holds. Names are ASCII here.
func (m heldModel) size() (n int64) {
	for key, h := range m {
		n += int64(8 + len(key) + 8 + 8 + len(h.Topic) + 4 + len(h.Prior) + len(h.New))
		if !bytes.Equal(h.Prior, h.Old) || (h.Prior == nil) != (h.Old == nil) {
			n += int64(len(h.Old))
		}
		_ = rows.EachHeader(h.RawHeaders, func(k, v []byte) { n += int64(len(k) + len(v)) })
	}
	return n
}

func drawValue(r *rapid.T, name string) []byte {
	if rapid.Bool().Draw(r, name+" is null") {
		return nil
	}
	return bytes.Repeat([]byte(name[:1]), rapid.IntRange(0, 3).Draw(r, name))
}

func drawHeld(r *rapid.T, step int) rows.Held {
	h := rows.Held{Context: rows.Context{Topic: "in", Partition: 3, Offset: int64(step), Time: int64(rapid.IntRange(0, 9).Draw(r, "time"))}}
	h.At = int64(rapid.IntRange(0, 5).Draw(r, "at"))
	h.Old, h.New = drawValue(r, "old"), drawValue(r, "new")
	for range rapid.IntRange(0, 2).Draw(r, "headers") {
		h.RawHeaders = rows.AppendHeader(h.RawHeaders, "h", drawValue(r, "header"))
	}
	return h
}

// The buffer is as the model through commits, crashes, restarts, and the loss of everything but the changelog; also where tombstones come a commit late.
func TestBufferModel(t *testing.T) {
	for name, provider := range providers {
		t.Run(name, func(t *testing.T) {
			rapid.Check(t, func(r *rapid.T) {
				if fault := bufferRun(r, provider, func(*rows.Held) {}); fault != "" {
					r.Fatal(fault)
				}
			})
		})
	}
}

// A buffer that forgets what was before the first update is caught.
func TestBufferModelCatchesALostPriorValue(t *testing.T) {
	caught := false
	rapid.Check(t, func(r *rapid.T) {
		caught = bufferRun(r, providers["mem"], func(h *rows.Held) { h.Prior = nil }) != "" || caught
	})
	if !caught {
		t.Error("nothing was seen")
	}
}

// bufferRun plays a random run. spoil changes what is read.
func bufferRun(r *rapid.T, provider func() state.Provider, spoil func(*rows.Held)) (fault string) {
	w := newWorld(r, provider(), rows.NewBuffer("s", "string", "bytes"))
	defer func() { w.close() }()
	late := rapid.Bool().Draw(r, "late")
	b := opened(w, late)
	model, committed := heldModel{}, heldModel{}
	handed, owed := heldModel{}, heldModel{} // what was evicted since the last commit, and what was before it and is still in the changelog
	for step := range rapid.IntRange(1, 40).Draw(r, "steps") {
		key := rapid.SampledFrom([]string{"", "a", "b", "\x00", "a\x00"}).Draw(r, "key")
		switch rapid.SampledFrom([]string{"put", "put", "put", "put", "evict", "commit", "discard", "reopen", "lost"}).Draw(r, "do") {
		case "put":
			h := drawHeld(r, step)
			model.put(key, h)
			w.must(b.Put([]byte(key), h))
		case "evict":
			fault = cmp.Or(fault, evictions(r, w, b, model, handed, spoil))
		case "commit":
			w.must(b.Log(7))
			w.commit()
			owed = owing(late, handed, committed, model)
			committed, handed = maps.Clone(model), heldModel{}
		case "discard":
			w.discard()
			w.must(w.set.Start(w.write, &w.ctx, w.stick, func(string) {}))
			b, model, handed = opened(w, late), maps.Clone(committed), heldModel{}
		case "reopen":
			w.reopen()
			b, model, handed = opened(w, late), maps.Clone(committed), heldModel{}
		case "lost":
			w.lost(provider())
			maps.Copy(committed, owed)
			b, model, handed, owed = opened(w, late), maps.Clone(committed), heldModel{}, heldModel{}
		}
		if b.Owes() != (len(owed) > 0) {
			fault = cmp.Or(fault, fmt.Sprintf("the buffer owes: %v; %d tombstones are", b.Owes(), len(owed)))
		}
		fault = cmp.Or(fault, compared(w, b, model, key))
	}
	return fault
}

func opened(w *world, late bool) *rows.Buffer {
	b := facade[*rows.Buffer](w, "s")
	w.must(b.Count())
	if late {
		b.Late()
	}
	return b
}

// owing is what the changelog shows though it was evicted.
func owing(late bool, handed, before, now heldModel) heldModel {
	owed := heldModel{}
	for key, h := range handed {
		_, had := before[key]
		if _, again := now[key]; late && had && !again {
			owed[key] = h
		}
	}
	return owed
}

// evictions takes some out of both.
func evictions(r *rapid.T, w *world, b *rows.Buffer, model, handed heldModel, spoil func(*rows.Held)) (fault string) {
	left := rapid.IntRange(0, 3).Draw(r, "evictions")
	more := func() bool { left--; return left >= 0 }
	w.must(b.Evict(more, func(key []byte, h rows.Held) error {
		if len(model) == 0 {
			fault = "something is held back that was never put"
			return nil
		}
		first := model.first()
		want := model[first]
		spoil(&h)
		if got := fmt.Sprintf("%q %+v", key, h); got != fmt.Sprintf("%q %+v", first, shown(want)) {
			fault = fmt.Sprintf("evicted %s, want %q %+v", got, first, shown(want))
		}
		delete(model, first)
		handed[first] = want
		return nil
	}))
	return fault
}

// shown is an update as it is read: with headers, if only the number of none.
func shown(h rows.Held) rows.Held {
	if h.RawHeaders == nil {
		h.RawHeaders = make([]byte, 4)
	}
	return h
}

func compared(w *world, b *rows.Buffer, model heldModel, key string) string {
	if b.Len() != int64(len(model)) || b.Size() != model.size() {
		return fmt.Sprintf("%d updates of %d bytes, want %d of %d", b.Len(), b.Size(), len(model), model.size())
	}
	at, ok := b.First()
	if ok != (len(model) > 0) || ok && at != model[model.first()].At {
		return fmt.Sprintf("the first is at %d (%v), want %v", at, ok, model)
	}
	prior, ok, err := b.Prior([]byte(key))
	w.must(err)
	if want, has := model[key]; ok != has || !bytes.Equal(prior, want.Prior) || (prior == nil) != (want.Prior == nil) {
		return fmt.Sprintf("before %q there was %v (%v), want %v", key, prior, ok, want.Prior)
	}
	return ""
}

// What is held back and committed needs the disk, not the memory.
func TestLargeBufferIsNotInMemory(t *testing.T) {
	if testing.Short() {
		t.Skip("it writes 40 MB")
	}
	const held, value, part = 20_000, 2_000, 1_000 // 40 MB
	spec := rows.NewBuffer("s", "string", "bytes")
	spec.Logged = false // the world keeps changelogs in memory
	w := newWorld(t, inFolder{pebble.New(pebble.Memory(1 << 20)), t.TempDir()}, spec)
	defer w.close()
	b := facade[*rows.Buffer](w, "s")
	before := live()
	v := make([]byte, value)
	for i := range held {
		key := fmt.Appendf(nil, "key %d", i)
		w.must(b.Put(key, rows.Held{New: v, At: int64(i * 7 % held)}))
		if i%part == part-1 {
			w.must(b.Log(7))
			w.commit()
		}
	}
	if n := live() - before; n > held*value/4 {
		t.Errorf("%d bytes are held back, %d more bytes are in memory", held*value, n)
	}
	n, last := 0, int64(-1)
	w.must(b.Evict(func() bool { return n < 1000 }, func(_ []byte, h rows.Held) error {
		if h.At < last || len(h.New) != value {
			t.Errorf("%d after %d, %d bytes", h.At, last, len(h.New))
		}
		n, last = n+1, h.At
		return nil
	}))
	if n != 1000 {
		t.Errorf("%d were taken out", n)
	}
}

// inFolder opens engines in a folder of its own.
type inFolder struct {
	state.Provider
	dir string
}

func (f inFolder) Open(_, name string) (state.Engine, error) { return f.Provider.Open(f.dir, name) }

// live is how many bytes the heap holds after a collection.
func live() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// The changelog is written in commits, each key once: its last state, or a tombstone for what came and went.
func TestBufferLogsInCommits(t *testing.T) {
	w := newWorld(t, providers["mem"](), rows.NewBuffer("s", "string", "bytes"))
	defer w.close()
	b := facade[*rows.Buffer](w, "s")
	for i, key := range []string{"b", "a", "b", "c"} {
		w.must(b.Put([]byte(key), rows.Held{Context: rows.Context{Topic: "in"}, New: []byte{byte(i)}, At: int64(i)}))
	}
	w.must(b.Evict(func() bool { at, _ := b.First(); return at <= 1 }, func([]byte, rows.Held) error { return nil }))
	if len(w.pending["s"]) > 0 {
		t.Errorf("logged before a commit: %v", w.pending)
	}
	w.must(b.Log(5))
	var log []string
	for _, rec := range w.pending["s"] {
		log = append(log, fmt.Sprintf("%s %t @%d", rec.Key, rec.Value != nil, rec.Time))
	}
	if got := strings.Join(log, ", "); got != "b false @5, a false @5, c true @5" {
		t.Error(got)
	}
	if w.commit(); len(w.log["s"]) != 3 {
		t.Errorf("%d records", len(w.log["s"]))
	}
}
