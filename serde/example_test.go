package serde_test

import (
	"fmt"

	"github.com/weirstream/weir/serde"
)

func ExampleJSON() {
	type order struct {
		ID    string
		Cents int
	}
	orders := serde.JSON[order]()
	b, _ := orders.Append(nil, order{"a-1", 250})
	o, _ := orders.Decode(b)
	fmt.Println(string(b), o.Cents)
	// Output: {"ID":"a-1","Cents":250} 250
}

func ExampleNew() {
	celsius := serde.New("celsius",
		func(dst []byte, v float64) ([]byte, error) { return fmt.Appendf(dst, "%.1fC", v), nil },
		func(b []byte) (v float64, err error) { _, err = fmt.Sscanf(string(b), "%fC", &v); return v, err })
	b, _ := celsius.Append(nil, 21.5)
	v, _ := celsius.Decode(b)
	fmt.Println(string(b), v)
	// Output: 21.5C 21.5
}
