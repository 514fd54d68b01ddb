package main

import (
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// What both engines are given.
const (
	streamsCache  = 64 << 20
	streamsCommit = time.Second
	streamsTarget = 0.5 // of Kafka Streams' CPU, at most
)

// engine starts a workload as a process of its own, in a folder of its own.
type engine struct {
	name  string
	start func(w workload, app, prefix, out, dir string) *exec.Cmd
}

// streams compares weir with Kafka Streams: CPU per record, once half of the input is committed, so that start and compilation are left out.
func streams(args []string) error {
	f := flag.NewFlagSet("streams", flag.ContinueOnError)
	broker := f.String("broker", os.Getenv("WEIR_KAFKA"), "host:port")
	rounds := f.Int("rounds", 2, "rounds")
	only := f.String("only", "", "only workloads whose name contains this")
	jars := f.String("jars", os.Getenv("WEIR_KAFKA_JARS"), "the folder of Kafka's jars")
	keep := f.String("profile", "", "a folder for weir's CPU profiles")
	if err := f.Parse(args); err != nil {
		return err
	}
	if *broker == "" || *jars == "" {
		return errors.New("no broker, or no jars: set WEIR_KAFKA and WEIR_KAFKA_JARS")
	}
	b, err := newBench(*broker)
	if err != nil {
		return err
	}
	defer b.cl.Close()
	rival := engine{"Kafka Streams", func(w workload, app, prefix, out, dir string) *exec.Cmd {
		return exec.Command("java", "-Xmx1g", "-XX:+UseG1GC", "-Dweir.log=/dev/null", "-cp", *jars+"/*", "streams/Rival.java", b.broker, w.name, app, prefix, out, dir,
			strconv.Itoa(streamsCache), strconv.FormatInt(streamsCommit.Milliseconds(), 10))
	}}
	ours := engine{"weir", func(w workload, app, prefix, out, dir string) *exec.Cmd {
		args := []string{"workload", "-broker", b.broker, "-workload", w.name, "-in", prefix, "-out", out, "-app", app, "-dir", dir, "-commit", streamsCommit.String()}
		if *keep != "" {
			args = append(args, "-profile", filepath.Join(*keep, w.name+".prof"))
		}
		return exec.Command(b.self, args...)
	}}
	var above []string
	for _, w := range workloads {
		if !strings.Contains(w.name, *only) {
			continue
		}
		ratio, err := b.duel(context.Background(), w, rival, ours, *rounds)
		if err == nil && *keep != "" {
			err = summary(filepath.Join(*keep, w.name+".prof"))
		}
		if err != nil {
			return fmt.Errorf("%s: %w", w.name, err)
		}
		if ratio > streamsTarget {
			above = append(above, w.name)
		}
	}
	if len(above) > 0 {
		return fmt.Errorf("more than %.2f of Kafka Streams' CPU: %s", streamsTarget, strings.Join(above, ", "))
	}
	return nil
}

// summary prints where the CPU of a profile goes: weir's own rooms, and what they call.
func summary(file string) error {
	out, err := exec.Command("go", "tool", "pprof", "-top", "-cum", "-nodecount=400", file).Output()
	if err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	shown := 0
	for line := range strings.Lines(string(out)) {
		if line = strings.TrimSpace(line); shown < 16 && where.MatchString(line) {
			shown++
			fmt.Println("   ", line)
		}
	}
	return nil
}

// where are the lines of a profile that say what CPU is spent for.
var where = regexp.MustCompile(`task\.\(\*Task\)\.(Step|take|PrepareCommit)|store\.\(\*Set\)\.(FlushCaches|Commit|Trim)|kafka\.(\(\*Producer\)\.Send|\(\*Group\)\.Poll|Commit)|pebble/v2\.\(\*DB\)\.(Get|Apply)|kgo\.\(\*(source|sink|broker)\)\.[a-zA-Z]+$|runtime\.(gcBgMarkWorker|mallocgc)$`)

// duel runs two engines in turns over the same inputs. Nothing is printed before their outputs were found to be equal.
func (b *bench) duel(ctx context.Context, w workload, rival, ours engine, rounds int) (ratio float64, err error) {
	prefix := fmt.Sprintf("bench-%s-%s-", b.id, w.name)
	if err := b.fill(ctx, w, prefix); err != nil {
		return 0, err
	}
	defer b.sweep(ctx, prefix)
	var ratios, theirs, own []float64
	var most int64
	for range rounds {
		first, want, err := b.drain(ctx, w, rival, prefix)
		if err != nil {
			return 0, fmt.Errorf("%s: %w", rival.name, err)
		}
		second, got, err := b.drain(ctx, w, ours, prefix)
		if err != nil {
			return 0, fmt.Errorf("%s: %w", ours.name, err)
		}
		if err := equal(w, want, got); err != nil {
			return 0, err
		}
		ratios, theirs, own = append(ratios, second.cpu/first.cpu), append(theirs, first.cpu), append(own, second.cpu)
		most = max(most, second.peakMB)
	}
	slices.Sort(ratios)
	verdict := "ok"
	if median(ratios) > streamsTarget {
		verdict = "ABOVE"
	}
	fmt.Printf("%-14s ratio %.2f (%.2f–%.2f, %d rounds) target %.2f %s; steady CPU s/M: Kafka Streams %.2f, weir %.2f; weir's peak %d MB\n",
		w.name, median(ratios), ratios[0], ratios[len(ratios)-1], rounds, streamsTarget, verdict, median(theirs), median(own), most)
	return median(ratios), nil
}

// fill makes and fills the inputs.
func (b *bench) fill(ctx context.Context, w workload, prefix string) error {
	for i, in := range w.inputs {
		if err := b.topic(ctx, prefix+in.topic); err != nil {
			return err
		}
		if err := b.write(ctx, prefix+in.topic, in, rand.New(rand.NewPCG(seed, uint64(i)))); err != nil {
			return err
		}
	}
	return nil
}

func (b *bench) write(ctx context.Context, topic string, in input, r *rand.Rand) error {
	cl, err := kgo.NewClient(kgo.SeedBrokers(b.broker), kgo.DefaultProduceTopic(topic), kgo.ProducerBatchCompression(kgo.NoCompression()), kgo.ProducerLinger(5*time.Millisecond))
	if err != nil {
		return err
	}
	defer cl.Close()
	var failed error
	for i := range in.n {
		key, first, size, at := in.make(r, i)
		value := make([]byte, size)
		binary.BigEndian.PutUint64(value, uint64(first))
		cl.Produce(ctx, &kgo.Record{Key: []byte(key), Value: value, Timestamp: at}, func(_ *kgo.Record, err error) { failed = cmp.Or(failed, err) })
	}
	if err := cl.Flush(ctx); err != nil {
		return err
	}
	return failed
}

// sweep deletes every topic of a workload.
func (b *bench) sweep(ctx context.Context, prefix string) {
	all, err := b.adm.ListTopics(ctx)
	if err == nil {
		mine := slices.DeleteFunc(all.Names(), func(t string) bool { return !strings.HasPrefix(t, prefix) })
		_, err = b.adm.DeleteTopics(ctx, mine...)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
	}
}

// drain runs an engine until it has committed all, and reads what it has written.
func (b *bench) drain(ctx context.Context, w workload, e engine, prefix string) (s sample, out map[string]row, err error) {
	b.serial++
	app := fmt.Sprintf("%sapp-%d", prefix, b.serial)
	topic := fmt.Sprintf("%sout-%d", prefix, b.serial)
	if err := b.topic(ctx, topic); err != nil {
		return s, nil, err
	}
	dir, err := os.MkdirTemp("", "bench-streams")
	if err != nil {
		return s, nil, err
	}
	defer os.RemoveAll(dir)
	cmd := e.start(w, app, prefix, topic, dir)
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		return s, nil, err
	}
	s, err = b.steady(ctx, w, app, prefix, cmd.Process.Pid)
	_ = cmd.Process.Signal(os.Interrupt)
	if e := cmd.Wait(); err == nil && e != nil && cmd.ProcessState.ExitCode() > 0 && cmd.ProcessState.ExitCode() != 130 {
		err = e
	}
	if err != nil {
		return s, nil, err
	}
	out, err = b.rows(ctx, w, topic)
	return s, out, err
}

