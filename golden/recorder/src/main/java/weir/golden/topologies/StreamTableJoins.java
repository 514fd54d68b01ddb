package weir.golden.topologies;

import static weir.golden.topologies.Dsl.S;
import static weir.golden.topologies.Dsl.grouped;
import static weir.golden.topologies.Dsl.in;
import static weir.golden.topologies.Dsl.kv;
import static weir.golden.topologies.Dsl.kvCount;
import static weir.golden.topologies.Dsl.out;
import static weir.golden.topologies.Dsl.sec;
import static weir.golden.topologies.Dsl.table;

import java.time.Duration;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.kstream.Consumed;
import org.apache.kafka.streams.kstream.Joined;
import org.apache.kafka.streams.kstream.KTable;
import org.apache.kafka.streams.kstream.Materialized;
import org.apache.kafka.streams.state.Stores;

/** Joins of the stream of in with the table of r, whose store is t. The joiner is v + "/" + row; results go to out. Durations in what are seconds. */
final class StreamTableJoins extends Family {
    private static final Joined<String, String, String> J = Joined.with(S, S, S, "j");

    StreamTableJoins() {
        super("stream-table", Inputs.of("in", "r"));
    }

    @Override
    void declare() {
        plain();
        tables();
        versioned();
    }

    private static KTable<String, String> t(final StreamsBuilder b) {
        return table(b, "r", "t");
    }

    private static String join(final String v, final String row) {
        return v + "/" + row;
    }

    private void plain() {
        add("inner", "join", b -> out(in(b).join(t(b), StreamTableJoins::join)));
        add("left", "leftJoin", b -> out(in(b).leftJoin(t(b), StreamTableJoins::join)));
        add("inner-key", "join with k + \":\" + v + \"/\" + row", b -> out(in(b).join(t(b), (k, v, row) -> k + ":" + join(v, row))));
        add("left-key", "leftJoin with k + \":\" + v + \"/\" + row", b -> out(in(b).leftJoin(t(b), (k, v, row) -> k + ":" + join(v, row))));
        add("inner-to-null", "join with low(v) ? v + \"/\" + row : null", b -> out(in(b).join(t(b), (v, row) -> Dsl.low(v) ? join(v, row) : null)));
        add("inner-rekeyed", "in, selectKey the first letter of v (null of null); join named j",
            b -> out(in(b).selectKey((k, v) -> v == null ? null : v.substring(0, 1)).join(t(b), StreamTableJoins::join, J)));
        add("left-rekeyed", "in, selectKey the first letter of v (null of null); leftJoin named j",
            b -> out(in(b).selectKey((k, v) -> v == null ? null : v.substring(0, 1)).leftJoin(t(b), StreamTableJoins::join, J)));
        add("left-null-keys", "leftJoin, with many null keys", b -> out(in(b).leftJoin(t(b), StreamTableJoins::join))).from(Inputs.of("in", "r").nulls(0.4, 0.2));
        add("twice", "join with the table of r, then leftJoin with the table of r2 in t2", b -> out(in(b).join(t(b), StreamTableJoins::join)
            .leftJoin(table(b, "r2", "t2"), StreamTableJoins::join))).from(Inputs.of("in", "r", "r2"));
        add("then-count", "join; selectKey the first letter of the result; groupByKey named g; count in agg", b -> Dsl.counts(in(b).join(t(b), StreamTableJoins::join)
            .selectKey((k, v) -> v.substring(0, 1)).groupByKey(grouped("g")).count(kvCount("agg"))));
        add("cached", "as left, with a cache", b -> out(in(b).leftJoin(t(b), StreamTableJoins::join))).cached();
    }

    private void tables() {
        add("virtual-filter", "the table of r in t, filter low(row) (virtual); leftJoin",
            b -> out(in(b).leftJoin(t(b).filter((k, v) -> Dsl.low(v)), StreamTableJoins::join)));
        add("virtual-map", "the table of r in t, mapValues row + \"!\" (virtual); leftJoin",
            b -> out(in(b).leftJoin(t(b).mapValues(v -> v + "!"), StreamTableJoins::join)));
        add("aggregate", "the stream of r, groupByKey, reduce a + b in agg; join", b -> out(in(b).join(
            Dsl.stream(b, "r").groupByKey().reduce((x, y) -> x + y, kv("agg")), StreamTableJoins::join)));
        add("own-count", "in, groupByKey, reduce a + b in agg; in joined with that table", b -> {
            final var s = in(b);
            out(s.join(s.groupByKey().reduce((x, y) -> x + y, kv("agg")), StreamTableJoins::join));
        }).from(Inputs.of("in"));
        add("in-memory", "leftJoin; t is an in-memory store", b -> out(in(b).leftJoin(b.table("r", Consumed.with(S, S),
            Materialized.<String, String>as(Stores.inMemoryKeyValueStore("t")).withKeySerde(S).withValueSerde(S)), StreamTableJoins::join)));
    }

    private static KTable<String, String> history(final StreamsBuilder b, final long seconds) {
        return b.table("r", Consumed.with(S, S), Materialized.<String, String>as(Stores.persistentVersionedKeyValueStore("t", sec(seconds)))
            .withKeySerde(S).withValueSerde(S));
    }

    private static Joined<String, String, String> grace(final Duration grace) {
        return J.withGracePeriod(grace);
    }

    private void versioned() {
        add("versioned-inner", "t is versioned with a history of 60; join", b -> out(in(b).join(history(b, 60), StreamTableJoins::join)));
        add("versioned-left", "t is versioned with a history of 60; leftJoin", b -> out(in(b).leftJoin(history(b, 60), StreamTableJoins::join)));
        add("grace-inner", "t is versioned with a history of 60; join named j with grace 5", b -> out(in(b).join(history(b, 60), StreamTableJoins::join, grace(sec(5)))));
        add("grace-zero", "t is versioned with a history of 60; join named j with grace 0",
            b -> out(in(b).join(history(b, 60), StreamTableJoins::join, grace(Duration.ZERO))));
        add("grace-left", "t is versioned with a history of 60; leftJoin named j with grace 5; no null keys",
            b -> out(in(b).leftJoin(history(b, 60), StreamTableJoins::join, grace(sec(5))))).from(Inputs.of("in", "r").nulls(0, 0.1));
        add("grace-left-null-key", "as grace-left, with null keys", b -> out(in(b).leftJoin(history(b, 60), StreamTableJoins::join, grace(sec(5)))));
        add("grace-rekeyed", "in, selectKey the first letter of v (null of null); t is versioned with a history of 60; join named j with grace 5",
            b -> out(in(b).selectKey((k, v) -> v == null ? null : v.substring(0, 1)).join(history(b, 60), StreamTableJoins::join, grace(sec(5)))));
    }
}
