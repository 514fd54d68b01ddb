// Command bench compares weir with hand-written programs that do the same work with the same bytes, client settings and commits, on a real
// broker (WEIR_KAFKA). Own module, so that what it needs never enters weir's.
//
//	bench run            all comparisons, interleaved; prints nothing before the outputs are right
//	bench streams        weir beside Kafka Streams: CPU per record, outputs compared
//	bench load           fills the input topic
//	bench limit-pass     … and each program by itself, see -h
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"sort"
	"time"
)

// job is what a program is told to do.
type job struct {
	broker, in, out, log string
	app                  string
	n                    int64
	txn                  bool
	cached               bool
	commit               time.Duration
	follow               bool // begin at the end and run until killed, for latencies
	profile              string
	workload, dir        string // of "workload": its name, and the state directory
}

var programs = map[string]func(context.Context, job) error{
	"limit-pass": limitPass, "limit-count": limitCount, "weir-pass": weirPass, "weir-count": weirCount, "load": load, "workload": weirWorkload,
}

func main() {
	if err := command(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func command(args []string) error {
	if len(args) == 0 {
		return usage()
	}
	switch args[0] {
	case "run":
		return run(args[1:])
	case "streams":
		return streams(args[1:])
	}
	program, ok := programs[args[0]]
	if !ok {
		return usage()
	}
	var j job
	f := flag.NewFlagSet(args[0], flag.ContinueOnError)
	f.StringVar(&j.broker, "broker", os.Getenv("WEIR_KAFKA"), "host:port")
	f.StringVar(&j.in, "in", "bench-in", "input topic")
	f.StringVar(&j.out, "out", "bench-out", "output topic")
	f.StringVar(&j.log, "log", "bench-log", "changelog topic of limit-count")
	f.StringVar(&j.app, "app", "bench", "group")
	f.Int64Var(&j.n, "n", 2_000_000, "records")
	f.BoolVar(&j.txn, "txn", false, "exactly once")
	f.BoolVar(&j.cached, "cached", false, "write back at commits")
	f.DurationVar(&j.commit, "commit", time.Second, "commit interval")
	f.BoolVar(&j.follow, "follow", false, "begin at the end and go on")
	f.StringVar(&j.workload, "workload", "", "name of a workload")
	f.StringVar(&j.dir, "dir", "", "state directory of a workload")
	f.StringVar(&j.profile, "profile", "", "file for a CPU profile")
	if err := f.Parse(args[1:]); err != nil {
		return err
	}
	stop, err := profiled(j.profile)
	if err != nil {
		return err
	}
	defer stop()
	return program(context.Background(), j)
}

func usage() error {
	names := []string{"run", "streams"}
	for name := range programs {
		names = append(names, name)
	}
	sort.Strings(names)
	return fmt.Errorf("usage: bench %v [flags]", names)
}
