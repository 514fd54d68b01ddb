package kafkatest

import (
	"fmt"
	"strings"
	"testing"
)

// recorder is a testing.TB that remembers that it was told to fail.
type recorder struct {
	testing.TB
	fatal string
}

func (r *recorder) Helper() {}

func (r *recorder) Fatalf(format string, args ...any) { r.fatal = fmt.Sprintf(format, args...) }

func TestWithoutBrokerTestsFail(t *testing.T) {
	for env, ask := range map[string]func(testing.TB) string{envBroker: Broker, envBrokerTV1: BrokerTV1} {
		t.Setenv(env, "")
		var r recorder
		ask(&r)
		if !strings.Contains(r.fatal, env+" is not set") {
			t.Errorf("without %s: %q, want a failure that names it", env, r.fatal)
		}
	}
}

func TestNamesDiffer(t *testing.T) {
	seen := map[string]bool{}
	for range 1000 {
		name := Name("p")
		if seen[name] || !strings.HasPrefix(name, "p-") {
			t.Fatalf("Name gave %q after %d names", name, len(seen))
		}
		seen[name] = true
	}
}
