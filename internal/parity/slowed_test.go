//go:build !race

package parity_test

const slowed = false
