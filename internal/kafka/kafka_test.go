//go:build kafka

package kafka

import (
	"strings"
	"testing"
	"time"

	"github.com/weirstream/weir/internal/kafkatest"
)

// realPlaces are topics and a group of one test's own, on a broker of each transaction.version.
func realPlaces(t *testing.T, run func(t *testing.T, at place)) {
	for name, broker := range map[string]func(testing.TB) string{
		"tv2": kafkatest.Broker,
		"tv1": kafkatest.BrokerTV1,
	} {
		t.Run(name, func(t *testing.T) {
			addr := broker(t)
			run(t, place{
				brokers: []string{addr},
				app:     kafkatest.Name("app"),
				in:      kafkatest.TopicAt(t, addr, "in", 2, nil),
				out:     kafkatest.TopicAt(t, addr, "out", 1, nil),
				session: 6 * time.Second, // group.min.session.timeout.ms
			})
		})
	}
}

func TestRealFeatures(t *testing.T) {
	realPlaces(t, func(t *testing.T, at place) {
		f, err := dial(t, at.settings(false)).Features(testContext(t))
		if err != nil {
			t.Fatal(err)
		}
		p := newProducer(t, at.settings(true))
		if want := f.TransactionVersion >= 2; p.life.Load().tv2 != want || strings.HasSuffix(t.Name(), "tv2") != want {
			t.Errorf("transaction.version %d, the producer thinks %v", f.TransactionVersion, p.life.Load().tv2)
		}
	})
}

func TestRealNothingAcknowledged(t *testing.T) {
	realPlaces(t, func(t *testing.T, at place) { pass(t, emptyScenario(t, at, false)) })
}

func TestRealNothingAcknowledgedSaboteur(t *testing.T) {
	realPlaces(t, func(t *testing.T, at place) { caught(t, emptyScenario(t, at, true)) })
}

func TestRealRefusedByTheBroker(t *testing.T) {
	realPlaces(t, func(t *testing.T, at place) { pass(t, refusedTopicScenario(t, at)) })
}

func TestRealRestoreReachesTheEnd(t *testing.T) {
	realPlaces(t, func(t *testing.T, at place) { pass(t, restoreScenario(t, at, false)) })
}

func TestRealRestoreSaboteur(t *testing.T) {
	realPlaces(t, func(t *testing.T, at place) { caught(t, restoreScenario(t, at, true)) })
}

func TestRealRevokedInATransaction(t *testing.T) {
	realPlaces(t, func(t *testing.T, at place) { pass(t, revokeScenario(t, at)) })
}

// A broker looks for transactions that are over time every ten seconds.
func TestRealDeadTransaction(t *testing.T) {
	realPlaces(t, func(t *testing.T, at place) { pass(t, deadScenario(t, at)) })
}

func TestRealGate(t *testing.T) {
	realPlaces(t, func(t *testing.T, at place) { pass(t, gateScenario(t, at, false, 400)) })
}

func TestRealGateSaboteur(t *testing.T) {
	realPlaces(t, func(t *testing.T, at place) { caught(t, gateScenario(t, at, true, 2000)) })
}

func TestRealCommitsUnderChurn(t *testing.T) {
	realPlaces(t, func(t *testing.T, at place) {
		guarantees(t, func(t *testing.T, eos bool) {
			own := at
			own.app += map[bool]string{true: "-eos", false: "-alos"}[eos]
			own.out = kafkatest.TopicAt(t, at.brokers[0], "out", 1, nil)
			pass(t, churnScenario(t, own, eos, 150))
		})
	})
}

func TestRealZombie(t *testing.T) {
	realPlaces(t, func(t *testing.T, at place) { pass(t, zombieScenario(t, at, true, false)) })
}

func TestRealZombieSaboteur(t *testing.T) {
	realPlaces(t, func(t *testing.T, at place) { caught(t, zombieScenario(t, at, true, true)) })
}

func TestRealStuckWorkerIsRemoved(t *testing.T) {
	realPlaces(t, func(t *testing.T, at place) { pass(t, stuckScenario(t, at, true)) })
}

func TestRealCrashAtEveryStep(t *testing.T) {
	realPlaces(t, func(t *testing.T, at place) {
		for _, name := range FailpointNames(true) {
			if strings.HasSuffix(name, stepAdd) && strings.Contains(t.Name(), "tv2") {
				continue // not a step there
			}
			t.Run(name, func(t *testing.T) {
				own := at
				own.app = kafkatest.Name("app")
				own.in = kafkatest.TopicAt(t, at.brokers[0], "in", 2, nil)
				own.out = kafkatest.TopicAt(t, at.brokers[0], "out", 1, nil)
				pass(t, crashScenario(t, own, true, name, false))
			})
		}
	})
}

func TestRealLeaveInAJoin(t *testing.T) {
	realPlaces(t, func(t *testing.T, at place) { pass(t, leaveScenario(t, at)) })
}
