package layers

import "strings"

// A room is one line of the table: a package, or, with /* at the end of path, every package below a folder.
type room struct {
	floor int
	path  string
	trait
}

// trait says what a room may do that its floor may not, or may not that its floor may.
type trait uint8

const (
	leaf     trait = 1 << iota // imports nothing of ours
	naming                     // below internal/kafka, and may import franz-go
	living                     // below internal/kafka, and may start goroutines, use clocks and connections
	testOnly                   // imported by tests alone, and imports what it likes
)

// kafkaFloor is the floor of internal/kafka, the lowest room that knows a network.
const kafkaFloor = 8

var table = []room{
	{0, "serde", leaf},
	{0, "serde/registry", leaf | naming | living},
	{0, "internal/murmur2", leaf},
	{0, "internal/murmur3", leaf},
	{0, "internal/null", leaf},
	{0, "internal/offsetmeta", leaf},
	{0, "internal/seal", leaf},
	{1, "window", 0},
	{1, "serde/avro", 0},
	{1, "serde/protobuf", 0},
	{1, "serde/jsonschema", 0},
	{1, "internal/rows", 0},
	{1, "internal/alike", 0},
	{1, "devbroker", naming | living},
	{2, "state", 0},
	{3, "processor", 0},
	{3, "state/pebble", 0},
	{3, "state/enginetest", living}, // tries readers beside a writer
	{4, "internal/store", 0},
	{4, "internal/store/mem", 0},
	{5, "internal/flow", 0},
	{5, "query", 0},
	{6, "topology", 0},
	{7, "internal/assign", 0},
	{7, "internal/task", 0},
	{kafkaFloor, "internal/kafka", 0},
	{9, "internal/changelog", 0},
	{10, "internal/runtime", 0},
	{11, ".", 0},
	{12, "weirtest", 0},
	{13, "query/queryhttp", 0},
	{13, "console", 0},
	{13, "connect/*", 0},
	{13, "examples/*", 0},
	{12, "examples/internal/*", 0}, // what several examples share
	{12, "examples/payments/*", 0}, // an example's own parts, which the demonstration shows
	{12, "examples/fraud/*", 0},
	{14, "cmd/weir", 0}, // shows the examples
	{14, "cmd/weir/*", 0},
	{13, "golden", testOnly},
	{13, "golden/*", testOnly},
	{13, "internal/badinput", testOnly},
	{13, "internal/chaos", testOnly},
	{13, "internal/fluent", testOnly}, // a command
	{13, "internal/kafkatest", testOnly},
	{13, "internal/layers", testOnly},
	{13, "internal/parity", testOnly},
	{13, "internal/scenario", testOnly},
	{13, "internal/soak", testOnly},
	{13, "internal/surface", testOnly},
}

// beside lists which package of its own floor a package may stand upon.
var beside = map[string]string{
	"internal/rows": "window", // rows are keyed by windows; state above needs both
}

// storeys are what floors have in common: the reason why one must not know the next.
var storeys = []struct {
	upTo int
	why  string
}{
	{4, "floors 0 to 4 are vocabulary: serdes, windows, stores and processors know nothing of how they are run"},
	{7, "floors 5 to 7 are meaning: hops, graph, tasks and assignment compute, so that weirtest and fuzzers run them with no broker"},
	{10, "floors 8 to 10 are the machine: Kafka, restore and loops never see the DSL, only its tasks"},
	{13, "floors 11 to 13 are the roof: what people import or run, which nothing below may need"},
}

func whyFloor(floor int) string {
	for _, s := range storeys {
		if floor <= s.upTo {
			return s.why
		}
	}
	return "it is no floor"
}

func (r room) is(t trait) bool { return r.trait&t != 0 }

// core says whether the room must compute only.
func (r room) core() bool { return r.floor < kafkaFloor }

// roomOf finds the line for a package; an exact path wins over a folder's.
func roomOf(path string) (room, bool) {
	found, ok := room{}, false
	for _, r := range table {
		if r.path == path {
			return r, true
		}
		if folder, all := strings.CutSuffix(r.path, "*"); all && strings.HasPrefix(path, folder) {
			found, ok = r, true
		}
	}
	return found, ok
}
