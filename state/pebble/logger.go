package pebble

import "fmt"

// logger is what a database tells of itself: errors are reported, the rest is nobody's concern.
type logger struct{ e *engine }

func (l logger) Infof(format string, args ...any) {}

func (l logger) Errorf(format string, args ...any) { l.e.report(fmt.Errorf(format, args...)) }

// Fatalf is called where Pebble wants the process to end. The engine ends instead.
func (l logger) Fatalf(format string, args ...any) {
	err := fmt.Errorf(format, args...)
	l.e.files.freeze(err)
	l.e.report(err)
}
