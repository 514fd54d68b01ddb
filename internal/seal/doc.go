// Package seal closes a door between weir's rooms and its users.
//
// Some exported functions and methods of public packages exist only for weir's own rooms: an interface's method that only weir implements, a
// record's hidden null bits. They take a Token. Because this package is internal, no user can name its type, so the function is visible in
// the documentation and cannot be called by accident.
package seal
