package chaos

import (
	"fmt"
	"os"
	"strconv"
	"testing"
	"time"
)

func TestCalm(t *testing.T) {
	for _, eos := range []bool{false, true} {
		t.Run(fmt.Sprint("exactly once ", eos), func(t *testing.T) {
			counts, err := run(t, counting(), plan{exactlyOnce: eos, processes: 2, workers: 1, commit: 100 * time.Millisecond, rounds: 1}, 1)
			if err != nil {
				t.Error(err)
			}
			t.Log(counted(counts))
		})
	}
}

func seeds() int {
	if n, err := strconv.Atoi(os.Getenv("WEIR_SEEDS")); err == nil && n > 0 {
		return n
	}
	return 3
}
