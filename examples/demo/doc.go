// Package demo runs the payments and the fraud example in one process, on a broker inside it, and shows what they do. Then somebody who knows
// nothing of them counts: per merchant, what was settled must have been emitted, have come too late, or be still open in the store.
package demo
