// Package scenario holds tests of whole apps over time, on an embedded and on a real broker: topics that come, go and are made anew under a pattern, processes
// of another topology that join, what an app may do where ACLs bind it.
//
// Each reads like the report of the failure that it prevents: apps start, records are fed, something changes, and the outputs must be right.
package scenario
