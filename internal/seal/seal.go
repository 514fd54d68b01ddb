package seal

// Token is the argument that only weir's own packages can write down.
type Token struct{ _ [0]func() }
