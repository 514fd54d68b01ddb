// Package badinput holds the tests of what goes wrong around a running app: records that do not fit, topics that are not there or not as they
// were, directories that are somebody else's, brokers that are away or too old, options that are not the user's to give, user code that panics.
//
// What each must end in: an error from Run that names the thing and says what helps, or a drop that is counted. Nothing is lost by it: when the
// cause is removed, the app takes up where it was.
package badinput
