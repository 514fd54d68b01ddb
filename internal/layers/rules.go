package layers

import (
	"fmt"
	"strings"
)

// Package is what the rules look at: a package of this module with what its non-test files import and do.
type Package struct {
	Path    string // within the module; the root is "."
	Imports []Fact // Name is the import path, that of a package of ours without the module's
	Acts    []Fact // Name is one of goroutine, or a call such as time.Now
}

// Fact is something a file says, and where: "file:line".
type Fact struct {
	Name string
	Ours bool
	At   string
}

// Violation says what is wrong and why it is forbidden.
type Violation struct {
	At, What, Why string
}

func (v Violation) String() string { return fmt.Sprintf("%s: %s\n\twhy: %s", v.At, v.What, v.Why) }

// Check holds packages against the table.
func Check(pkgs []Package) []Violation {
	var found []Violation
	for _, p := range pkgs {
		r, ok := roomOf(p.Path)
		if !ok {
			found = append(found, Violation{p.Path, "the package is not in the table of internal/layers", "a package without a floor has no rule: say what it may import before it does"})
			continue
		}
		for _, i := range p.Imports {
			found = append(found, checkImport(p, r, i)...)
		}
		for _, a := range p.Acts {
			found = append(found, checkAct(p, r, a)...)
		}
	}
	return found
}

func checkImport(p Package, r room, i Fact) []Violation {
	if r.is(testOnly) {
		return nil
	}
	check := checkForeign
	if i.Ours {
		check = checkOurs
	}
	why := check(p, r, i.Name)
	if why == "" {
		return nil
	}
	return []Violation{{i.At, fmt.Sprintf("%s imports %s", p.Path, i.Name), why}}
}

// checkOurs returns why p must not import the package of ours at path, or nothing.
func checkOurs(p Package, r room, path string) string {
	to, ok := roomOf(path)
	switch {
	case !ok:
		return path + " is not in the table of internal/layers"
	case to.is(testOnly):
		return path + " is for tests: a program that needs it would carry test code"
	case r.is(leaf):
		return "a leaf imports nothing of ours, so that any room can import it"
	case to.floor > r.floor, to.floor == r.floor && !sameRoom(p.Path, path) && beside[p.Path] != path:
		return fmt.Sprintf("imports only go down, and this goes from floor %d to %d; %s", r.floor, to.floor, whyFloor(r.floor))
	}
	return ""
}

// sameRoom says whether one package lies in the other's folder: a room may have parts.
func sameRoom(a, b string) bool {
	return strings.HasPrefix(a, b+"/") || strings.HasPrefix(b, a+"/")
}

// checkForeign returns why p must not import a package that is not ours, or nothing.
func checkForeign(p Package, r room, path string) string {
	switch {
	case within(path, "github.com/cockroachdb/pebble") && p.Path != "state/pebble":
		return "Pebble is known to state/pebble alone: all others see state.Engine, so that another engine can take its place"
	case within(path, "github.com/twmb/franz-go") && r.core() && !r.is(naming):
		return "Kafka never appears below internal/kafka, so that the true task code runs with no broker"
	case (path == "net" || path == "net/http") && r.core() && !r.is(living):
		return "rooms below internal/kafka open no connection: what they need arrives as arguments"
	}
	return ""
}

// within says whether path is module, one of its packages, or a later major version of it.
func within(path, module string) bool {
	return path == module || strings.HasPrefix(path, module+"/")
}

func checkAct(p Package, r room, a Fact) []Violation {
	if !r.core() || r.is(living|testOnly) {
		return nil
	}
	why := "rooms below internal/kafka look at no clock: time is an argument, so that tests and replays choose it"
	if a.Name == goroutine {
		why = "rooms below internal/kafka start no goroutine: their values have one owner, the worker that calls them"
	}
	return []Violation{{a.At, fmt.Sprintf("%s uses %s", p.Path, a.Name), why}}
}
