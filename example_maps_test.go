package weir_test

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/weirstream/weir"
	"github.com/weirstream/weir/weirtest"
)

// errNoPage is what the functions below think of a view without a page.
var errNoPage = errors.New("no page")

// One record for each, at once, with another key and value. Where its types cannot be nil, a null key or value is dropped.
func ExampleMap() {
	b := weir.NewBuilder()
	weir.Map(weir.From(b, pageViews), func(user, page string) (string, string) { return page, user }).To(output)

	d := driven(b)
	weirtest.In(d, pageViews).Send("ann", "/tea")
	weirtest.In(d, pageViews).SendRecord(weir.Tombstone[string]("bob", d.Now()))
	printAll(weirtest.Out(d, output))
	fmt.Println(d.Dropped())
	// Output:
	// /tea ann
	// map[map-1:map[null value:1]]
}

// The whole record is seen, null ones too. What fails forwards nothing, and OnError decides.
func ExampleTryMap() {
	b := weir.NewBuilder()
	weir.TryMap(weir.From(b, pageViews), func(_ context.Context, r weir.Record[string, string]) (string, string, error) {
		if r.IsNull() {
			return "", "", errNoPage
		}
		return r.Value, r.Key, nil
	}, skipped).To(output)

	d := driven(b)
	weirtest.In(d, pageViews).Send("ann", "/tea")
	weirtest.In(d, pageViews).SendRecord(weir.Tombstone[string]("bob", d.Now()))
	printAll(weirtest.Out(d, output))
	// Output:
	// skipped: no page
	// /tea ann
}

// Time and headers can be changed too, and nulls be made and seen: here a view says whether it was the morning's.
func ExampleMapRecords() {
	b := weir.NewBuilder()
	weir.MapRecords(weir.From(b, pageViews), func(r weir.Record[string, string]) weir.Record[string, string] {
		if r.Time.Hour() >= 12 {
			return r.AsTombstone()
		}
		return r.WithHeaders(r.Headers.With("part", []byte("morning"))).WithTime(r.Time.Truncate(time.Hour))
	}).To(output)

	d := driven(b)
	weirtest.In(d, pageViews).SendAt("ann", "/tea", eightOClock.Add(20*time.Minute))
	weirtest.In(d, pageViews).SendAt("ann", "/cups", eightOClock.Add(7*time.Hour))
	for _, r := range weirtest.Out(d, output).All() {
		part, _ := r.Headers.Get("part")
		fmt.Printf("%s %s %q %q\n", r.Time.Format(time.TimeOnly), r.Key, r.Value, part)
	}
	// Output:
	// 08:00:00 ann "/tea" "morning"
	// 15:00:00 ann "" ""
}

// MapRecords that may fail: what fails forwards nothing, and OnError decides.
func ExampleTryMapRecords() {
	b := weir.NewBuilder()
	weir.TryMapRecords(weir.From(b, pageViews), func(_ context.Context, r weir.Record[string, string]) (weir.Record[string, string], error) {
		at, page, ok := strings.Cut(r.Value, " ")
		if !ok {
			return r, errNoPage
		}
		r.Value = page
		seconds, err := strconv.ParseInt(at, 10, 64)
		return r.WithTime(time.Unix(seconds, 0).UTC()), err
	}, skipped).To(output)

	d := driven(b)
	weirtest.In(d, pageViews).Send("ann", "3600 /tea")
	weirtest.In(d, pageViews).Send("bob", "3601")
	r, _ := weirtest.Out(d, output).Next()
	fmt.Println(r.Time.Format(time.TimeOnly), r.Key, r.Value)
	// Output:
	// skipped: no page
	// 01:00:00 ann /tea
}

// Another value under the same key, so that nothing is repartitioned below. A null value passes uncalled.
func ExampleMapValuesWithKey() {
	b := weir.NewBuilder()
	weir.MapValuesWithKey(weir.From(b, pageViews), func(user, page string) string { return user + " saw " + page }).To(output)

	d := driven(b)
	weirtest.In(d, pageViews).Send("ann", "/tea")
	weirtest.In(d, pageViews).SendRecord(weir.Tombstone[string]("bob", d.Now()))
	printAll(weirtest.Out(d, output))
	// Output:
	// ann ann saw /tea
	// bob deleted
}

