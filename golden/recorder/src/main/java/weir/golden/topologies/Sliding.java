package weir.golden.topologies;

import static weir.golden.topologies.Dsl.L;
import static weir.golden.topologies.Dsl.S;
import static weir.golden.topologies.Dsl.grouped;
import static weir.golden.topologies.Dsl.in;
import static weir.golden.topologies.Dsl.sec;
import static weir.golden.topologies.Dsl.win;
import static weir.golden.topologies.Dsl.winCount;
import static weir.golden.topologies.Dsl.windows;

import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.kstream.EmitStrategy;
import org.apache.kafka.streams.kstream.Materialized;
import org.apache.kafka.streams.kstream.SlidingWindows;
import org.apache.kafka.streams.kstream.TimeWindowedKStream;
import org.apache.kafka.streams.state.Stores;

/** Sliding windows. Stores are named agg, repartitions g; results go to out by toStream, with windowed keys of the difference. Durations in what are seconds. */
final class Sliding extends Family {
    private static final SlidingWindows WITHIN = SlidingWindows.ofTimeDifferenceAndGrace(sec(5), sec(10));

    Sliding() {
        super("sliding", new Inputs().topic("in", Inputs.keys(2), Inputs.words()).unit(1000, 200).disorder(0.25, 0.05, 0.04));
    }

    private static TimeWindowedKStream<String, String> by(final StreamsBuilder b, final SlidingWindows w) {
        return in(b).groupByKey().windowedBy(w);
    }

    @Override
    void declare() {
        final SlidingWindows noGrace = SlidingWindows.ofTimeDifferenceWithNoGrace(sec(5));
        add("count", "difference 5, grace 10; count", b -> windows(by(b, WITHIN).count(winCount("agg")), 5_000, L));
        add("count-no-grace", "difference 5, no grace; count", b -> windows(by(b, noGrace).count(winCount("agg")), 5_000, L));
        add("reduce", "difference 5, grace 10; reduce a + b", b -> windows(by(b, WITHIN).reduce((x, y) -> x + y, win("agg")), 5_000, S));
        add("aggregate", "difference 5, grace 10; aggregate from \"\": agg + v",
            b -> windows(by(b, WITHIN).aggregate(() -> "", (k, v, a) -> a + v, win("agg")), 5_000, S));
        add("aggregate-to-null", "difference 5, grace 10; aggregate from \"\": low(v) ? agg + v : null",
            b -> windows(by(b, WITHIN).aggregate(() -> "", (k, v, a) -> Dsl.low(v) ? a + v : null, win("agg")), 5_000, S));
        add("early", "difference 20, grace 10; aggregate from \"\": agg + v; many records before 20 s, where windows would begin before 0",
            b -> windows(by(b, SlidingWindows.ofTimeDifferenceAndGrace(sec(20), sec(10))).aggregate(() -> "", (k, v, a) -> a + v, win("agg")), 20_000, S))
            .from(new Inputs().topic("in", Inputs.keys(2), Inputs.words()).unit(500, 20).disorder(0.3, 0.1, 0.02).early());
        add("group-by", "groupBy v's first letter, null if v is null, named g; difference 5, grace 10; reduce a + b",
            b -> windows(in(b).groupBy((k, v) -> v == null ? null : v.substring(0, 1), grouped("g")).windowedBy(WITHIN)
                .reduce((x, y) -> x + y, win("agg")), 5_000, S));
        add("cached", "as aggregate, with a cache", b -> windows(by(b, WITHIN).aggregate(() -> "", (k, v, a) -> a + v, win("agg")), 5_000, S)).cached();
        add("in-memory", "as aggregate; an in-memory store with retention 20", b -> windows(by(b, WITHIN).aggregate(() -> "", (k, v, a) -> a + v,
            Materialized.<String, String>as(Stores.inMemoryWindowStore("agg", sec(20), sec(5), false)).withKeySerde(S).withValueSerde(S)), 5_000, S));
        onClose();
    }

    private void onClose() {
        final EmitStrategy close = EmitStrategy.onWindowClose();
        add("close", "difference 5, grace 10, retention a day; emit on close; count",
            b -> windows(by(b, WITHIN).emitStrategy(close).count(winCount("agg").withRetention(Dsl.DAY)), 5_000, L));
        add("close-aggregate", "difference 5, no grace, retention a day; emit on close; aggregate from \"\": agg + v",
            b -> windows(by(b, SlidingWindows.ofTimeDifferenceWithNoGrace(sec(5))).emitStrategy(close)
                .aggregate(() -> "", (k, v, a) -> a + v, win("agg").withRetention(Dsl.DAY)), 5_000, S));
        add("close-default-retention", "difference 5, grace 10, default retention; emit on close; count",
            b -> windows(by(b, WITHIN).emitStrategy(close).count(winCount("agg")), 5_000, L)).sameInputsAs("sliding/close");
        add("close-throttled", "difference 5, grace 10, retention a day; emit on close, looked for every second of the wall clock; count",
            b -> windows(by(b, WITHIN).emitStrategy(close).count(winCount("agg").withRetention(Dsl.DAY)), 5_000, L)).emitEvery(sec(1))
            .from(Inputs.of("in").unit(1000, 200).ticks(0.4));
    }
}
