package weir.golden.topologies;

import static weir.golden.topologies.Dsl.L;
import static weir.golden.topologies.Dsl.S;
import static weir.golden.topologies.Dsl.counts;
import static weir.golden.topologies.Dsl.grouped;
import static weir.golden.topologies.Dsl.in;
import static weir.golden.topologies.Dsl.kv;
import static weir.golden.topologies.Dsl.kvCount;
import static weir.golden.topologies.Dsl.out;
import static weir.golden.topologies.Dsl.table;

import org.apache.kafka.common.utils.Bytes;
import org.apache.kafka.streams.KeyValue;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.kstream.Consumed;
import org.apache.kafka.streams.kstream.Grouped;
import org.apache.kafka.streams.kstream.KGroupedTable;
import org.apache.kafka.streams.kstream.KTable;
import org.apache.kafka.streams.kstream.Materialized;
import org.apache.kafka.streams.kstream.Named;
import org.apache.kafka.streams.kstream.Produced;
import org.apache.kafka.streams.kstream.ValueTransformerWithKey;
import org.apache.kafka.streams.kstream.ValueTransformerWithKeySupplier;
import org.apache.kafka.streams.processor.ProcessorContext;
import org.apache.kafka.streams.state.KeyValueStore;
import org.apache.kafka.streams.state.Stores;

/** Operators of tables. The table of in has the store t unless what says otherwise; repartitions are named g; results go to out by toStream. */
final class Tables extends Family {
    Tables() {
        super("tables", Inputs.of("in").nulls(0.05, 0.25));
    }

    @Override
    void declare() {
        sources();
        filters();
        values();
        groups();
        cached();
    }

    private static KTable<String, String> t(final StreamsBuilder b) {
        return table(b, "in", "t");
    }

    private static Materialized<String, String, KeyValueStore<Bytes, byte[]>> lru(final String name, final int rows) {
        return Materialized.<String, String>as(Stores.lruMap(name, rows)).withKeySerde(S).withValueSerde(S);
    }

    private static Inputs many() {
        return new Inputs().topic("in", Inputs.keys(5), Inputs.words()).nulls(0.05, 0.2);
    }

    private static KTable<String, String> virtual(final StreamsBuilder b) {
        return b.table("in", Consumed.with(S, S));
    }

    private void sources() {
        add("table", "table of in", b -> out(t(b)));
        add("table-if-needed", "table of in without a store", b -> out(virtual(b)));
        add("table-in-memory", "table of in in an in-memory store t", b -> out(b.table("in", Consumed.with(S, S),
            Materialized.<String, String>as(Stores.inMemoryKeyValueStore("t")).withKeySerde(S).withValueSerde(S))));
        add("table-lru", "table of in in an LRU store t of 2 entries; filter low(v), materialised as f", b -> out(b.table("in", Consumed.with(S, S), lru("t", 2))
            .filter((k, v) -> Dsl.low(v), kv("f")))).from(many());
        add("to-table-lru", "stream of in; toTable in an LRU store t of 2 entries; filter low(v), materialised as f",
            b -> out(in(b).toTable(lru("t", 2)).filter((k, v) -> Dsl.low(v), kv("f")))).from(many());
        add("filter-lru", "table of in; filter low(v), materialised as an LRU store f of 2 entries", b -> out(t(b).filter((k, v) -> Dsl.low(v), lru("f", 2)))).from(many());
        add("table-no-changelog", "table of in, logging disabled", b -> out(b.table("in", Consumed.with(S, S), kv("t").withLoggingDisabled())));
        add("to-stream-key", "table of in; toStream with key v", b -> out(t(b).toStream((k, v) -> v)));
        add("to-stream-twice", "table of in; toStream -> out; toStream with v + \"2\" -> out-2", b -> {
            final KTable<String, String> t = t(b);
            out(t);
            t.toStream().mapValues(v -> v + "2").to("out-2", Produced.with(S, S));
        });
        add("to-table", "stream of in; toTable in t", b -> out(in(b).toTable(kv("t"))));
        add("to-table-rekeyed", "stream of in; selectKey v; toTable named r in t", b -> out(in(b).selectKey((k, v) -> v).toTable(Named.as("r"), kv("t"))));
        add("to-table-if-needed", "stream of in; toTable without a store; filter low(v)",
            b -> out(in(b).toTable(Materialized.with(S, S)).filter((k, v) -> Dsl.low(v))));
    }

