package runtime

import (
	"context"
	"time"

	"go.uber.org/zap"

	"github.com/weirstream/weir/internal/flow"
	"github.com/weirstream/weir/internal/kafka"
)

// closeIdle lets a task close what silence closes, once the brokers have said that there is silence.
func (w *worker) closeIdle(o *owned, now int64) error {
	if _, err := o.task.CloseIdle(now); err != nil {
		return err
	}
	if !o.asked && o.task.WantsEnds(now) {
		o.asked = true
		w.askEnds(o)
	}
	return nil
}

// askEnds asks where a task's inputs end, open transactions included, beside the worker's work. Without an answer it is asked again at a later turn.
func (w *worker) askEnds(o *owned) {
	inputs := append([]kafka.TP(nil), o.inputs...)
	w.asks.Go(func() {
		ctx, cancel := context.WithTimeout(w.here, listing)
		defer cancel()
		at := time.Now().UnixMilli()
		ends, err := w.r.cluster.EndOffsets(ctx, inputs...)
		w.post(func() { w.confirm(o, at, ends, err) })
	})
}

func (w *worker) confirm(o *owned, at int64, ends map[kafka.TP]int64, err error) {
	o.asked = false
	if err != nil {
		w.log.Warn("it is not known whether the inputs are silent: nothing is closed", zap.String("task", o.name), zap.Error(err))
		return
	}
	if o.task == nil {
		return
	}
	known := make(map[flow.TopicPartition]int64, len(ends))
	for tp, end := range ends {
		known[flow.TopicPartition(tp)] = end
	}
	o.task.Confirm(at, known)
}
