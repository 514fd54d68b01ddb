package weir.golden.topologies;

import static weir.golden.topologies.Dsl.L;
import static weir.golden.topologies.Dsl.S;
import static weir.golden.topologies.Dsl.grouped;
import static weir.golden.topologies.Dsl.in;
import static weir.golden.topologies.Dsl.sec;
import static weir.golden.topologies.Dsl.win;
import static weir.golden.topologies.Dsl.winCount;
import static weir.golden.topologies.Dsl.windows;

import java.time.Instant;
import org.apache.kafka.streams.KeyValue;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.kstream.Consumed;
import org.apache.kafka.streams.kstream.EmitStrategy;
import org.apache.kafka.streams.kstream.Materialized;
import org.apache.kafka.streams.kstream.Produced;
import org.apache.kafka.streams.kstream.TimeWindowedKStream;
import org.apache.kafka.streams.kstream.TimeWindows;
import org.apache.kafka.streams.kstream.UnlimitedWindows;
import org.apache.kafka.streams.kstream.WindowedSerdes;
import org.apache.kafka.streams.state.Stores;

/**
 * Tumbling, hopping and unlimited windows, emitted on update or on close. Stores are named agg, repartitions g; results go to out by toStream, with the
 * windowed key's own serde. Durations in what are seconds.
 */
final class TimeWindowed extends Family {
    private static final TimeWindows TUMBLING = TimeWindows.ofSizeAndGrace(sec(10), sec(5));
    private static final TimeWindows HOPPING = TimeWindows.ofSizeAndGrace(sec(10), sec(5)).advanceBy(sec(3));

    TimeWindowed() {
        super("windows", Inputs.of("in").unit(1000, 300));
    }

    @Override
    void declare() {
        tumbling();
        hopping();
        unlimited();
        onClose();
        stores();
    }

    private static TimeWindowedKStream<String, String> by(final StreamsBuilder b, final TimeWindows w) {
        return in(b).groupByKey().windowedBy(w);
    }

    private void tumbling() {
        final TimeWindows noGrace = TimeWindows.ofSizeWithNoGrace(sec(10));
        add("tumbling-count", "tumbling 10, grace 5; count", b -> windows(by(b, TUMBLING).count(winCount("agg")), 10_000, L));
        add("tumbling-count-no-grace", "tumbling 10, no grace; count", b -> windows(by(b, noGrace).count(winCount("agg")), 10_000, L));
        add("tumbling-reduce", "tumbling 10, grace 5; reduce a + b, null as the word null (a may be null, too)",
            b -> windows(by(b, TUMBLING).reduce((x, y) -> x + y, win("agg")), 10_000, S));
        add("tumbling-aggregate", "tumbling 10, grace 5; aggregate from \"\": agg + v",
            b -> windows(by(b, TUMBLING).aggregate(() -> "", (k, v, a) -> a + v, win("agg")), 10_000, S));
        add("tumbling-aggregate-to-null", "tumbling 10, grace 5; aggregate from \"\": low(v) ? agg + v : null",
            b -> windows(by(b, TUMBLING).aggregate(() -> "", (k, v, a) -> Dsl.low(v) ? a + v : null, win("agg")), 10_000, S));
        add("tumbling-group-by", "groupBy v's first letter, null if v is null, named g; tumbling 10, grace 5; reduce a + b",
            b -> windows(in(b).groupBy((k, v) -> v == null ? null : v.substring(0, 1), grouped("g")).windowedBy(TUMBLING)
                .reduce((x, y) -> x + y, win("agg")), 10_000, S));
        add("tumbling-unwindowed", "tumbling 10, grace 5; count; toStream with key: the inner key",
            b -> by(b, TUMBLING).count(winCount("agg")).toStream((k, v) -> k.key()).to("out", Produced.with(S, L)));
        add("tumbling-retention", "tumbling 10, grace 5, retention 600; count",
            b -> windows(by(b, TUMBLING).count(winCount("agg").withRetention(sec(600))), 10_000, L));
        add("tumbling-large", "tumbling 100, grace 1000; count: windows stay open over many segments",
            b -> windows(by(b, TimeWindows.ofSizeAndGrace(sec(100), sec(1000))).count(winCount("agg")), 100_000, L));
        add("tumbling-partitions", "tumbling 10, grace 5; count; out has 4 partitions: by the inner key",
            b -> windows(by(b, TUMBLING).count(winCount("agg")), 10_000, L)).partitioned("out", 4);
    }

    private void hopping() {
        add("hopping-count", "hopping 10 by 3, grace 5; count", b -> windows(by(b, HOPPING).count(winCount("agg")), 10_000, L));
        add("hopping-count-no-grace", "hopping 10 by 5, no grace; count",
            b -> windows(by(b, TimeWindows.ofSizeWithNoGrace(sec(10)).advanceBy(sec(5))).count(winCount("agg")), 10_000, L));
        add("hopping-reduce", "hopping 10 by 3, grace 5; reduce a + b", b -> windows(by(b, HOPPING).reduce((x, y) -> x + y, win("agg")), 10_000, S));
        add("hopping-aggregate", "hopping 10 by 3, grace 5; aggregate from \"\": agg + v",
            b -> windows(by(b, HOPPING).aggregate(() -> "", (k, v, a) -> a + v, win("agg")), 10_000, S));
    }

