package null

import (
	"testing"
	"time"
)

type plain struct {
	A int
	B [2]string
}

type sharing struct {
	plain
	M map[string]int
}

func TestNilable(t *testing.T) {
	for name, c := range map[string]struct{ got, want bool }{
		"string":    {Nilable[string](), false},
		"struct":    {Nilable[sharing](), false},
		"array":     {Nilable[[3]*int](), false},
		"pointer":   {Nilable[*int](), true},
		"slice":     {Nilable[[]byte](), true},
		"map":       {Nilable[map[string]int](), true},
		"interface": {Nilable[error](), true},
		"func":      {Nilable[func()](), true},
	} {
		if c.got != c.want {
			t.Errorf("Nilable of a %s is %v, want %v", name, c.got, c.want)
		}
	}
}

func TestIs(t *testing.T) {
	one := 1
	for name, c := range map[string]struct{ got, want bool }{
		"zero int":        {Is(0), false},
		"empty string":    {Is(""), false},
		"zero time":       {Is(time.Time{}), false},
		"nil pointer":     {Is[*int](nil), true},
		"pointer":         {Is(&one), false},
		"nil slice":       {Is[[]byte](nil), true},
		"empty slice":     {Is([]byte{}), false},
		"nil map":         {Is[map[string]int](nil), true},
		"empty map":       {Is(map[string]int{}), false},
		"nil interface":   {Is[any](nil), true},
		"typed nil in it": {Is[any]((*int)(nil)), false},
	} {
		if c.got != c.want {
			t.Errorf("Is of a %s is %v, want %v", name, c.got, c.want)
		}
	}
}

func TestShares(t *testing.T) {
	for name, c := range map[string]struct{ got, want bool }{
		"int":             {Shares[int](), false},
		"plain struct":    {Shares[plain](), false},
		"time":            {Shares[time.Time](), true}, // the location's pointer: nobody changes it, but types cannot say so
		"struct with map": {Shares[sharing](), true},
		"slice":           {Shares[[]int](), true},
		"array of maps":   {Shares[[1]map[int]int](), true},
	} {
		if c.got != c.want {
			t.Errorf("Shares of a %s is %v, want %v", name, c.got, c.want)
		}
	}
}

func TestIsDoesNotAllocate(t *testing.T) {
	v := []byte("x")
	if n := testing.AllocsPerRun(100, func() { _ = Is(v) || Is(7) }); n != 0 {
		t.Errorf("Is allocates %v times", n)
	}
}
