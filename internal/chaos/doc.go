// Package chaos runs whole apps in virtual time against a nemesis, and compares what they leave with a dumb model.
//
// A run is one bubble of testing/synctest: a broker (franz-go's kfake) on a virtual network, some processes, each an app with a crashable
// file system in memory, and a nemesis that kills, stops, freezes and cuts them off, makes the broker answer with errors and lets user code
// dawdle. A scene says what the app does, what is fed to it and what must come out.
//
// What is checked after each run: the outputs, as a reader of committed records sees them, against the scene's model (exactly once: each
// result once; at least once: none missing, none too small); every file system that a kill or a stop left, and every one at the end,
// against its changelog replayed from the start; committed offsets against the ends of logs; that no transaction is left open. A run in
// which nothing happened to the app does not count: the next seed is tried.
//
// Every check has a saboteur: a run that is broken on purpose and must be caught.
//
// WEIR_SEEDS says how many seeds each test tries (3 when it is not set), WEIR_SEED which is the first. A seed fixes what the nemesis does and
// when, in virtual time; the Go scheduler still chooses among goroutines, so a failure may need its seed more than once.
package chaos
