package chaos

func (w *world) deed() {}
