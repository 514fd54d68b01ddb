package runtime

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"go.uber.org/zap"

	"github.com/weirstream/weir/topology"
)

// warnSettings holds internal topics against the settings that they have: those that existed keep theirs, whatever the topology needs by now. What the broker
// did not tell is not judged.
func (r *Runtime) warnSettings(internal []topology.InternalTopic, have map[string]map[string]string) {
	for _, t := range internal {
		for _, u := range unfit(t.Config, have[t.Name]) {
			r.c.Log.Warn("an internal topic is set otherwise than the topology needs it: what it forgets is missing when a store is restored, or a record is read late",
				zap.String("topic", t.Name), zap.String("setting", u.setting), zap.String("has", u.has), zap.String("needs", u.needs),
				zap.String("remedy", fmt.Sprintf("kafka-configs --alter --entity-type topics --entity-name %s --add-config '%s=[%s]'", t.Name, u.setting, u.needs)))
		}
	}
}

// unfitting is a setting of a topic that is not as it must be.
type unfitting struct{ setting, has, needs string }

// unfit are the settings by which a topic forgets what is needed: it is cleaned in another way, or sooner.
func unfit(needs, has map[string]string) (all []unfitting) {
	const cleanup = "cleanup.policy"
	if h, ok := has[cleanup]; ok && needs[cleanup] != "" && !slices.Equal(policies(h), policies(needs[cleanup])) {
		all = append(all, unfitting{cleanup, h, needs[cleanup]})
	}
	if slices.Contains(policies(has[cleanup]), "delete") {
		all = append(all, sooner("retention.ms", needs, has)...)
	}
	if slices.Contains(policies(has[cleanup]), "compact") {
		all = append(all, sooner("min.compaction.lag.ms", needs, has)...)
	}
	return all
}

// sooner is a time in ms, −1 for ever, that is shorter than it must be.
func sooner(setting string, needs, has map[string]string) []unfitting {
	need, err := strconv.ParseInt(needs[setting], 10, 64)
	if err != nil {
		return nil
	}
	had, err := strconv.ParseInt(has[setting], 10, 64)
	if err != nil || had < 0 || need >= 0 && had >= need {
		return nil
	}
	return []unfitting{{setting, has[setting], needs[setting]}}
}

// policies are the words of a cleanup.policy, sorted.
func policies(s string) (all []string) {
	for word := range strings.SplitSeq(s, ",") {
		if word = strings.TrimSpace(word); word != "" {
			all = append(all, word)
		}
	}
	slices.Sort(all)
	return all
}
