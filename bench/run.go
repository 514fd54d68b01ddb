package main

import (
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"flag"
	"fmt"
	"hash/maphash"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// comparison is a weir program beside its limit.
type comparison struct {
	name  string
	what  string // pass or count
	n     int64
	flags []string
	most  float64 // the ratio that weir must not pass
}

var comparisons = []comparison{
	{"pass, at least once", "pass", 2_000_000, nil, 1.7},
	{"pass, exactly once", "pass", 2_000_000, []string{"-txn", "-commit", "100ms"}, 1.7},
	{"count, write-back", "count", 2_000_000, []string{"-cached"}, 1.8},
	{"count, every update", "count", 500_000, nil, 1.4},
}

// sample is one run of one program.
type sample struct {
	cpu    float64 // seconds of the process per million records
	wall   float64
	peakMB int64
}

// bench is a whole run.
type bench struct {
	broker string
	adm    *kadm.Client
	cl     *kgo.Client
	self   string
	want   map[string]digest
	id     string // of this run, in the names of its topics
	serial int
}

func run(args []string) error {
	f := flag.NewFlagSet("run", flag.ContinueOnError)
	broker := f.String("broker", os.Getenv("WEIR_KAFKA"), "host:port")
	rounds := f.Int("rounds", 3, "rounds")
	only := f.String("only", "", "only comparisons whose name contains this")
	latency := f.Duration("latency", 12*time.Second, "time of each latency run; 0 for none")
	rival := f.String("rival", "", "a folder of further limit programs called pass and count, to check ours by")
	if err := f.Parse(args); err != nil {
		return err
	}
	if *broker == "" {
		return errors.New("no broker: set WEIR_KAFKA")
	}
	b, err := newBench(*broker)
	if err != nil {
		return err
	}
	ctx := context.Background()
	defer b.end(ctx)
	if err := b.load(ctx); err != nil {
		return err
	}
	fmt.Printf("%s, %d CPUs, GOGC=%s, broker %s\n", runtime.Version(), runtime.NumCPU(), cmp.Or(os.Getenv("GOGC"), "100"), *broker)
	for _, c := range comparisons {
		if strings.Contains(c.name, *only) {
			if err := b.compare(ctx, c, *rounds, *rival); err != nil {
				return fmt.Errorf("%s: %w", c.name, err)
			}
		}
	}
	if *latency > 0 && strings.Contains("latency", *only) {
		return b.latencies(ctx, *latency)
	}
	return nil
}

func newBench(broker string) (*bench, error) {
	cl, err := kgo.NewClient(kgo.SeedBrokers(broker))
	if err != nil {
		return nil, err
	}
	self, err := os.Executable()
	id := strconv.FormatInt(time.Now().UnixMilli(), 36)
	return &bench{id: id, broker: broker, adm: kadm.NewClient(cl), cl: cl, self: self, want: map[string]digest{}}, err
}

func (b *bench) topic(ctx context.Context, name string) error {
	_, err := b.adm.CreateTopic(ctx, parts, 1, nil, name)
	return err
}

func (b *bench) load(ctx context.Context) error {
	for _, c := range comparisons {
		name := b.input(c.n)
		if _, done := b.want[name]; done {
			continue
		}
		var err error
		if err := b.topic(ctx, name); err != nil {
			return err
		}
		if err := load(ctx, job{broker: b.broker, in: name, n: c.n}); err != nil {
			return err
		}
		if b.want[name], err = b.read(ctx, name); err != nil {
			return err
		}
	}
	return nil
}

func (b *bench) input(n int64) string { return fmt.Sprintf("bench-%s-in-%d", b.id, n) }

// end deletes the inputs.
func (b *bench) end(ctx context.Context) {
	for name := range b.want {
		if _, err := b.adm.DeleteTopic(ctx, name); err != nil {
			fmt.Fprintln(os.Stderr, "bench:", err)
		}
	}
	b.cl.Close()
}

// compare runs a limit and weir in turns, and the limit again: a round whose two limits differ by more than a fifth is thrown away.
func (b *bench) compare(ctx context.Context, c comparison, rounds int, rival string) error {
	var ratios, limits, engines, rivals []float64
	var peak int64
	for range rounds {
		first, err := b.measure(ctx, c, "limit-"+c.what, "")
		if err != nil {
			return err
		}
		other := sample{}
		if rival != "" { // between ours, so that what a machine does over time hits both
			if other, err = b.measure(ctx, c, "limit-"+c.what, rival); err != nil {
				return err
			}
		}
		ours, err := b.measure(ctx, c, "weir-"+c.what, "")
		if err != nil {
			return err
		}
		second, err := b.measure(ctx, c, "limit-"+c.what, "")
		if err != nil {
			return err
		}
		if d := first.cpu / second.cpu; d > 1.2 || d < 1/1.2 {
			fmt.Printf("  %s: a round thrown away: the limit took %.2f and %.2f\n", c.name, first.cpu, second.cpu)
			continue
		}
		limit := (first.cpu + second.cpu) / 2
		if rival != "" {
			rivals = append(rivals, limit/other.cpu)
		}
		ratios, limits, engines = append(ratios, ours.cpu/limit), append(limits, limit), append(engines, ours.cpu)
		peak = max(peak, ours.peakMB)
	}
	if len(ratios) == 0 {
		return errors.New("no round was quiet enough")
	}
	slices.Sort(ratios)
	verdict := "ok"
	if median(ratios) > c.most {
		verdict = "ABOVE"
	}
	fmt.Printf("%-22s ratio %.2f (%.2f–%.2f, %d rounds) target %.2f %s; CPU s/M: limit %.2f, weir %.2f; weir's peak %d MB\n",
		c.name, median(ratios), ratios[0], ratios[len(ratios)-1], len(ratios), c.most, verdict, median(limits), median(engines), peak)
	if len(rivals) > 0 {
		fmt.Printf("%-22s our limit ÷ the other: %.2f\n", "", median(rivals))
	}
	return nil
}

func median(x []float64) float64 {
	x = slices.Sorted(slices.Values(x))
	return x[len(x)/2]
}

// measure runs one program in a process of its own, and checks what it wrote.
func (b *bench) measure(ctx context.Context, c comparison, program, rival string) (s sample, err error) {
	b.serial++
	app := fmt.Sprintf("bench-%s-%d", b.id, b.serial)
	out, log := app+"-out", app+"-log"
	for _, t := range []string{out, log} {
		if err := b.topic(ctx, t); err != nil {
			return s, err
		}
	}
	defer b.adm.DeleteTopics(ctx, out, log, app+"-counts-changelog")
	name, args := b.self, append([]string{program, "-broker", b.broker, "-in", b.input(c.n), "-out", out, "-log", log, "-app", app, "-n", fmt.Sprint(c.n)}, c.flags...)
	if rival != "" {
		name, args = rival+"/"+c.what, b.rivalArgs(c, out, log)
	}
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Stderr = os.Stderr
	began := time.Now()
	if err := cmd.Run(); err != nil {
		return s, fmt.Errorf("%s: %w", program, err)
	}
	used := cmd.ProcessState
	s.wall = time.Since(began).Seconds()
	s.cpu = (used.UserTime() + used.SystemTime()).Seconds() / float64(c.n) * 1e6
	s.peakMB = used.SysUsage().(*syscall.Rusage).Maxrss >> 10
	return s, b.verify(ctx, c, out)
}

func (b *bench) rivalArgs(c comparison, out, log string) (args []string) {
	args = []string{"-b", b.broker, "-in", b.input(c.n), "-out", out, "-n", fmt.Sprint(c.n)}
	if c.what == "count" {
		args = append(args, "-changelog", log)
	}
	for _, f := range c.flags {
		if f == "-cached" {
			args = append(args, "-cache", "100000")
			continue
		}
		args = append(args, f)
	}
	return args
}

// digest is what is compared: the records of a topic in any order, and the last value of each key.
type digest struct {
	n    int64
	sum  uint64 // of each record's hash
	last map[string]uint64
	keys map[string]uint64 // records by key
}

var hashSeed = maphash.MakeSeed()

// read reads a topic.
func (b *bench) read(ctx context.Context, topic string) (d digest, err error) {
	d.last, d.keys = map[string]uint64{}, map[string]uint64{}
	return d, b.each(ctx, topic, d.add)
}

// each reads a topic to its end, committed records only.
func (b *bench) each(ctx context.Context, topic string, f func(*kgo.Record)) error {
	ends, err := b.adm.ListCommittedOffsets(ctx, topic)
	if err != nil {
		return err
	}
	from, left := map[int32]kgo.Offset{}, map[int32]int64{}
	ends.Each(func(o kadm.ListedOffset) {
		from[o.Partition] = kgo.NewOffset().AtStart()
		if o.Offset > 0 {
			left[o.Partition] = o.Offset
		}
	})
	cl, err := kgo.NewClient(kgo.SeedBrokers(b.broker), kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: from}),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.KeepControlRecords())
	if err != nil {
		return err
	}
	defer cl.Close()
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	for len(left) > 0 {
		fetches := cl.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			return err
		}
		fetches.EachRecord(func(r *kgo.Record) {
			if r.Offset+1 >= left[r.Partition] {
				delete(left, r.Partition)
			}
			if !r.Attrs.IsControl() {
				f(r)
			}
		})
	}
	return nil
}

