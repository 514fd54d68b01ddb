// Package enginetest holds what every state.Engine must do, as tests.
//
// Run puts an engine through each check, every time with a fresh one; RunDurable does so too, and adds what only an engine with a
// directory can be asked: that its rows are there when it is opened again. Whoever writes an engine calls one of the two from a test:
//
//	func TestEngine(t *testing.T) {
//		enginetest.RunDurable(t, func(t *testing.T, dir string) state.Engine { … })
//	}
//
// The opener ends the test on failure; the suite closes what it opened, and never holds two engines of a directory at once. Random
// tests print their seed. What a crash costs depends on what lies under the engine and is not tested here, nor is Ingest.
package enginetest
