// Package query reads the state that this instance holds.
//
// Local knows the stores of the tasks that run here. A view of a store sees the committed rows of all of them as one store; each read looks at
// the moment's state, so a view stays good while tasks come and go, and sees what is here. Views are used from any goroutine.
package query
