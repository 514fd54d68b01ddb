package window_test

import (
	"fmt"
	"time"

	"github.com/weirstream/weir/serde"
	"github.com/weirstream/weir/window"
)

func ExampleHopping() {
	w := window.Hopping(10*time.Second, 5*time.Second)
	const ts = 12_000
	for start := w.First(ts); start >= 0 && start <= ts; start += w.AdvanceMs() {
		fmt.Println(start, w.End(start))
	}
	// Output:
	// 5000 15000
	// 10000 20000
}

func ExampleKeySerde() {
	s := window.KeySerde(serde.String(), time.Minute)
	b, _ := s.Append(nil, window.NewKey("ann", 60_000, 120_000))
	k, _ := s.Decode(b)
	fmt.Printf("%q\n%v\n", b, k)
	// Output:
	// "ann\x00\x00\x00\x00\x00\x00\xea`"
	// [ann@60000/120000]
}
