//go:build kafka

package soak

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/weirstream/weir/internal/kafkatest"
)

// What Kafka's EosTest calls things, and what its verifier says when all is well.
const (
	eosApp       = "EosTest"
	eosDelivered = "ALL-RECORDS-DELIVERED"
)

var (
	eosOfData        = []string{"echo", "min", "sum", "repartition"}
	eosOfRepartition = []string{"max", "cnt"}
)

// eosPartitions must be that of all its topics.
const eosPartitions = 5

// eosCommit is long, so that nearly every kill finds a transaction open.
const eosCommit = 2 * time.Second

// TestKafkasOwnVerifier lets Kafka's system test for exactly once write the input of two of our processes and judge
// their output, record by record, while they are killed and started again.
func TestKafkasOwnVerifier(t *testing.T) {
	t.Parallel() // most of it is waiting
	b := dial(t, kafkatest.Broker(t))
	eosTopics(b)
	props := eosProps(t, b.addr)
	generator := startJava(t, props, "run")
	a := start(t, eosLaunch(t, b.addr))
	other := start(t, eosLaunch(t, b.addr))
	a.running()
	other.running()

	open, kills := 0, setting(t, "WEIR_SOAK_EOS_KILLS", 4)
	for i := range kills {
		a, other = other, a
		if b.killInTransaction(a) {
			open++
		}
		if i%4 == 1 { // the other takes its tasks over first, with no state of them
			awaitTakeOver(t, other)
		}
		a = a.again()
		a.running()
		other.running()
	}
	t.Logf("%d of %d kills found a transaction open", open, kills)
	if open == 0 {
		t.Error("no kill found a transaction open")
	}

	records := int64(setting(t, "WEIR_SOAK_EOS_RECORDS", 4000))
	waitFor(t, "enough input", 2*time.Minute, func() bool { return b.size("data") >= records })
	generator.stop()
	eosDone(b)
	a.stop()
	other.stop()
	for _, verify := range []string{"verify", "verify-complex"} {
		if out := runJava(t, props, verify); !strings.Contains(out, eosDelivered) {
			t.Errorf("%s does not say %s:\n%s", verify, eosDelivered, out)
		}
	}
	sabotage(b, props)
}

// sabotage breaks a run that was right, by one record, and wants the verifier to see it.
func sabotage(b *broker, props string) {
	b.t.Helper()
	extra := &kgo.Record{Topic: "echo", Partition: 3, Key: []byte("1"), Value: binary.BigEndian.AppendUint32(nil, 7)}
	client := newClient(b.t, b.addr, kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err := client.ProduceSync(b.t.Context(), extra).FirstErr(); err != nil {
		b.t.Fatal(err)
	}
	out := runJava(b.t, props, "verify")
	// It compares until it finds no record of data beside the one of echo.
	if strings.Contains(out, eosDelivered) || !strings.Contains(out, "echo-3 with") || !strings.Contains(out, "Exception") {
		b.t.Errorf("with a record too many in %s-%d the verifier says\n%s", extra.Topic, extra.Partition, out)
	}
}

func eosLaunch(t *testing.T, addr string) launch {
	return launch{Program: "eos", App: eosApp, Kafka: addr, State: t.TempDir(), ExactlyOnce: true, Commit: eosCommit}
}

// awaitTakeOver waits until the only process left has every task: one of data and one of repartition, a partition.
func awaitTakeOver(t *testing.T, p *process) {
	t.Helper()
	waitFor(t, "the other takes over", 30*time.Second, func() bool {
		p.mustLive()
		return len(p.tasks()) == 2*eosPartitions
	})
	p.running()
}

// eosTopics makes the topics.
func eosTopics(b *broker) {
	b.t.Helper()
	b.create(eosPartitions, append(append([]string{"data"}, eosOfData...), eosOfRepartition...)...)
	b.internal(eosApp)
}

// eosDone waits until each input has made all its outputs.
func eosDone(b *broker) {
	b.t.Helper()
	want := b.count("data")
	b.t.Logf("%d records of input", want)
	for _, topic := range append(append([]string{}, eosOfData...), eosOfRepartition...) {
		waitFor(b.t, topic+" is complete", 30*time.Second, func() bool { return b.count(topic) >= want })
	}
}

// ---- Java ----

// java is a run of StreamsEosTest.
type java struct {
	t    *testing.T
	cmd  *exec.Cmd
	out  bytes.Buffer
	gone chan error
}

func eosProps(t *testing.T, addr string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "eos.properties")
	if err := os.WriteFile(file, []byte("bootstrap.servers="+addr+"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	return file
}

func javaCommand(ctx context.Context, props, command string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, filepath.Join("..", "..", "scripts", "kafka.sh"), "java-eos", props, command)
	cmd.Env = javaEnv()
	return cmd
}

// javaEnv is for a program that lives for seconds: what the second compiler and a parallel collector cost is not earned back.
func javaEnv() []string {
	return append(os.Environ(), "JAVA_TOOL_OPTIONS=-XX:TieredStopAtLevel=1 -XX:+UseSerialGC -Xmx256m")
}

func startJava(t *testing.T, props, command string) *java {
	t.Helper()
	j := &java{t: t, cmd: javaCommand(context.Background(), props, command), gone: make(chan error, 1)}
	j.cmd.Stdout, j.cmd.Stderr = &j.out, &j.out
	if err := j.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { j.gone <- j.cmd.Wait() }()
	t.Cleanup(func() { _ = j.cmd.Process.Kill() })
	return j
}

// stop ends the generator as Kafka's own tests do.
func (j *java) stop() {
	j.t.Helper()
	if err := j.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		j.t.Fatal(err)
	}
	select {
	case <-j.gone:
	case <-time.After(30 * time.Second):
		j.t.Fatal("the generator did not stop within 30 s")
	}
	j.t.Logf("the generator says %s", strings.TrimSpace(j.out.String()))
}

// runJava returns what a command prints; its exit code says nothing.
func runJava(t *testing.T, props, command string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	out, err := javaCommand(ctx, props, command).CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatalf("%s: %v", command, err)
	}
	return string(out)
}
