package chaos

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"go.uber.org/zap"

	"github.com/weirstream/weir/internal/kafka"
	"github.com/weirstream/weir/internal/runtime"
	"github.com/weirstream/weir/state"
	"github.com/weirstream/weir/state/pebble"
)

// process is a copy of the program, with its identity and its disk. It lives, dies and lives again.
type process struct {
	w    *world
	name string
	born int

	mu   sync.Mutex
	dir  string     // of the current life: a process id, and a directory per task
	fs   *vfs.MemFS // what the current life writes to
	life *life      // nil while dead
}

// life is a process from its start to its stop or its death. After its death it goes on, without a network and on a disk that nobody will
// look at, until it has noticed.
type life struct {
	wire *wire
	run  *runtime.Runtime
	stop context.CancelFunc
	done chan struct{}
	err  error // valid when done is closed
	fail failpoint
}

// start begins a life. The former may still be dying, so the directory is another one; what matters of it moves along.
func (p *process) start() {
	w := p.w
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.life != nil {
		return
	}
	before := p.dir
	p.born++
	p.dir = filepath.Join(w.t.TempDir(), fmt.Sprintf("%s-%d", p.name, p.born))
	w.ok(inherit(before, p.dir))
	name := fmt.Sprintf("%s/%d", p.name, p.born)
	l := &life{done: make(chan struct{})}
	l.wire = &wire{dial: w.network.DialContext, pause: w.latency, conns: map[*conn]bool{}}
	l.run = runtime.New(runtime.Config{
		App: app, Graph: w.graph, Settings: w.settings(name, l), StateDir: p.dir, Provider: w.disk(p.fs),
		Workers: w.plan.workers, CommitInterval: w.plan.commit, CacheBytes: 1 << 20, MaxIdle: 0, EmitEvery: time.Second, MaxProcessingTime: time.Minute, Replication: 1,
		Log: w.log.Named(name),
	})
	var ctx context.Context
	ctx, l.stop = context.WithCancel(context.Background())
	if w.onStart != nil {
		w.onStart(l)
	}
	p.life = l
	w.born(l)
	go func() {
		defer close(l.done)
		l.err = l.run.Run(ctx)
	}()
}

func (w *world) settings(name string, l *life) kafka.Settings {
	opts := []kgo.Opt{
		kgo.SeedBrokers(w.brokers...), kgo.ClientID(name), kgo.Dialer(l.wire.DialContext), kgo.RebalanceTimeout(rebalance),
		kgo.MetadataMinAge(50 * time.Millisecond), kgo.RetryBackoffFn(func(int) time.Duration { return 50 * time.Millisecond }),
	}
	if verbose {
		opts = append(opts, kgo.WithLogger(kgo.BasicLogger(logs{w.t}, kgo.LogLevelDebug, func() string { return time.Now().Format("04:05.000 ") + name + " " })))
	}
	return kafka.Settings{App: app, ExactlyOnce: w.plan.exactlyOnce, SessionTimeout: session, Failpoint: l.fail.hit, Options: opts}
}

// inherit copies what a directory says of the process to the next.
func inherit(from, to string) error {
	if err := os.MkdirAll(to, 0o755); err != nil || from == "" {
		return err
	}
	all, err := os.ReadDir(from)
	if err != nil {
		return err
	}
	for _, e := range all {
		switch {
		case e.IsDir():
			err = os.Mkdir(filepath.Join(to, e.Name()), 0o755)
		case e.Name() == "process-id":
			var id []byte
			if id, err = os.ReadFile(filepath.Join(from, e.Name())); err == nil {
				err = os.WriteFile(filepath.Join(to, e.Name()), id, 0o644)
			}
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// disk opens engines in the process's file system, where directories outlive lives.
type disk struct {
	on        *pebble.Provider
	forgetful bool
}

func (w *world) disk(fs vfs.FS) disk {
	return disk{pebble.New(pebble.FS(fs), pebble.MemTable(0), pebble.Memory(1)), w.forgetful}
}

func (d disk) Open(_, task string) (state.Engine, error) {
	e, err := d.on.Open("/"+task, task)
	if err == nil && d.forgetful {
		e = forgetful{e, new(atomic.Int64)}
	}
	return e, err
}

// kill is SIGKILL, or, when something of what was not synced is lost, the end of the machine.
func (p *process) kill(unsynced int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	l := p.life
	if l == nil {
		return
	}
	p.life = nil
	l.wire.kill()
	p.fs = p.fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: unsynced, RNG: rand.New(rand.NewPCG(uint64(p.born), 7))})
	l.stop()
	name := fmt.Sprintf("%s/%d", p.name, p.born)
	for i := range 4 {
		time.AfterFunc(time.Duration(i+1)*session, func() { p.w.bury(name) })
	}
	p.w.count("kills")
	p.w.relic(fmt.Sprintf("%s/%d, killed", p.name, p.born), p.fs)
	p.w.log.Info("killed", zap.String("process", p.name), zap.Int("unsynced percent", unsynced))
}

// quit is a clean end.
func (p *process) quit() error {
	l := p.take()
	if l == nil {
		return nil
	}
	p.w.log.Info("stopping", zap.String("process", p.name))
	l.stop()
	<-l.done
	p.w.count("stops")
	p.w.relic(fmt.Sprintf("%s/%d, stopped", p.name, p.born), p.fs)
	p.w.log.Info("stopped", zap.String("process", p.name), zap.Error(l.err))
	return l.err
}

func (p *process) take() *life {
	p.mu.Lock()
	defer p.mu.Unlock()
	l := p.life
	p.life = nil
	return l
}

// now is the current life, nil while dead.
func (p *process) now() *life {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.life
}

// failpoint does something when a commit comes to a step.
type failpoint struct {
	mu     sync.Mutex
	name   string
	spring func()
}

func (f *failpoint) arm(name string, spring func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.name, f.spring = name, spring
}

func (f *failpoint) hit(name string) {
	f.mu.Lock()
	spring := f.spring
	if f.name != name {
		spring = nil
	} else {
		f.spring, f.name = nil, ""
	}
	f.mu.Unlock()
	if spring != nil {
		spring()
	}
}

// bury takes what a dead process left out of the group. The session of a member that was joining when its connection ended never times out
// with kfake; with Kafka it does.
func (w *world) bury(client string) {
	if w.over.Load() {
		return
	}
	g := w.cluster.GroupInfo(app)
	if g == nil {
		return
	}
	req := kmsg.NewPtrLeaveGroupRequest()
	req.Group = app
	for _, m := range g.Members {
		if m.ClientID == client {
			gone := kmsg.NewLeaveGroupRequestMember()
			gone.MemberID = m.MemberID
			req.Members = append(req.Members, gone)
		}
	}
	if len(req.Members) == 0 {
		return
	}
	ctx, cancel := w.ctx()
	defer cancel()
	_, err := req.RequestWith(ctx, w.client)
	w.log.Info("buried", zap.String("process", client), zap.Int("members", len(req.Members)), zap.Error(err))
}
