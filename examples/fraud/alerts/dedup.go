package alerts

import (
	"time"

	"github.com/weirstream/weir/processor"
	"github.com/weirstream/weir/serde"
	"github.com/weirstream/weir/state"
)

// Quiet is how long a card that was reported is not reported again, in event time.
const Quiet = time.Hour

// alerted is when each card was last reported.
var alerted = state.KeyValueStore("alerted", serde.String(), serde.Int64())

// dedup lets one alert per card pass, then none for Quiet. It is a processor with a store of its own.
type dedup struct {
	out     processor.Forward[string, Alert]
	alerted state.KeyValue[string, int64]
}

func (d *dedup) Stores() []state.Descriptor { return []state.Descriptor{alerted} }

func (d *dedup) Init(ctx processor.Context, out processor.Forward[string, Alert]) error {
	d.out, d.alerted = out, alerted.Bind(ctx)
	ctx.Schedule(processor.StreamTime(time.Minute), d.forget)
	return nil
}

func (d *dedup) Process(r processor.Record[string, Alert]) error {
	at, known, err := d.alerted.Get(r.Key)
	if err != nil || known && r.Time.UnixMilli()-at < Quiet.Milliseconds() {
		return err
	}
	if err := d.alerted.Put(r.Key, r.Time.UnixMilli()); err != nil {
		return err
	}
	return d.out(r)
}

// forget deletes what is older than Quiet, so that the store holds no more than it must.
func (d *dedup) forget(now time.Time) error {
	for card, at := range d.alerted.All() {
		if now.UnixMilli()-at < Quiet.Milliseconds() {
			continue
		}
		if err := d.alerted.Delete(card); err != nil {
			return err
		}
	}
	return nil
}
