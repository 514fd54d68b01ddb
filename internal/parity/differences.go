package parity

import (
	"slices"
)

// Difference is something that weir does otherwise than Kafka Streams, on purpose. It edits what was recorded into exactly what weir does instead.
type Difference struct {
	Name  string   // of its paragraph in docs/semantics.md
	Why   string   // in one sentence
	Cases []string // where it occurs
	// Run edits one run, and Describe the description; nil leaves it as it is. What they are given is theirs.
	Run      func(c *Case, r Run) Run
	Describe func(text string) string
}

// MaxDifferences is how many there may be at most.
const MaxDifferences = 12

// Differences are all of them.
var Differences []Difference

// Expected is a case as weir does it: as recorded, after all differences that concern it.
func Expected(c *Case) *Case {
	for _, d := range Differences {
		if slices.Contains(d.Cases, c.Name) {
			c = d.apply(c)
		}
	}
	return c
}

func (d Difference) apply(c *Case) *Case {
	edited := *c
	if d.Describe != nil {
		edited.Describe = d.Describe(c.Describe)
	}
	if d.Run != nil {
		edited.Runs = nil
		for _, r := range c.Runs {
			edited.Runs = append(edited.Runs, d.Run(c, r.clone()))
		}
	}
	return &edited
}

// clone copies what an edit may change: steps, their records' lists, and the stores' rows. Bytes are shared.
func (r Run) clone() Run {
	r.Steps = slices.Clone(r.Steps)
	for i, s := range r.Steps {
		r.Steps[i].Out = slices.Clone(s.Out)
	}
	stores := map[string]Store{}
	for name, s := range r.Stores {
		s.Rows = slices.Clone(s.Rows)
		stores[name] = s
	}
	if r.Stores != nil {
		r.Stores = stores
	}
	return r
}

// Occurs reports whether the edits change a recorded case.
func (d Difference) Occurs(c *Case) bool {
	edited := d.apply(c)
	if edited.Describe != c.Describe {
		return true
	}
	for i, r := range c.Runs {
		if len(Diff(r, edited.Runs[i])) > 0 {
			return true
		}
	}
	return false
}