// steady watches a group's commits, and returns the CPU seconds per million records from half of the input on.
func (b *bench) steady(ctx context.Context, w workload, app, prefix string, pid int) (s sample, err error) {
	var total int64
	for _, in := range w.inputs {
		total += in.n
	}
	var from, half float64
	var at int64
	began := time.Now()
	for {
		if time.Since(began) > 10*time.Minute {
			return s, errors.New("it does not come to an end")
		}
		time.Sleep(20 * time.Millisecond)
		done, drained, err := b.progress(ctx, w, app, prefix)
		if err != nil {
			return s, err
		}
		cpu, peak, err := used(pid)
		if err != nil {
			return s, fmt.Errorf("it ended: %w", err)
		}
		if half == 0 && 2*done >= total {
			from, at, half = cpu, done, 1
		}
		if done == total && drained {
			s.cpu, s.wall, s.peakMB = (cpu-from)/float64(total-at)*1e6, time.Since(began).Seconds(), peak
			return s, nil
		}
	}
}

// progress is how many records of the inputs are committed, and whether every topic that the group reads is.
func (b *bench) progress(ctx context.Context, w workload, app, prefix string) (done int64, drained bool, err error) {
	committed, err := b.adm.FetchOffsets(ctx, app)
	if kerr.IsRetriable(err) || errors.Is(err, kerr.GroupIDNotFound) {
		return 0, false, nil
	}
	if err != nil {
		return 0, false, err
	}
	for _, in := range w.inputs {
		for p := range int32(parts) {
			if o, ok := committed.Lookup(prefix+in.topic, p); ok {
				done += o.At
			}
		}
	}
	all, err := b.adm.ListTopics(ctx)
	if err != nil {
		return 0, false, err
	}
	read := slices.DeleteFunc(all.Names(), func(t string) bool { return !strings.HasPrefix(t, app+"-") || strings.HasSuffix(t, "-changelog") })
	for _, in := range w.inputs {
		read = append(read, prefix+in.topic)
	}
	ends, err := b.adm.ListEndOffsets(ctx, read...)
	if err != nil {
		return 0, false, err
	}
	drained = true
	ends.Each(func(e kadm.ListedOffset) {
		o, ok := committed.Lookup(e.Topic, e.Partition)
		drained = drained && (e.Offset == 0 || ok && o.At == e.Offset)
	})
	return done, drained, nil
}

