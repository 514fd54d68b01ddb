//go:build kafka

package scenario_test

import (
	"errors"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/sasl/plain"

	"github.com/weirstream/weir"
	"github.com/weirstream/weir/internal/kafkatest"
	"github.com/weirstream/weir/serde"
)

// permission is a row of the table in SECURITY.md.
type permission struct {
	resource   string
	operations []kadm.ACLOperation
}

var permitted = regexp.MustCompile(`(?m)^\| (topics|group|transactional)([^|]*)\| ([A-Z][A-Za-z, ]*?) \|`)

func leastPrivilege(t *testing.T) (all []permission) {
	t.Helper()
	text, err := os.ReadFile("../../SECURITY.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range permitted.FindAllStringSubmatch(string(text), -1) {
		p := permission{resource: strings.TrimSpace(m[1] + m[2])}
		for name := range strings.SplitSeq(m[3], ", ") {
			op, err := kmsg.ParseACLOperation(name)
			if err != nil {
				t.Fatalf("%s: %v", p.resource, err)
			}
			p.operations = append(p.operations, op)
		}
		all = append(all, p)
	}
	if len(all) != 5 {
		t.Fatalf("SECURITY.md lists %d kinds of resources, want 5: %v", len(all), all)
	}
	return all
}

// allow gives the app what a row says, but for an operation that is left out.
func (s *scenario) allow(p permission, app string, without kadm.ACLOperation) {
	s.t.Helper()
	acl := kadm.NewACLs().Allow("User:" + kafkatest.User).ResourcePatternType(kadm.ACLPatternLiteral)
	switch {
	case strings.Contains(p.resource, "reads"):
		acl.Topics(s.prefix + "in")
	case strings.Contains(p.resource, "writes"):
		acl.Topics(s.prefix + "out")
	case strings.HasPrefix(p.resource, "topics with the prefix"):
		acl.Topics(app + "-").ResourcePatternType(kadm.ACLPatternPrefixed)
	case strings.HasPrefix(p.resource, "group"):
		acl.Groups(app)
	default:
		acl.TransactionalIDs(app + "-").ResourcePatternType(kadm.ACLPatternPrefixed)
	}
	var ops []kadm.ACLOperation
	for _, op := range p.operations {
		if op != without {
			ops = append(ops, op)
		}
	}
	made, err := s.admin.CreateACLs(s.ctx, acl.Operations(ops...))
	if err != nil {
		s.t.Fatal(err)
	}
	for _, m := range made {
		if m.Err != nil {
			s.t.Fatal(m.Err)
		}
	}
}

// guarded is an app on the listener that ACLs bind: it counts, with a repartition topic and a changelog.
func (s *scenario) guarded(app string) *running {
	s.t.Helper()
	b := weir.NewBuilder()
	in := weir.NewTopic(s.prefix+"in", serde.String(), serde.String())
	groups := weir.GroupBy(weir.From(b, in), func(k, _ string) string { return k }, weir.Named("by-key"))
	weir.Count(groups, "counts").ToStream().To(weir.NewTopic(s.prefix+"out", serde.String(), serde.Int64()))
	topo, err := b.Build()
	if err != nil {
		s.t.Fatal(err)
	}
	return s.start(strings.TrimPrefix(app, s.prefix), topo, weir.WithKafka(append(quick(), kgo.SeedBrokers(kafkatest.Guarded(s.t)),
		kgo.SASL(plain.Auth{User: kafkatest.User, Pass: kafkatest.User}.AsMechanism()))...))
}

// TestLeastPrivilege runs an app with what SECURITY.md says that it needs, and with nothing more.
func TestLeastPrivilege(t *testing.T) {
	for _, eos := range []bool{false, true} {
		name := map[bool]string{false: "at least once", true: "exactly once"}[eos]
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := onKafka(t, eos)
			s.create("in", 2)
			app := s.prefix + "counter"
			for _, p := range leastPrivilege(t) {
				s.allow(p, app, kmsg.ACLOperationUnknown)
			}
			r := s.guarded(app)
			s.feed("in", 100)
			s.counted()
			s.end(r)
		})
	}
}

// TestMissingPrivilege sees that the listener binds: without a right the app says which one it was denied.
func TestMissingPrivilege(t *testing.T) {
	s := onKafka(t, false)
	s.create("in", 2)
	app := s.prefix + "counter"
	for _, p := range leastPrivilege(t) {
		s.allow(p, app, kmsg.ACLOperationCreate)
	}
	err := s.fails(s.guarded(app))
	if err == nil || !strings.Contains(err.Error(), app+"-by-key-repartition") || !errors.Is(err, kerr.TopicAuthorizationFailed) {
		t.Errorf("it ended with %v", err)
	}
}