    private void unlimited() {
        add("unlimited-count", "unlimited; count; toStream with key: the inner key", b -> in(b).groupByKey().windowedBy(UnlimitedWindows.of())
            .count(winCount("agg")).toStream((k, v) -> k.key()).to("out", Produced.with(S, L)));
        add("unlimited-windowed", "unlimited; count; the windowed key's serde of a window without an end", b -> windows(in(b).groupByKey().windowedBy(UnlimitedWindows.of())
            .count(winCount("agg")), Long.MAX_VALUE, L));
        add("unlimited-start-on", "unlimited, starting on 5000; aggregate from \"\": agg + v; toStream with key: the inner key",
            b -> in(b).groupByKey().windowedBy(UnlimitedWindows.of().startOn(Instant.ofEpochMilli(5_000)))
                .aggregate(() -> "", (k, v, a) -> a + v, win("agg")).toStream((k, v) -> k.key()).to("out", Produced.with(S, S)))
            .from(Inputs.of("in").unit(500, 10).disorder(0.2, 0.1, 0.02));
    }

    private void onClose() {
        final EmitStrategy close = EmitStrategy.onWindowClose();
        add("tumbling-close", "tumbling 10, grace 5, retention a day; emit on close; count",
            b -> windows(by(b, TUMBLING).emitStrategy(close).count(winCount("agg").withRetention(Dsl.DAY)), 10_000, L));
        add("tumbling-close-no-grace", "tumbling 10, no grace, retention a day; emit on close; aggregate from \"\": agg + v",
            b -> windows(by(b, TimeWindows.ofSizeWithNoGrace(sec(10))).emitStrategy(close)
                .aggregate(() -> "", (k, v, a) -> a + v, win("agg").withRetention(Dsl.DAY)), 10_000, S));
        add("tumbling-close-to-null", "tumbling 10, grace 5, retention a day; emit on close; aggregate from \"\": low(v) ? agg + v : null",
            b -> windows(by(b, TUMBLING).emitStrategy(close)
                .aggregate(() -> "", (k, v, a) -> Dsl.low(v) ? a + v : null, win("agg").withRetention(Dsl.DAY)), 10_000, S));
        add("hopping-close", "hopping 10 by 3, grace 5, retention a day; emit on close; reduce a + b",
            b -> windows(by(b, HOPPING).emitStrategy(close).reduce((x, y) -> x + y, win("agg").withRetention(Dsl.DAY)), 10_000, S));
        add("tumbling-close-default-retention", "tumbling 10, grace 5, default retention; emit on close; count",
            b -> windows(by(b, TUMBLING).emitStrategy(close).count(winCount("agg")), 10_000, L)).sameInputsAs("windows/tumbling-close");
        add("tumbling-close-throttled", "tumbling 10, grace 5, retention a day; emit on close, looked for every second of the wall clock; count",
            b -> windows(by(b, TUMBLING).emitStrategy(close).count(winCount("agg").withRetention(Dsl.DAY)), 10_000, L)).emitEvery(sec(1))
            .from(Inputs.of("in").unit(1000, 300).ticks(0.4));
        add("tumbling-close-cached", "as tumbling-close, with a cache",
            b -> windows(by(b, TUMBLING).emitStrategy(close).count(winCount("agg").withRetention(Dsl.DAY)), 10_000, L)).cached().sameInputsAs("windows/tumbling-close");
        add("tumbling-close-group-by", "groupBy v named g; tumbling 10, grace 5, retention a day; emit on close; count",
            b -> windows(in(b).groupBy((k, v) -> v, grouped("g")).windowedBy(TUMBLING).emitStrategy(close)
                .count(winCount("agg").withRetention(Dsl.DAY)), 10_000, L));
    }

    private void stores() {
        add("tumbling-cached", "as tumbling-count, with a cache", b -> windows(by(b, TUMBLING).count(winCount("agg")), 10_000, L)).cached();
        add("hopping-cached", "as hopping-aggregate, with a cache",
            b -> windows(by(b, HOPPING).aggregate(() -> "", (k, v, a) -> a + v, win("agg")), 10_000, S)).cached();
        add("tumbling-in-memory", "as tumbling-count; an in-memory store with retention 15", b -> windows(by(b, TUMBLING)
            .count(Materialized.<String, Long>as(Stores.inMemoryWindowStore("agg", sec(15), sec(10), false)).withKeySerde(S).withValueSerde(L)), 10_000, L));
        add("tumbling-then-group", "tumbling 10, grace 5; count; toStream with key: the inner key; mapValues the count as decimal; groupByKey named g; "
            + "reduce a + b in agg2", b -> by(b, TUMBLING).count(winCount("agg")).toStream((k, v) -> k.key()).mapValues(v -> String.valueOf(v))
            .groupByKey(grouped("g")).reduce((x, y) -> x + y, Dsl.kv("agg2")).toStream().to("out", Produced.with(S, S)));
        add("windowed-table-group-by", "tumbling 10, grace 5; count; table groupBy (inner key, count as decimal) named g; "
            + "aggregate from \"\": add agg + \"+\" + v, subtract agg + \"-\" + v, in agg2", b -> by(b, TUMBLING).count(winCount("agg"))
            .groupBy((k, v) -> KeyValue.pair(k.key(), String.valueOf(v)), grouped("g"))
            .aggregate(() -> "", (k, v, a) -> a + "+" + v, (k, v, a) -> a + "-" + v, Dsl.kv("agg2")).toStream().to("out", Produced.with(S, S)));
        add("windowed-key-through-topic", "tumbling 10, grace 5; count -> middle; source middle with windowed keys of 10; mapValues n + 1 -> out", b -> {
            by(b, TUMBLING).count(winCount("agg")).toStream().to("middle", Produced.with(WindowedSerdes.timeWindowedSerdeFrom(String.class, 10_000L), L));
            b.stream("middle", Consumed.with(WindowedSerdes.timeWindowedSerdeFrom(String.class, 10_000L), L))
                .mapValues(n -> n == null ? null : n + 1)
                .to("out", Produced.with(WindowedSerdes.timeWindowedSerdeFrom(String.class, 10_000L), L));
        });
    }
}
