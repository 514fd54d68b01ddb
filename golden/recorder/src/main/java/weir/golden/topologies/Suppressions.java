package weir.golden.topologies;

import static weir.golden.topologies.Dsl.L;
import static weir.golden.topologies.Dsl.S;
import static weir.golden.topologies.Dsl.counts;
import static weir.golden.topologies.Dsl.grouped;
import static weir.golden.topologies.Dsl.in;
import static weir.golden.topologies.Dsl.kv;
import static weir.golden.topologies.Dsl.kvCount;
import static weir.golden.topologies.Dsl.out;
import static weir.golden.topologies.Dsl.sec;
import static weir.golden.topologies.Dsl.sesCount;
import static weir.golden.topologies.Dsl.table;
import static weir.golden.topologies.Dsl.win;
import static weir.golden.topologies.Dsl.winCount;

import org.apache.kafka.streams.KeyValue;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.kstream.Consumed;
import org.apache.kafka.streams.kstream.KTable;
import org.apache.kafka.streams.kstream.Produced;
import org.apache.kafka.streams.kstream.SessionWindows;
import org.apache.kafka.streams.kstream.SlidingWindows;
import org.apache.kafka.streams.kstream.Suppressed;
import org.apache.kafka.streams.kstream.Suppressed.BufferConfig;
import org.apache.kafka.streams.kstream.Suppressed.StrictBufferConfig;
import org.apache.kafka.streams.kstream.TimeWindows;
import org.apache.kafka.streams.kstream.Windowed;

/** Suppression, named s: its store is s-store. Aggregates stand in agg; results go to out by toStream. Durations in what are seconds. */
final class Suppressions extends Family {
    private static final TimeWindows TUMBLING = TimeWindows.ofSizeAndGrace(sec(10), sec(5));

    Suppressions() {
        super("suppress", Inputs.of("in").unit(1000, 120));
    }

    @Override
    void declare() {
        windows();
        bounds();
        limits();
        limitBounds();
    }

    private static KTable<Windowed<String>, Long> counted(final StreamsBuilder b) {
        return in(b).groupByKey().windowedBy(TUMBLING).count(winCount("agg"));
    }

    private static Suppressed<Windowed<?>> closes(final StrictBufferConfig buffer) {
        return Suppressed.untilWindowCloses(buffer).withName("s");
    }

    private void windows() {
        add("tumbling", "tumbling 10, grace 5; count; until the window closes, unbounded",
            b -> Dsl.windows(counted(b).suppress(closes(BufferConfig.unbounded())), 10_000, L));
        add("tumbling-no-grace", "tumbling 10, no grace; aggregate from \"\": agg + v; until the window closes, unbounded",
            b -> Dsl.windows(in(b).groupByKey().windowedBy(TimeWindows.ofSizeWithNoGrace(sec(10))).aggregate(() -> "", (k, v, a) -> a + v, win("agg"))
                .suppress(closes(BufferConfig.unbounded())), 10_000, S));
        add("tumbling-to-null", "tumbling 10, grace 5; aggregate from \"\": low(v) ? agg + v : null; until the window closes, unbounded",
            b -> Dsl.windows(in(b).groupByKey().windowedBy(TUMBLING).aggregate(() -> "", (k, v, a) -> Dsl.low(v) ? a + v : null, win("agg"))
                .suppress(closes(BufferConfig.unbounded())), 10_000, S));
        add("hopping", "hopping 10 by 3, grace 5; reduce a + b; until the window closes, unbounded",
            b -> Dsl.windows(in(b).groupByKey().windowedBy(TUMBLING.advanceBy(sec(3))).reduce((x, y) -> x + y, win("agg"))
                .suppress(closes(BufferConfig.unbounded())), 10_000, S));
        add("sessions", "sessions of gap 4, grace 6; count; until the window closes, unbounded",
            b -> Dsl.sessions(in(b).groupByKey().windowedBy(SessionWindows.ofInactivityGapAndGrace(sec(4), sec(6))).count(sesCount("agg"))
                .suppress(closes(BufferConfig.unbounded())), L));
        add("sliding", "sliding of difference 5, grace 10; count; until the window closes, unbounded",
            b -> Dsl.windows(in(b).groupByKey().windowedBy(SlidingWindows.ofTimeDifferenceAndGrace(sec(5), sec(10))).count(winCount("agg"))
                .suppress(closes(BufferConfig.unbounded())), 5_000, L));
        add("filtered", "tumbling 10, grace 5; count; filter n > 1; until the window closes, unbounded",
            b -> Dsl.windows(counted(b).filter((k, n) -> n > 1).suppress(closes(BufferConfig.unbounded())), 10_000, L));
        add("then-group", "tumbling 10, grace 5; count; until the window closes, unbounded; groupBy (inner key, count as decimal) named g; "
            + "aggregate in agg2 from \"\": add agg + \"+\" + v, subtract agg + \"-\" + v", b -> out(counted(b).suppress(closes(BufferConfig.unbounded()))
            .groupBy((k, n) -> KeyValue.pair(k.key(), String.valueOf(n)), grouped("g"))
            .aggregate(() -> "", (k, v, a) -> a + "+" + v, (k, v, a) -> a + "-" + v, kv("agg2"))));
        add("no-changelog", "tumbling 10, grace 5; count; until the window closes, unbounded, logging disabled",
            b -> Dsl.windows(counted(b).suppress(closes(BufferConfig.unbounded().withLoggingDisabled())), 10_000, L));
        add("cached", "as tumbling, with a cache", b -> Dsl.windows(counted(b).suppress(closes(BufferConfig.unbounded())), 10_000, L)).cached();
        add("partitions", "as tumbling; out has 4 partitions",
            b -> Dsl.windows(counted(b).suppress(closes(BufferConfig.unbounded())), 10_000, L)).partitioned("out", 4);
    }