// ticks is what /proc counts in.
const ticks = 100

// used is the CPU seconds of a process so far, and its peak memory.
func used(pid int) (cpu float64, peakMB int64, err error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, 0, err
	}
	fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
	for _, f := range fields[11:13] { // utime, stime
		n, err := strconv.ParseFloat(f, 64)
		if err != nil {
			return 0, 0, err
		}
		cpu += n / ticks
	}
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, 0, err
	}
	if _, after, ok := strings.Cut(string(status), "VmHWM:"); ok {
		kb, err := strconv.ParseInt(strings.Fields(after)[0], 10, 64)
		return cpu, kb >> 10, err
	}
	return 0, 0, errors.New("the process has ended")
}

// row is what is compared of a key: its last record unless that is a tombstone, or all of them in any order.
type row struct {
	n    int64
	hash uint64
}

// rows reads an output.
func (b *bench) rows(ctx context.Context, w workload, topic string) (map[string]row, error) {
	all := map[string]row{}
	err := b.each(ctx, topic, func(r *kgo.Record) {
		if w.untimed {
			r.Timestamp = time.Time{}
		}
		switch now := all[string(r.Key)]; {
		case !w.final:
			all[string(r.Key)] = row{now.n + 1, now.hash + hash(r)}
		case r.Value != nil:
			all[string(r.Key)] = row{1, hash(r)}
		default:
			delete(all, string(r.Key)) // a session that was merged: whether it was seen before depends on when caches are flushed
		}
	})
	return all, err
}

// equal compares two outputs.
func equal(w workload, want, got map[string]row) error {
	if len(want) == 0 {
		return errors.New("Kafka Streams has written nothing")
	}
	for k, r := range want {
		if got[k] != r {
			return fmt.Errorf("key %q: %d records of Kafka Streams, %d of weir, or others", k, r.n, got[k].n)
		}
	}
	if len(got) != len(want) {
		return fmt.Errorf("%d keys of Kafka Streams, %d of weir", len(want), len(got))
	}
	return nil
}
