package weir.golden.topologies;

import static weir.golden.topologies.Dsl.L;
import static weir.golden.topologies.Dsl.S;
import static weir.golden.topologies.Dsl.grouped;
import static weir.golden.topologies.Dsl.in;
import static weir.golden.topologies.Dsl.kv;
import static weir.golden.topologies.Dsl.kvCount;
import static weir.golden.topologies.Dsl.out;

import java.util.Map;
import org.apache.kafka.streams.KeyValue;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.kstream.Consumed;
import org.apache.kafka.streams.kstream.Grouped;
import org.apache.kafka.streams.kstream.KGroupedStream;
import org.apache.kafka.streams.kstream.Materialized;
import org.apache.kafka.streams.kstream.Produced;
import org.apache.kafka.streams.kstream.Repartitioned;
import org.apache.kafka.streams.state.Stores;

/** Aggregations of streams by key. Stores are named agg, repartitions g, unless what says otherwise; results go to out by toStream. */
final class Aggregates extends Family {
    Aggregates() {
        super("aggregates", Inputs.of("in"));
    }

    @Override
    void declare() {
        counts();
        reductions();
        aggregations();
        stores();
    }

    private void counts() {
        add("count", "groupByKey; count", b -> Dsl.counts(in(b).groupByKey().count(kvCount("agg"))));
        add("count-group-by", "groupBy v; count", b -> Dsl.counts(in(b).groupBy((k, v) -> v, grouped("g")).count(kvCount("agg"))));
        add("count-after-map", "map (v, k); groupByKey named g; count",
            b -> Dsl.counts(in(b).map((k, v) -> KeyValue.pair(v, k)).groupByKey(grouped("g")).count(kvCount("agg"))));
        add("count-after-repartition", "selectKey v; repartition named r; groupByKey; count (no second repartition)",
            b -> Dsl.counts(in(b).selectKey((k, v) -> v)
                .repartition(Repartitioned.with(S, S).withName("r")).groupByKey().count(kvCount("agg"))));
        add("count-filtered", "groupByKey; count; table filter n % 2 == 0; toStream",
            b -> Dsl.counts(in(b).groupByKey().count(kvCount("agg")).filter((k, n) -> n % 2 == 0)));
        add("count-merged", "in merged with in2; groupByKey; count",
            b -> Dsl.counts(in(b).merge(Dsl.stream(b, "in2")).groupByKey(grouped("g")).count(kvCount("agg")))).from(Inputs.of("in", "in2"));
        add("count-of-counts", "groupByKey; count in agg; toStream; map (k, n as decimal); groupBy n named g; count in agg2",
            b -> Dsl.counts(in(b).groupByKey().count(kvCount("agg")).toStream().map((k, n) -> KeyValue.pair(k, String.valueOf(n)))
                .groupBy((k, v) -> v, grouped("g")).count(kvCount("agg2"))));
        add("two-of-one-group", "groupBy v named g; count in agg -> out; reduce a + b in agg2 -> out-2 (one repartition for both)", b -> {
            final KGroupedStream<String, String> g = in(b).groupBy((k, v) -> v, grouped("g"));
            Dsl.counts(g.count(kvCount("agg")));
            g.reduce((x, y) -> x + y, kv("agg2")).toStream().to("out-2", Produced.with(S, S));
        });
    }

    private void reductions() {
        add("reduce", "groupByKey; reduce a + b", b -> out(in(b).groupByKey().reduce((x, y) -> x + y, kv("agg"))));
        add("reduce-last", "groupByKey; reduce the later argument", b -> out(in(b).groupByKey().reduce((x, y) -> y, kv("agg"))));
        add("reduce-to-null", "groupByKey; reduce: null if b begins with a letter from e on, else a + b",
            b -> out(in(b).groupByKey().reduce((x, y) -> Dsl.low(y) ? x + y : null, kv("agg"))));
        add("reduce-group-by", "groupBy v's first letter as a string, null if v is null; reduce a + b",
            b -> out(in(b).groupBy((k, v) -> v == null ? null : v.substring(0, 1), grouped("g")).reduce((x, y) -> x + y, kv("agg"))));
        add("reduce-longs", "values are longs; groupByKey; reduce a + b", b -> Dsl.counts(b.stream("in", Consumed.with(S, L))
            .groupByKey(Grouped.with(S, L)).reduce(Long::sum, kvCount("agg"))))
            .from(new Inputs().topic("in", Inputs.keys(3), Inputs.longs(100)));
    }

