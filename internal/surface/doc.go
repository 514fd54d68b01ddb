// Package surface reads what compiled packages export, for tests that hold other things against it: what must compile, and what must be tried.
//
// What you get: Importer, which type-checkers import by; Functions, all that a package exports to be called, and Name, how a user spells one of them.
//
// What you owe: a working directory inside the module, and a go command on the path: export data come from its build cache.
package surface
