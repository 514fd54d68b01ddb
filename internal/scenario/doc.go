// Package scenario holds tests of whole apps over time, on an embedded and on a real broker: topics that come, go and are made anew under a pattern, processes
// of another topology that join, calls that are under way when apps come and go, rows that expire, windows that silence closes, rules that rewrite a topology, what
// an app may do where ACLs bind it.
//
// Each reads like the report of the failure that it prevents: apps start, records are fed, something changes, and the outputs must be right.
package scenario
