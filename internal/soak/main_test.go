//go:build kafka

package soak

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"os"
	"os/signal"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/weirstream/weir"
	"github.com/weirstream/weir/serde"
	"github.com/weirstream/weir/window"
)

// launch is what a process is started with.
type launch struct {
	Program     string // of programs
	App         string
	Kafka       string
	State       string
	ExactlyOnce bool
	NoCache     bool          // of the payments' sums
	Commit      time.Duration // 0: the default
	Topics      []string      // what the program reads and writes, in its own order
}

// envLaunch holds a launch as JSON in a process that is to be an app.
const envLaunch = "WEIR_SOAK_LAUNCH"

// sessionTimeout is the shortest that brokers allow by default: a kill costs this long.
const sessionTimeout = 6 * time.Second

var programs = map[string]func(*weir.Builder, launch){
	"eos":        eosProgram,
	"payments":   paymentsProgram,
	"count":      countProgram,
	"relational": relationalProgram,
}

func TestMain(m *testing.M) {
	text := os.Getenv(envLaunch)
	if text == "" {
		os.Exit(m.Run())
	}
	go dieWithParent()
	if err := runApp(text); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// dieWithParent ends the process when its standard input does: the parent holds the other end.
func dieWithParent() {
	_, _ = io.Copy(io.Discard, os.Stdin)
	os.Exit(2)
}

func runApp(text string) error {
	var l launch
	if err := json.Unmarshal([]byte(text), &l); err != nil {
		return err
	}
	b := weir.NewBuilder()
	programs[l.Program](b, l)
	topo, err := b.Build()
	if err != nil {
		return err
	}
	app, err := weir.New(l.App, topo, l.options()...)
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	return app.Run(ctx)
}

func (l launch) options() []weir.AppOption {
	log := zap.New(zapcore.NewCore(zapcore.NewJSONEncoder(zap.NewProductionEncoderConfig()), zapcore.Lock(os.Stderr), zap.InfoLevel))
	opts := []weir.AppOption{
		weir.WithKafka(kgo.SeedBrokers(l.Kafka)), weir.StateDir(l.State), weir.Workers(1), weir.SessionTimeout(sessionTimeout), weir.WithLogger(log),
	}
	if l.Commit > 0 {
		opts = append(opts, weir.CommitInterval(l.Commit))
	}
	if l.ExactlyOnce {
		opts = append(opts, weir.ExactlyOnce())
	}
	return opts
}

// eosProgram is the app that Kafka's EosTest expects, the complex one, which holds the simple one. Each record makes one of each output.
func eosProgram(b *weir.Builder, _ launch) {
	ints := func(topic string) weir.Topic[string, int32] {
		return weir.NewTopic(topic, serde.String(), serde.Int32())
	}
	longs := func(topic string) weir.Topic[string, int64] {
		return weir.NewTopic(topic, serde.String(), serde.Int64())
	}
	data := weir.From(b, ints("data"))
	data.To(ints("echo"))
	data.To(ints("repartition"))
	byKey := data.GroupByKey()
	weir.Aggregate(byKey, "min", weir.NewAggregator(func() int32 { return math.MaxInt32 }, func(_ string, v, least int32) int32 {
		return min(v, least)
	}), weir.NoCache()).ToStream().To(ints("min"))
	weir.Aggregate(byKey, "sum", weir.NewAggregator(nil, func(_ string, v int32, sum int64) int64 {
		return sum + int64(v)
	}), weir.NoCache()).ToStream().To(longs("sum"))
	again := weir.From(b, ints("repartition")).GroupByKey()
	weir.Aggregate(again, "max", weir.NewAggregator(func() int32 { return math.MinInt32 }, func(_ string, v, most int32) int32 {
		return max(v, most)
	}), weir.NoCache()).ToStream().To(ints("max"))
	weir.Count(again, "cnt", weir.NoCache()).ToStream().To(longs("cnt"))
}

// payment is what is paid to a merchant.
type payment struct {
	Merchant string `json:"m"`
	Amount   int64  `json:"a"`
	At       int64  `json:"t"` // ms
}

const (
	minute = time.Minute
	grace  = 2 * time.Hour
)

// paymentTopic and totalTopic are shared by the program and its test.
func paymentTopic(name string) weir.Topic[string, payment] {
	return weir.NewTopic(name, serde.String(), serde.JSON[payment](), weir.EventTime(func(p payment) time.Time { return time.UnixMilli(p.At) }))
}

func totalTopic(name string) weir.Topic[window.Key[string], int64] {
	return weir.NewTopic(name, window.KeySerde(serde.String(), minute), serde.Int64())
}

// The stores of the programs, and what their changelogs' names end with.
const (
	paymentStore = "merchant-totals"
	countStore   = "counts"
)

// paymentsProgram sums payments by merchant and minute, and writes each sum when its minute has closed.
func paymentsProgram(b *weir.Builder, l launch) {
	byMerchant := weir.GroupBy(weir.From(b, paymentTopic(l.Topics[0])), func(_ string, p payment) string { return p.Merchant }, weir.Named("by-merchant")).
		WindowedBy(window.Tumbling(minute).Grace(grace))
	opts := []weir.OpOption{weir.EmitOnClose()}
	if l.NoCache {
		opts = append(opts, weir.NoCache())
	}
	weir.Aggregate(byMerchant, paymentStore, weir.NewAggregator(nil, func(_ string, p payment, sum int64) int64 {
		return sum + p.Amount
	}), opts...).ToStream().To(totalTopic(l.Topics[1]))
}

// countProgram counts by key, and writes every count.
func countProgram(b *weir.Builder, l launch) {
	in := weir.NewTopic(l.Topics[0], serde.String(), serde.String())
	out := weir.NewTopic(l.Topics[1], serde.String(), serde.Int64())
	weir.Count(weir.From(b, in).GroupByKey(), countStore, weir.NoCache()).ToStream().To(out)
}
