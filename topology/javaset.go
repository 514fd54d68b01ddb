package topology

// Kafka prints its descriptions from Java's hash sets and tree sets, the latter in an order that changes while they are filled. To print the
// same text, the sets are played here: javaOrder is the order of a HashSet, treeSet that of a TreeSet.

// javaHash is String.hashCode of an ASCII string, as all names are, spread as HashMap spreads it.
func javaHash(s string) uint32 {
	var h uint32
	for i := range len(s) {
		h = 31*h + uint32(s[i])
	}
	return h ^ h>>16
}

// javaOrder is the order in which a HashSet that had room for some elements from the start holds them: each once, by bucket, in a bucket as
// they came. (From eight in a bucket on Java's buckets are trees; they keep this order but for rare moves.)
func javaOrder(names []string, room int) (all []string) {
	each := distinct(names)
	size := 16
	for size < room || 4*len(each) > 3*size {
		size *= 2
	}
	buckets := make([][]string, size)
	for _, n := range each {
		at := javaHash(n) & uint32(size-1)
		buckets[at] = append(buckets[at], n)
	}
	for _, b := range buckets {
		all = append(all, b...)
	}
	return all
}

// javaCopy is the order of a HashSet that was made of a collection.
func javaCopy(names []string) []string { return javaOrder(names, 4*len(names)/3+1) }

func distinct(names []string) (each []string) {
	seen := map[string]bool{}
	for _, n := range names {
		if !seen[n] {
			seen[n] = true
			each = append(each, n)
		}
	}
	return each
}

// treeSet is a red-black tree that grows as Java's TreeMap does: where the order of elements that are in it has changed since, the place of
// the next one depends on the tree's shape. less is asked anew for every element that is added.
type treeSet[T comparable] struct {
	root *leaf[T]
	less func(a, b T) bool
}

type leaf[T any] struct {
	left, right, up *leaf[T]
	black           bool
	value           T
}

// add inserts a value, unless the way to its place meets it.
func (t *treeSet[T]) add(v T) {
	var up *leaf[T]
	place := &t.root
	for *place != nil {
		up = *place
		switch {
		case up.value == v:
			return
		case t.less(v, up.value):
			place = &up.left
		default:
			place = &up.right
		}
	}
	x := &leaf[T]{up: up, value: v}
	*place = x
	t.balance(x)
}

// balance restores the colours above a new leaf: no red one has a red parent.
func (t *treeSet[T]) balance(x *leaf[T]) {
	for x.up != nil && !x.up.black {
		p, g := x.up, x.up.up // a red parent is not the root
		uncle := g.left
		if p == g.left {
			uncle = g.right
		}
		if uncle != nil && !uncle.black {
			p.black, uncle.black, g.black = true, true, false
			x = g
			continue
		}
		if (x == p.left) != (p == g.left) {
			t.lift(x)
			x, p = p, x
		}
		p.black, g.black = true, false
		t.lift(p)
	}
	t.root.black = true
}

// lift rotates x into its parent's place.
func (t *treeSet[T]) lift(x *leaf[T]) {
	p, g := x.up, x.up.up
	if x == p.left {
		p.left, x.right = x.right, p
		adopt(p, p.left)
	} else {
		p.right, x.left = x.left, p
		adopt(p, p.right)
	}
	p.up, x.up = x, g
	switch {
	case g == nil:
		t.root = x
	case g.left == p:
		g.left = x
	default:
		g.right = x
	}
}

func adopt[T any](up, child *leaf[T]) {
	if child != nil {
		child.up = up
	}
}

// values are the elements from left to right.
func (t *treeSet[T]) values() (all []T) {
	var walk func(*leaf[T])
	walk = func(x *leaf[T]) {
		if x == nil {
			return
		}
		walk(x.left)
		all = append(all, x.value)
		walk(x.right)
	}
	walk(t.root)
	return all
}
