package parity

import (
	"time"

	weir "github.com/weirstream/weir"
	"github.com/weirstream/weir/window"
)

var within = window.Within(sec(5)).Grace(sec(3))

func asymmetric(before, after, grace int) window.JoinWindows {
	return window.Within(0).Before(sec(before)).After(sec(after)).Grace(sec(grace))
}

func in2(b *weir.Builder) stream { return from(b, "in2") }

// byFirst has the first letter of the value as its key.
func byFirst(s stream) stream { return weir.KeyBy(s, letter) }

func slash(_, l, r text) text { return cat(l, "/", r) }

func innerJoin(l, r stream, w window.JoinWindows, opts ...weir.OpOption) {
	out(weir.Join(l, r, "j", w, slash, opts...))
}

func leftJoin(l, r stream, w window.JoinWindows) {
	out(weir.LeftJoin(l, r, "j", w, func(_, l text, r *text) text { return cat(l, "/", weir.OrZero(r)) }))
}

func outerJoin(l, r stream, w window.JoinWindows, opts ...weir.OpOption) {
	out(weir.OuterJoin(l, r, "j", w, func(_ text, l, r *text) text { return cat(weir.OrZero(l), "/", weir.OrZero(r)) }, opts...))
}

// joining joins in with in2.
func joining(join func(l, r stream, w window.JoinWindows), w window.JoinWindows) Build {
	return func(b *weir.Builder) { l := in(b); join(l, in2(b), w) }
}

func rekeyed(join func(l, r stream, w window.JoinWindows)) Build {
	return func(b *weir.Builder) { l := byFirst(in(b)); join(l, byFirst(in2(b)), within) }
}

// withItself joins in with what some makes of it.
func withItself(join func(l, r stream, w window.JoinWindows), some func(stream) stream) Build {
	return func(b *weir.Builder) { s := in(b); join(s, some(s), within) }
}

func lowValues(s stream) stream { return s.Filter(func(_, v text) bool { return low(v) }) }

func streamJoins() map[string]Build {
	inner := func(l, r stream, w window.JoinWindows) { innerJoin(l, r, w) }
	outer := func(l, r stream, w window.JoinWindows) { outerJoin(l, r, w) }
	noGrace := window.Within(sec(5))
	return map[string]Build{
		"inner":                     joining(inner, within),
		"inner-no-grace":            joining(inner, noGrace),
		"inner-after":               joining(inner, asymmetric(0, 10, 3)),
		"inner-before":              joining(inner, asymmetric(10, 0, 3)),
		"inner-negative-after":      joining(inner, asymmetric(10, -3, 3)),
		"inner-zero":                joining(inner, window.Within(0).Grace(sec(2))),
		"inner-zero-no-grace":       joining(inner, window.Within(0)),
		"inner-long":                joining(inner, window.Within(100*time.Second).Grace(sec(30))),
		"inner-rekeyed":             rekeyed(inner),
		"inner-negative-before":     joining(inner, asymmetric(-3, 10, 3)),
		"inner-zero-shortest-grace": joining(inner, window.Within(0).Grace(time.Millisecond)),
		"inner-key": func(b *weir.Builder) {
			out(weir.Join(in(b), in2(b), "j", within, func(k, l, r text) text { return cat(k, ":", l, "/", r) }, weir.OtherSerde(texts)))
		},
		"inner-to-null": func(b *weir.Builder) {
			out(weir.Join(in(b), in2(b), "j", within, func(_, l, r text) text { return ifLow(l, cat(l, "/", r)) }))
		},
		"inner-rekeyed-left": func(b *weir.Builder) { l := byFirst(in(b)); innerJoin(l, in2(b), within) },
		"inner-three": func(b *weir.Builder) {
			two := weir.Join(in(b), in2(b), "j", within, slash)
			out(weir.Join(two, from(b, "in3"), "q", within, slash))
		},

		"left":                 joining(leftJoin, within),
		"left-no-grace":        joining(leftJoin, noGrace),
		"left-after":           joining(leftJoin, asymmetric(0, 10, 3)),
		"left-before":          joining(leftJoin, asymmetric(10, 0, 3)),
		"left-negative-after":  joining(leftJoin, asymmetric(10, -3, 3)),
		"left-negative-before": joining(leftJoin, asymmetric(-3, 10, 3)),
		"left-rekeyed":         rekeyed(leftJoin),
		"left-null-keys":       joining(leftJoin, within),
		"left-throttled":       joining(leftJoin, within),
		"left-key": func(b *weir.Builder) {
			out(weir.LeftJoin(in(b), in2(b), "j", within, func(k, l text, r *text) text { return cat(k, ":", l, "/", weir.OrZero(r)) }))
		},

		"outer":                 joining(outer, within),
		"outer-no-grace":        joining(outer, noGrace),
		"outer-after":           joining(outer, asymmetric(0, 10, 3)),
		"outer-before":          joining(outer, asymmetric(10, 2, 3)),
		"outer-negative-after":  joining(outer, asymmetric(10, -3, 3)),
		"outer-negative-before": joining(outer, asymmetric(-3, 10, 3)),
		"outer-rekeyed":         rekeyed(outer),
		"outer-null-keys":       joining(outer, within),
		"outer-throttled":       joining(outer, within),
		"outer-key": func(b *weir.Builder) {
			out(weir.OuterJoin(in(b), in2(b), "j", within, func(k text, l, r *text) text {
				return cat(k, ":", weir.OrZero(l), "/", weir.OrZero(r))
			}))
		},

		"self":          withItself(inner, func(s stream) stream { return s }),
		"self-filtered": withItself(inner, lowValues),
		"self-outer":    withItself(outer, lowValues),
		"no-changelog":  func(b *weir.Builder) { outerJoin(in(b), in2(b), within, weir.NoChangelog()) },
		"in-memory":     func(b *weir.Builder) { innerJoin(in(b), in2(b), within, weir.InMemory()) },
	}
}