// The whole record is seen, null ones too: here a deletion becomes a value.
func ExampleTryMapValues() {
	b := weir.NewBuilder()
	weir.TryMapValues(weir.From(b, orders), func(_ context.Context, r weir.Record[string, int64]) (string, error) {
		if r.IsNull() {
			return "cancelled at " + r.Time.Format(time.TimeOnly), nil
		}
		return strconv.FormatInt(r.Value, 10), nil
	}).To(output)

	d := driven(b)
	weirtest.In(d, orders).SendAt("tea", 3, eightOClock)
	weirtest.In(d, orders).SendRecord(weir.Tombstone[int64]("tea", eightOClock.Add(time.Minute)))
	printAll(weirtest.Out(d, output))
	// Output:
	// tea 3
	// tea cancelled at 08:01:00
}

// Any number of records for each, in the order in which they are made, with its time. Where its types cannot be nil, a null key or value is dropped.
func ExampleFlatMap() {
	b := weir.NewBuilder()
	weir.FlatMap(weir.From(b, pageViews), func(user, page string, emit func(string, string)) {
		for _, part := range strings.Fields(strings.ReplaceAll(page, "/", " ")) {
			emit(part, user)
		}
	}).To(output)

	d := driven(b)
	weirtest.In(d, pageViews).Send("ann", "/shop/tea")
	weirtest.In(d, pageViews).Send("bob", "/")
	printAll(weirtest.Out(d, output))
	// Output:
	// shop ann
	// tea ann
}

// Of a record that fails nothing is forwarded, not even what was emitted before the error.
func ExampleTryFlatMap() {
	b := weir.NewBuilder()
	weir.TryFlatMap(weir.From(b, pageViews), func(_ context.Context, r weir.Record[string, string], emit func(string, string)) error {
		emit("user", r.Key)
		if r.IsNull() {
			return errNoPage
		}
		emit("page", r.Value)
		return nil
	}, skipped).To(output)

	d := driven(b)
	weirtest.In(d, pageViews).Send("ann", "/tea")
	weirtest.In(d, pageViews).SendRecord(weir.Tombstone[string]("bob", d.Now()))
	printAll(weirtest.Out(d, output))
	// Output:
	// skipped: no page
	// user ann
	// page /tea
}

// Any number of values for each, under its key and with its time. A null value passes uncalled.
func ExampleFlatMapValues() {
	b := weir.NewBuilder()
	weir.FlatMapValues(weir.From(b, placedOrders), func(items string) []string { return strings.Split(items, ", ") }).To(output)

	d := driven(b)
	weirtest.In(d, placedOrders).Send("17", "shoes, socks")
	weirtest.In(d, placedOrders).SendRecord(weir.Tombstone[string]("18", d.Now()))
	printAll(weirtest.Out(d, output))
	// Output:
	// 17 shoes
	// 17 socks
	// 18 deleted
}

// FlatMapValues with the key at hand.
func ExampleFlatMapValuesWithKey() {
	b := weir.NewBuilder()
	weir.FlatMapValuesWithKey(weir.From(b, placedOrders), func(order, items string) (lines []string) {
		for i, item := range strings.Split(items, ", ") {
			lines = append(lines, fmt.Sprintf("%s-%d %s", order, i+1, item))
		}
		return lines
	}).To(output)

	d := driven(b)
	weirtest.In(d, placedOrders).Send("17", "shoes, socks")
	printAll(weirtest.Out(d, output))
	// Output:
	// 17 17-1 shoes
	// 17 17-2 socks
}

// The whole record is seen, null ones too; of one that fails nothing is forwarded.
func ExampleTryFlatMapValues() {
	b := weir.NewBuilder()
	weir.TryFlatMapValues(weir.From(b, placedOrders), func(_ context.Context, r weir.Record[string, string]) ([]string, error) {
		items := strings.Split(r.Value, ", ")
		if items[0] == "" {
			return items, fmt.Errorf("order %s is empty", r.Key)
		}
		return items, nil
	}, skipped).To(output)

	d := driven(b)
	weirtest.In(d, placedOrders).Send("17", "shoes, socks")
	weirtest.In(d, placedOrders).SendRecord(weir.Tombstone[string]("18", d.Now()))
	printAll(weirtest.Out(d, output))
	// Output:
	// skipped: order 18 is empty
	// 17 shoes
	// 17 socks
}
