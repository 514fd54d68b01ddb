package parity

import (
	"fmt"
	"slices"

	weir "github.com/weirstream/weir"
	"github.com/weirstream/weir/serde"
)

// families are the topologies that are built here, a file each.
var families = map[string]func() map[string]Build{
	"aggregates":    aggregates,
	"cogroup":       cogroups,
	"foreign-key":   foreignKey,
	"global":        global,
	"optimizer":     optimizer,
	"errors":        failures,
	"processors":    processors,
	"sessions":      sessions,
	"sliding":       sliding,
	"stateless":     stateless,
	"stores":        stores,
	"stream-stream": streamJoins,
	"stream-table":  streamTable,
	"table-table":   tableTable,
	"suppress":      suppressions,
	"tables":        tables,
	"topics":        events,
	"versioned":     versioned,
	"windows":       timeWindowed,
}

// Builders are all of them, by the case's name.
func Builders() map[string]Build {
	all := map[string]Build{}
	for family, of := range families {
		for name, build := range of() {
			all[family+"/"+name] = build
		}
	}
	return all
}

// Missing are the recorded cases that nothing is built for.
func Missing(recorded []string) []string {
	built := Builders()
	return slices.DeleteFunc(slices.Clone(recorded), func(name string) bool { return built[name] != nil })
}

// Keys and values are strings that can be nil, as in Java: user functions see what Java's see.
type (
	text   = *string
	stream = weir.Stream[text, text]
	topic  = weir.Topic[text, text]
)

var texts = serde.Nullable(serde.String())

func topicOf(name string) topic { return weir.NewTopic(name, texts, texts) }

func from(b *weir.Builder, name string) stream { return weir.From(b, topicOf(name)) }
func in(b *weir.Builder) stream                { return from(b, "in") }
func out(s stream)                             { s.To(topicOf("out")) }

// str is what Java makes of a string in a concatenation.
func str(s text) string {
	if s == nil {
		return "null"
	}
	return *s
}

// cat concatenates strings, constants and nils.
func cat(parts ...any) text {
	s := ""
	for _, p := range parts {
		switch p := p.(type) {
		case text:
			s += str(p)
		case string:
			s += p
		default:
			panic(fmt.Sprintf("cat of a %T", p))
		}
	}
	return &s
}

// low is true for strings that begin with a to d.
func low(s text) bool { return s != nil && (*s)[0] < 'e' }

func is(s text, want string) bool { return s != nil && *s == want }