    private void filters() {
        add("filter", "table of in; filter low(v)", b -> out(t(b).filter((k, v) -> Dsl.low(v))));
        add("filter-not", "table of in; filterNot low(v)", b -> out(t(b).filterNot((k, v) -> Dsl.low(v))));
        add("filter-if-needed", "table of in without a store; filter low(v)", b -> out(virtual(b).filter((k, v) -> Dsl.low(v))));
        add("filter-materialized", "table of in without a store; filter low(v), materialised as f",
            b -> out(virtual(b).filter((k, v) -> Dsl.low(v), kv("f"))));
        add("filter-materialized-source", "table of in; filter low(v), materialised as f", b -> out(t(b).filter((k, v) -> Dsl.low(v), kv("f"))));
        add("filter-twice", "table of in; filter low(v); filterNot k == \"a\", materialised as f",
            b -> out(t(b).filter((k, v) -> Dsl.low(v)).filterNot((k, v) -> k.equals("a"), kv("f"))));
        add("filter-aggregate", "stream of in; groupByKey; reduce to the later in agg; filter low(v); toStream",
            b -> out(in(b).groupByKey().reduce((x, y) -> y, kv("agg")).filter((k, v) -> Dsl.low(v))));
    }

    private void values() {
        add("map-values", "table of in; mapValues v + \"!\"", b -> out(t(b).mapValues(v -> v + "!")));
        add("map-values-key", "table of in without a store; mapValues v + \"-\" + k", b -> out(virtual(b).mapValues((k, v) -> v + "-" + k)));
        add("map-values-materialized", "table of in; mapValues v + \"!\", materialised as m", b -> out(t(b).mapValues(v -> v + "!", kv("m"))));
        add("map-values-to-null", "table of in; mapValues low(v) ? v : null, materialised as m",
            b -> out(t(b).mapValues(v -> Dsl.low(v) ? v : null, kv("m"))));
        add("map-then-filter", "table of in; mapValues the first letter of v; filter v < \"d\", materialised as f",
            b -> out(t(b).mapValues(v -> v.substring(0, 1)).filter((k, v) -> v.compareTo("d") < 0, kv("f"))));
        add("transform-values", "table of in; transformValues with the store seen (string to long): n = seen[k] or 0; seen[k] = n + 1; v + \"#\" + n",
            b -> out(t(b).transformValues(new Numbering(), seen(b))));
        add("transform-values-materialized", "as transform-values, materialised as m", b -> out(t(b).transformValues(new Numbering(), kv("m"), seen(b))));
        add("transform-context", "table of in; transformValues v + \"@\" + the record context's time + \"[\" + its headers' values + \"]\" (not materialised); "
            + "left-joined with the table of in2 in r: left + \"/\" + right, materialised as j", b -> out(t(b).transformValues(InContext::new)
            .leftJoin(table(b, "in2", "r"), (x, y) -> x + "/" + y, kv("j")))).from(Inputs.of("in", "in2").nulls(0.05, 0.25));
        add("transform-context-group", "table of in; transformValues as in transform-context (not materialised); groupBy (v's first letter, v); "
            + "aggregate in agg from \"\": add agg + \"+\" + v, subtract agg + \"-\" + v", b -> out(t(b).transformValues(InContext::new)
            .groupBy((k, v) -> KeyValue.pair(v.substring(0, 1), v), grouped("g")).aggregate(() -> "", (k, v, a) -> a + "+" + v, (k, v, a) -> a + "-" + v, agg())));
        add("transform-values-to-null", "table of in; transformValues low(v) ? v : null (v may be null), materialised as m",
            b -> out(t(b).transformValues(() -> new Lowering(), kv("m"))));
    }