    private void aggregations() {
        add("aggregate", "groupByKey; aggregate from \"\": agg + v", b -> out(in(b).groupByKey().aggregate(() -> "", (k, v, a) -> a + v, kv("agg"))));
        add("aggregate-key", "groupByKey; aggregate from \"0\": agg + k + v",
            b -> out(in(b).groupByKey().aggregate(() -> "0", (k, v, a) -> a + k + v, kv("agg"))));
        add("aggregate-null-init", "groupByKey; aggregate from null: agg == null ? v : agg + v",
            b -> out(in(b).groupByKey().aggregate(() -> null, (k, v, a) -> a == null ? v : a + v, kv("agg"))));
        add("aggregate-to-null", "groupByKey; aggregate from \"\": null if v begins with a letter from e on, else agg + v",
            b -> out(in(b).groupByKey().aggregate(() -> "", (k, v, a) -> Dsl.low(v) ? a + v : null, kv("agg"))));
        add("aggregate-group-by", "groupBy v; aggregate from \"\": agg + v",
            b -> out(in(b).groupBy((k, v) -> v, grouped("g")).aggregate(() -> "", (k, v, a) -> a + v, kv("agg"))));
    }

    private void stores() {
        add("count-cached", "as count, with a cache", b -> Dsl.counts(in(b).groupByKey().count(kvCount("agg")))).cached();
        add("aggregate-to-null-cached", "as aggregate-to-null, with a cache",
            b -> out(in(b).groupByKey().aggregate(() -> "", (k, v, a) -> Dsl.low(v) ? a + v : null, kv("agg")))).cached();
        add("count-caching-disabled", "as count; the app has a cache, the store has caching disabled",
            b -> Dsl.counts(in(b).groupByKey().count(kvCount("agg").withCachingDisabled()))).cached();
        add("count-no-changelog", "as count; logging disabled", b -> Dsl.counts(in(b).groupByKey().count(kvCount("agg").withLoggingDisabled())));
        add("count-changelog-config", "as count; the changelog has min.insync.replicas 2",
            b -> Dsl.counts(in(b).groupByKey().count(kvCount("agg").withLoggingEnabled(Map.of("min.insync.replicas", "2")))));
        add("count-in-memory", "as count; an in-memory store", b -> Dsl.counts(in(b).groupByKey().count(
            Materialized.<String, Long>as(Stores.inMemoryKeyValueStore("agg")).withKeySerde(S).withValueSerde(L))));
        add("count-lru", "as count; an LRU store of 2 entries", b -> Dsl.counts(in(b).groupByKey().count(
            Materialized.<String, Long>as(Stores.lruMap("agg", 2)).withKeySerde(S).withValueSerde(L))))
            .from(new Inputs().topic("in", Inputs.keys(5), Inputs.words()));
        add("aggregate-lru", "groupByKey; aggregate from \"\" in an LRU store of 2 entries: agg + v", b -> out(in(b).groupByKey().aggregate(() -> "", (k, v, a) -> a + v,
            Materialized.<String, String>as(Stores.lruMap("agg", 2)).withKeySerde(S).withValueSerde(S))))
            .from(new Inputs().topic("in", Inputs.keys(5), Inputs.words()));
        add("reduce-lru", "groupByKey; reduce a + b in an LRU store of 3 entries", b -> out(in(b).groupByKey().reduce((x, y) -> x + y,
            Materialized.<String, String>as(Stores.lruMap("agg", 3)).withKeySerde(S).withValueSerde(S))))
            .from(new Inputs().topic("in", Inputs.keys(6), Inputs.words()));
    }
}
