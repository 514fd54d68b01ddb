// Command weir shows what weir does.
//
//	weir demo      an embedded broker, made-up traffic, the payments and the fraud example in one process; at the end their books are checked
//	weir version   the version of the module and of Go
//
// It exits with 1 when the books differ, or anything else fails. It is no part of the library: nothing needs it at run time.
package main