    private void bounds() {
        add("records-shut-down", "tumbling 10, grace 5; count; until the window closes, at most 6 records, shut down when full",
            b -> Dsl.windows(counted(b).suppress(closes(BufferConfig.maxRecords(6).shutDownWhenFull())), 10_000, L));
        add("bytes-shut-down", "tumbling 10, grace 5; count; until the window closes, at most 450 bytes, shut down when full",
            b -> Dsl.windows(counted(b).suppress(closes(BufferConfig.maxBytes(450).shutDownWhenFull())), 10_000, L));
    }

    private static <K> Suppressed<K> limit(final long seconds, final BufferConfig<?> buffer) {
        return Suppressed.<K>untilTimeLimit(sec(seconds), buffer).withName("s");
    }

    private void limits() {
        add("limit-table", "table of in with store t; until 5 have passed, unbounded",
            b -> out(table(b, "in", "t").suppress(limit(5, BufferConfig.unbounded())))).from(Inputs.of("in").nulls(0.05, 0.25));
        add("limit-count", "groupByKey; count in agg; until 5 have passed, unbounded",
            b -> counts(in(b).groupByKey().count(kvCount("agg")).suppress(limit(5, BufferConfig.unbounded()))));
        add("limit-zero", "groupByKey; count in agg; until 0 have passed, unbounded",
            b -> counts(in(b).groupByKey().count(kvCount("agg")).suppress(limit(0, BufferConfig.unbounded()))));
        add("limit-windows", "tumbling 10, grace 5; count; until 8 have passed, unbounded",
            b -> Dsl.windows(counted(b).suppress(limit(8, BufferConfig.unbounded())), 10_000, L));
        add("limit-then-filter", "table of in with store t; until 5 have passed, unbounded; filter low(v), materialised as f",
            b -> out(table(b, "in", "t").suppress(limit(5, BufferConfig.unbounded())).filter((k, v) -> Dsl.low(v), kv("f"))))
            .from(Inputs.of("in").nulls(0.05, 0.25));
        add("limit-then-group", "table of in with store t; until 5 have passed, unbounded; groupBy (v's first letter, v) named g; "
            + "reduce in agg: add a + \"+\" + b, subtract a + \"-\" + b", b -> out(table(b, "in", "t").suppress(limit(5, BufferConfig.unbounded()))
            .groupBy((k, v) -> KeyValue.pair(v.substring(0, 1), v), grouped("g")).reduce((x, y) -> x + "+" + y, (x, y) -> x + "-" + y, kv("agg"))))
            .from(Inputs.of("in").nulls(0.05, 0.25));
        add("limit-cached", "as limit-table, with a cache", b -> out(table(b, "in", "t").suppress(limit(5, BufferConfig.unbounded())))).cached();
        add("limit-virtual", "table of in without a store; until 5 have passed, unbounded; toStream -> out", b -> b.table("in",
            Consumed.with(S, S)).suppress(limit(5, BufferConfig.unbounded())).toStream().to("out", Produced.with(S, S)));
    }

    private void limitBounds() {
        add("limit-records-early", "table of in with store t; until 60 have passed, at most 2 records, emit early when full",
            b -> out(table(b, "in", "t").suppress(limit(60, BufferConfig.maxRecords(2).emitEarlyWhenFull()))));
        add("limit-bytes-early", "table of in with store t; until 60 have passed, at most 200 bytes, emit early when full",
            b -> out(table(b, "in", "t").suppress(limit(60, BufferConfig.maxBytes(200).emitEarlyWhenFull()))));
        add("limit-records-shut-down", "table of in with store t; until 2 have passed, at most 3 records, shut down when full",
            b -> out(table(b, "in", "t").suppress(limit(2, BufferConfig.maxRecords(3).shutDownWhenFull()))));
    }
}