    /** Numbers the updates of each key. */
    private static final class Numbering implements ValueTransformerWithKeySupplier<String, String, String> {
        @Override
        public ValueTransformerWithKey<String, String, String> get() {
            return new ValueTransformerWithKey<>() {
                private KeyValueStore<String, Long> seen;

                @Override
                public void init(final ProcessorContext context) {
                    seen = context.getStateStore("seen");
                }

                @Override
                public String transform(final String k, final String v) {
                    final Long n = seen.get(k);
                    seen.put(k, n == null ? 1 : n + 1);
                    return v + "#" + (n == null ? 0 : n);
                }

                @Override
                public void close() {
                    // nothing was opened
                }
            };
        }
    }

    /** Adds the time and the headers of the record context. */
    private static final class InContext implements ValueTransformerWithKey<String, String, String> {
        private ProcessorContext context;

        @Override
        public void init(final ProcessorContext given) {
            context = given;
        }

        @Override
        public String transform(final String k, final String v) {
            final StringBuilder headers = new StringBuilder();
            context.headers().forEach(h -> headers.append(Inputs.string(h.value())));
            return v + "@" + context.timestamp() + "[" + headers + "]";
        }

        @Override
        public void close() {
            // nothing was opened
        }
    }

    private static String seen(final StreamsBuilder b) {
        b.addStateStore(Stores.keyValueStoreBuilder(Stores.persistentKeyValueStore("seen"), S, L));
        return "seen";
    }

    private static final class Lowering implements ValueTransformerWithKey<String, String, String> {
        @Override
        public void init(final ProcessorContext context) {
            // it needs nothing
        }

        @Override
        public String transform(final String k, final String v) {
            return Dsl.low(v) ? v : null;
        }

        @Override
        public void close() {
            // nothing was opened
        }
    }

    private static KGroupedTable<String, String> letters(final KTable<String, String> t) {
        return t.groupBy((k, v) -> KeyValue.pair(v.substring(0, 1), v), grouped("g"));
    }

    private static Materialized<String, String, KeyValueStore<Bytes, byte[]>> agg() {
        return kv("agg");
    }

