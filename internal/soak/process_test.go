//go:build kafka

package soak

import (
	"bufio"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/weirstream/weir/internal/kafkatest"
)

// process is one run of an app. Its log is lines of JSON in a file of its own.
type process struct {
	launch
	t    *testing.T
	log  string
	cmd  *exec.Cmd
	gone chan struct{} // closed at its end
	err  error         // once gone: how it ended
}

// start runs an app in a process of its own. It dies with the test.
func start(t *testing.T, l launch) *process {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(l)
	if err != nil {
		t.Fatal(err)
	}
	p := &process{launch: l, t: t, log: filepath.Join(t.TempDir(), kafkatest.Name("app")+".log"), gone: make(chan struct{})}
	out, err := os.Create(p.log)
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	p.cmd = exec.Command(self)
	p.cmd.Env = append(os.Environ(), envLaunch+"="+string(text))
	p.cmd.Stdout, p.cmd.Stderr = out, out
	if _, err := p.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		p.err = p.cmd.Wait()
		close(p.gone)
	}()
	t.Cleanup(p.cleanup)
	return p
}

// cleanup leaves no process behind, and shows the log's end where a test has failed.
func (p *process) cleanup() {
	_ = p.cmd.Process.Kill()
	<-p.gone
	if p.t.Failed() {
		p.t.Logf("%s of %s ends with\n%s", filepath.Base(p.log), p.App, tail(p.t, p.log, 15))
	}
}

// again starts the app anew on the same state directory.
func (p *process) again() *process {
	p.t.Helper()
	return start(p.t, p.launch)
}

func (p *process) signal(s os.Signal) {
	p.t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		p.t.Fatal(err)
	}
}

// kill ends the process by SIGKILL.
func (p *process) kill() {
	p.t.Helper()
	p.mustLive()
	p.signal(os.Kill)
	<-p.gone
	var exit *exec.ExitError
	if !errors.As(p.err, &exit) || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
		p.t.Fatalf("%s ended before its kill: %v", p.App, p.err)
	}
}

// stop ends the process by SIGTERM, and wants it to end well.
func (p *process) stop() {
	p.t.Helper()
	p.mustLive()
	p.signal(syscall.SIGTERM)
	select {
	case <-p.gone:
	case <-time.After(time.Minute):
		p.t.Fatalf("%s did not stop within a minute", p.App)
	}
	if p.err != nil {
		p.t.Fatalf("%s stopped with %v", p.App, p.err)
	}
}

func (p *process) mustLive() {
	p.t.Helper()
	select {
	case <-p.gone:
		p.t.Fatalf("%s ended by itself: %v", p.App, p.err)
	default:
	}
}

// entry is a line of an app's log.
type entry struct {
	Msg, From, To, Task, Store string
	Records                    int64
}

// entries are the log so far.
func (p *process) entries() (all []entry) {
	p.t.Helper()
	f, err := os.Open(p.log)
	if err != nil {
		p.t.Fatal(err)
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		var e entry
		if json.Unmarshal(lines.Bytes(), &e) == nil {
			all = append(all, e)
		}
	}
	return all
}

// running waits until the app has tasks and all of them run.
func (p *process) running() {
	p.t.Helper()
	waitFor(p.t, p.App+" runs", time.Minute, func() bool {
		p.mustLive()
		state, tasks := "", 0
		for _, e := range p.entries() {
			switch e.Msg {
			case "state":
				state = e.To
			case "task running":
				tasks++
			}
		}
		return state == "running" && tasks > 0
	})
}

// restored are the changelog records that the process read, by task.
func (p *process) restored() map[string]int64 {
	p.t.Helper()
	by := map[string]int64{}
	for _, e := range p.entries() {
		if e.Msg == "store restored" {
			by[e.Task] += e.Records
		}
	}
	return by
}

// tasks are those that ran here.
func (p *process) tasks() map[string]bool {
	p.t.Helper()
	ran := map[string]bool{}
	for _, e := range p.entries() {
		if e.Msg == "task running" {
			ran[e.Task] = true
		}
	}
	return ran
}

// id is the process id that the state directory keeps: transactional ids are made of it.
func (p *process) id() string {
	p.t.Helper()
	text, err := os.ReadFile(filepath.Join(p.State, p.App, "process-id"))
	if err != nil {
		p.t.Fatal(err)
	}
	return strings.TrimSpace(string(text))
}

// tail is a file's last lines.
func tail(t *testing.T, file string, n int) string {
	text, err := os.ReadFile(file)
	if err != nil {
		t.Error(err)
	}
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}

// waitFor asks until the answer is yes.
func waitFor(t *testing.T, what string, atMost time.Duration, yes func() bool) {
	t.Helper()
	for deadline := time.Now().Add(atMost); !yes(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within %v: %s", atMost, what)
		}
	}
}