// hash is of a record's key, value and time.
func hash(r *kgo.Record) uint64 {
	var h maphash.Hash
	h.SetSeed(hashSeed)
	h.Write(r.Key)
	h.WriteByte(0)
	h.Write(r.Value)
	h.Write(binary.BigEndian.AppendUint64(nil, uint64(r.Timestamp.UnixMilli())))
	return h.Sum64()
}

func (d *digest) add(r *kgo.Record) {
	d.n++
	d.sum += hash(r)
	d.keys[string(r.Key)]++
	if len(r.Value) >= 8 {
		d.last[string(r.Key)] = binary.BigEndian.Uint64(r.Value)
	}
}

// verify compares an output with what must come of the input.
func (b *bench) verify(ctx context.Context, c comparison, out string) error {
	want := b.want[b.input(c.n)]
	got, err := b.read(ctx, out)
	if err != nil {
		return err
	}
	return check(c.what, want, got)
}

func check(what string, in, out digest) error {
	if what == "pass" {
		if out.n != in.n || out.sum != in.sum {
			return fmt.Errorf("the output is not the input: %d records of %d", out.n, in.n)
		}
		return nil
	}
	for key, n := range in.keys {
		if out.last[key] != n {
			return fmt.Errorf("key %x: last count %d, want %d", key, out.last[key], n)
		}
	}
	if len(out.last) != len(in.keys) {
		return fmt.Errorf("%d keys, want %d", len(out.last), len(in.keys))
	}
	return nil
}
