// Package mem is the engine that keeps everything in memory: for tests, for weirtest, and for state that may be restored from its
// changelog at every start.
//
// What you get: an ordered map whose snapshots and iterators are copies that cost nothing until the engine changes (a copy-on-write
// B-tree), so any number of readers see their own moment while one goroutine applies batches. A Provider's engines forget at Close; a
// Disk's are found again by the next Open of the same directory, whole, as after a clean stop.
//
// What you owe: the contract of state.Engine. Ingest is not supported: there are no files.
package mem
