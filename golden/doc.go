// Package golden holds what Kafka's own classes answered, for tests to compare with.
//
// What you get: the recorded files (testdata, JSON lines; a line's fields are explained where it was recorded, in recorder) and their manifest: the jars they
// came from, by SHA-256, and each file's seed and hash. Lines reads a file. Comparisons with our own code stand in this folder's tests.
//
// testdata/topologies holds what Kafka Streams' test driver did with whole topologies, a compressed file each, with a manifest of its own; package
// internal/parity reads and compares them. A further topology is a line in a family's class in recorder/…/topologies.
//
// What you owe: files are recorded, never edited. record.sh records them; record.sh --check records again and fails if a committed file differs. A new
// family of questions is a class in recorder that implements Family, a line in its table, and a test here with its saboteur: a test that shows the
// comparison failing on an implementation that is wrong.
package golden
