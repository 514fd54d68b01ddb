package weir_test

import (
	"fmt"

	"github.com/weirstream/weir"
	"github.com/weirstream/weir/serde"
	"github.com/weirstream/weir/weirtest"
)

// Views and purchases, streams of different values, make one summary of each user.
func ExampleCogroup() {
	type user struct{ Views, Cents int }
	purchases := weir.NewTopic("purchases", serde.String(), serde.Int64()) // cents by user
	b := weir.NewBuilder()
	users := weir.Cogroup(func() user { return user{} },
		weir.Adding(weir.From(b, pageViews).GroupByKey(), func(_, _ string, u user) user { u.Views++; return u }),
		weir.Adding(weir.From(b, purchases).GroupByKey(), func(_ string, cents int64, u user) user { u.Cents += int(cents); return u }),
	)
	weir.AggregateCogroup(users, "users", weir.ValueSerde(serde.JSON[user]())).ToStream().ForEach(func(name string, u user) { fmt.Println(name, u) })

	d := driven(b)
	weirtest.In(d, pageViews).Send("ann", "/tea")
	weirtest.In(d, purchases).Send("ann", 450)
	weirtest.In(d, pageViews).Send("bob", "/tea")
	weirtest.In(d, pageViews).Send("ann", "/cups")
	// Output:
	// ann {1 0}
	// ann {1 450}
	// bob {1 0}
	// ann {2 450}
}