    private void groups() {
        add("group-count", "table of in; groupBy (v's first letter, v); count in agg", b -> counts(letters(t(b)).count(kvCount("agg"))));
        add("group-count-if-needed", "table of in without a store of its own, which the grouping makes: in-STATE-STORE-0000000000; groupBy (v's first letter, v); count in agg",
            b -> counts(letters(virtual(b)).count(kvCount("agg"))));
        add("group-count-lru", "table of in; groupBy (v's first letter, v); count in an LRU store agg of 2 entries", b -> counts(letters(t(b)).count(
            Materialized.<String, Long>as(Stores.lruMap("agg", 2)).withKeySerde(S).withValueSerde(L))));
        add("group-reduce", "table of in; groupBy (v's first letter, v); reduce in agg: add a + \"+\" + b, subtract a + \"-\" + b",
            b -> out(letters(t(b)).reduce((x, y) -> x + "+" + y, (x, y) -> x + "-" + y, agg())));
        add("group-aggregate", "table of in; groupBy (v's first letter, v); aggregate in agg from \"\": add agg + \"+\" + k + v, subtract agg + \"-\" + k + v",
            b -> out(letters(t(b)).aggregate(() -> "", (k, v, a) -> a + "+" + k + v, (k, v, a) -> a + "-" + k + v, agg())));
        add("group-aggregate-to-null", "table of in; groupBy (v's first letter, v); aggregate in agg from \"\": add agg + v, subtract null",
            b -> out(letters(t(b)).aggregate(() -> "", (k, v, a) -> a + v, (k, v, a) -> null, agg())));
        add("group-null-init", "table of in; groupBy (v's first letter, v); aggregate in agg from null: add, subtract: agg == null ? v : agg + v",
            b -> out(letters(t(b)).aggregate(() -> null, (k, v, a) -> a == null ? v : a + v, (k, v, a) -> a == null ? v : a + v, agg())));
        add("group-same-key", "table of in; groupBy (k, v); aggregate in agg from \"\": add agg + \"+\" + v, subtract agg + \"-\" + v",
            b -> out(t(b).groupBy(KeyValue::pair, grouped("g")).aggregate(() -> "", (k, v, a) -> a + "+" + v, (k, v, a) -> a + "-" + v, agg())));
        add("group-null-key", "table of in; groupBy (low(v) ? v's first letter : null, v); reduce in agg: add a + b, subtract a + \"-\" + b",
            b -> out(t(b).groupBy((k, v) -> KeyValue.pair(Dsl.low(v) ? v.substring(0, 1) : null, v), grouped("g"))
                .reduce((x, y) -> x + y, (x, y) -> x + "-" + y, agg())));
        add("group-null-value", "table of in; groupBy (v's digit, low(v) ? v : null); reduce in agg: add a + b, subtract a + \"-\" + b",
            b -> out(t(b).groupBy((k, v) -> KeyValue.pair(v.substring(1), Dsl.low(v) ? v : null), grouped("g"))
                .reduce((x, y) -> x + y, (x, y) -> x + "-" + y, agg())));
        add("group-of-filter", "table of in; filter low(v) (virtual); groupBy (v's first letter, v); reduce in agg: add a + b, subtract a + \"-\" + b",
            b -> out(letters(t(b).filter((k, v) -> Dsl.low(v))).reduce((x, y) -> x + y, (x, y) -> x + "-" + y, agg())));
        add("group-of-map", "table of in; mapValues v + \"!\", materialised as m; groupBy (v's first letter, v); reduce in agg: add a + b, subtract a + \"-\" + b",
            b -> out(letters(t(b).mapValues(v -> v + "!", kv("m"))).reduce((x, y) -> x + y, (x, y) -> x + "-" + y, agg())));
        add("group-of-count", "stream of in; groupByKey; count in c; groupBy (count as decimal, k) named g; aggregate in agg from \"\": "
            + "add agg + \"+\" + v, subtract agg + \"-\" + v", b -> out(in(b).groupByKey().count(kvCount("c"))
            .groupBy((k, n) -> KeyValue.pair(String.valueOf(n), k), Grouped.with("g", S, S))
            .aggregate(() -> "", (k, v, a) -> a + "+" + v, (k, v, a) -> a + "-" + v, agg())));
        add("group-of-reduce", "stream of in; groupByKey; reduce a + b in r; groupBy (length of v as decimal, k) named g; aggregate in agg from \"\": "
            + "add agg + \"+\" + v, subtract agg + \"-\" + v", b -> out(in(b).groupByKey().reduce((x, y) -> x + y, kv("r"))
            .groupBy((k, v) -> KeyValue.pair(String.valueOf(v.length()), k), Grouped.with("g", S, S))
            .aggregate(() -> "", (k, v, a) -> a + "+" + v, (k, v, a) -> a + "-" + v, agg())));
        add("group-then-filter", "table of in; groupBy (v's first letter, v); count in agg; filter n > 1, materialised as f",
            b -> counts(letters(t(b)).count(kvCount("agg")).filter((k, n) -> n > 1, kvCount("f"))));
        add("group-of-group", "table of in; groupBy (v's first letter, v); count in agg; groupBy (count as decimal, k) named g2; count in agg2",
            b -> counts(letters(t(b)).count(kvCount("agg")).groupBy((k, n) -> KeyValue.pair(String.valueOf(n), k), Grouped.with("g2", S, S))
                .count(kvCount("agg2"))));
        add("two-of-one-group", "table of in; groupBy (v's first letter, v); count in agg -> out; reduce in agg2: add a + b, subtract a + \"-\" + b -> out-2", b -> {
            final KGroupedTable<String, String> g = letters(t(b));
            counts(g.count(kvCount("agg")));
            g.reduce((x, y) -> x + y, (x, y) -> x + "-" + y, kv("agg2")).toStream().to("out-2", Produced.with(S, S));
        });
    }

    private void cached() {
        add("table-cached", "as table, with a cache", b -> out(t(b))).cached();
        add("filter-materialized-cached", "as filter-materialized-source, with a cache", b -> out(t(b).filter((k, v) -> Dsl.low(v), kv("f")))).cached();
        add("group-aggregate-cached", "as group-aggregate, with a cache",
            b -> out(letters(t(b)).aggregate(() -> "", (k, v, a) -> a + "+" + k + v, (k, v, a) -> a + "-" + k + v, agg()))).cached();
    }
}
