package weir.golden.topologies;

import static weir.golden.topologies.Dsl.L;
import static weir.golden.topologies.Dsl.S;
import static weir.golden.topologies.Dsl.grouped;
import static weir.golden.topologies.Dsl.in;
import static weir.golden.topologies.Dsl.kv;
import static weir.golden.topologies.Dsl.out;
import static weir.golden.topologies.Dsl.sec;
import static weir.golden.topologies.Dsl.stream;

import org.apache.kafka.common.serialization.Serde;
import org.apache.kafka.common.utils.Bytes;
import org.apache.kafka.streams.KeyValue;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.kstream.Consumed;
import org.apache.kafka.streams.kstream.KTable;
import org.apache.kafka.streams.kstream.Materialized;
import org.apache.kafka.streams.kstream.TableJoined;
import org.apache.kafka.streams.processor.api.ContextualProcessor;
import org.apache.kafka.streams.processor.api.Record;
import org.apache.kafka.streams.state.KeyValueStore;
import org.apache.kafka.streams.state.Stores;
import org.apache.kafka.streams.state.VersionedKeyValueStore;
import org.apache.kafka.streams.state.VersionedRecord;

/** Versioned stores, with a history of 60 seconds unless what says otherwise. The table of in has the versioned store t; results go to out. */
final class Versioned extends Family {
    Versioned() {
        super("versioned", new Inputs().topic("in", Inputs.keys(2), Inputs.words()).nulls(0.04, 0.2).unit(1000, 120).disorder(0.35, 0.08, 0.04));
    }

    private static <V> Materialized<String, V, KeyValueStore<Bytes, byte[]>> history(final String store, final long seconds, final Serde<V> values) {
        return Materialized.<String, V>as(Stores.persistentVersionedKeyValueStore(store, sec(seconds))).withKeySerde(S).withValueSerde(values);
    }

    private static KTable<String, String> t(final StreamsBuilder b) {
        return b.table("in", Consumed.with(S, S), history("t", 60, S));
    }

    private static KTable<String, String> r(final StreamsBuilder b) {
        return b.table("in2", Consumed.with(S, S), history("r", 60, S));
    }

    @Override
    void declare() {
        tables();
        joins();
        processors();
    }

    private void tables() {
        add("table", "table of in", b -> out(t(b)));
        add("table-no-history", "table of in with a history of 0", b -> out(b.table("in", Consumed.with(S, S), history("t", 0, S))));
        add("table-long", "table of in with a history of 1000", b -> out(b.table("in", Consumed.with(S, S), history("t", 1000, S))));
        add("filter", "table of in; filter low(v)", b -> out(t(b).filter((k, v) -> Dsl.low(v))));
        add("filter-versioned", "table of in; filter low(v), materialised as the versioned store f", b -> out(t(b).filter((k, v) -> Dsl.low(v), history("f", 60, S))));
        add("map-values", "table of in; mapValues v + \"!\", materialised as m, not versioned", b -> out(t(b).mapValues(v -> v + "!", kv("m"))));
        add("group", "table of in; groupBy (v's first letter, v) named g; reduce in agg: add a + \"+\" + b, subtract a + \"-\" + b",
            b -> out(t(b).groupBy((k, v) -> KeyValue.pair(v.substring(0, 1), v), grouped("g")).reduce((x, y) -> x + "+" + y, (x, y) -> x + "-" + y, kv("agg"))));
        add("to-table", "stream of in; toTable in the versioned store t; filter low(v), materialised as f, not versioned",
            b -> out(in(b).toTable(history("t", 60, S)).filter((k, v) -> Dsl.low(v), kv("f"))));
        add("count", "stream of in; groupByKey; count in the versioned store agg", b -> Dsl.counts(in(b).groupByKey().count(history("agg", 60, L))));
        add("reduce", "stream of in; groupByKey; reduce a + b in the versioned store agg", b -> out(in(b).groupByKey().reduce((x, y) -> x + y, history("agg", 60, S))));
        add("aggregate", "stream of in; groupByKey; aggregate from \"\" in the versioned store agg: low(v) ? agg + v : null",
            b -> out(in(b).groupByKey().aggregate(() -> "", (k, v, a) -> Dsl.low(v) ? a + v : null, history("agg", 60, S))));
    }

    private void joins() {
        final Inputs two = new Inputs().topic("in", Inputs.keys(2), Inputs.words()).topic("in2", Inputs.keys(2), Inputs.words()).nulls(0.04, 0.2)
            .unit(1000, 120).disorder(0.35, 0.08, 0.04);
        add("join", "table of in joined with the table of in2 in the versioned store r: left + \"/\" + right", b -> out(t(b).join(r(b), (x, y) -> x + "/" + y)))
            .from(two);
        add("left-join", "table of in left-joined with the table of in2 in the versioned store r: left + \"/\" + right, materialised as j",
            b -> out(t(b).leftJoin(r(b), (x, y) -> x + "/" + y, kv("j")))).from(two);
        add("outer-join", "table of in outer-joined with the table of in2 in the versioned store r: left + \"/\" + right, materialised as j",
            b -> out(t(b).outerJoin(r(b), (x, y) -> x + "/" + y, kv("j")))).from(two);
        add("outer-join-one", "table of in outer-joined with the table of in2 in r, which is not versioned: left + \"/\" + right, materialised as j",
            b -> out(t(b).outerJoin(Dsl.table(b, "in2", "r"), (x, y) -> x + "/" + y, kv("j")))).from(two);
        add("stream-join", "stream of in2 left-joined with the table of in: v + \"/\" + row", b -> out(stream(b, "in2").leftJoin(t(b), (x, y) -> x + "/" + y))).from(two);
        add("foreign-key", "table of l in the versioned store lt joined with the table of r in the versioned store rt by the foreign key before the colon, "
            + "named fk: left + \"/\" + right, materialised as j", b -> out(b.table("l", Consumed.with(S, S), history("lt", 60, S))
            .join(b.table("r", Consumed.with(S, S), history("rt", 60, S)), v -> v.substring(0, 1), (x, y) -> x + "/" + y,
                TableJoined.<String, String>as("fk"), kv("j"))))
            .from(new Inputs().topic("l", Inputs.keys(3), Inputs.references("x", "y"), 2).topic("r", Inputs.oneOf("x", "y"), Inputs.words())
                .nulls(0.04, 0.2).unit(1000, 120).disorder(0.35, 0.08, 0.04));
    }

    /** Puts, and forwards what the put answered, what the key has now and what it had five seconds before the record. */
    private static final class Asking extends ContextualProcessor<String, String, String, String> {
        @Override
        public void process(final Record<String, String> r) {
            if (r.key() == null) {
                return;
            }
            final VersionedKeyValueStore<String, String> s = context().getStateStore("s");
            if ("d".equals(r.value() == null ? null : r.value().substring(0, 1))) {
                context().forward(r.withValue("deleted " + shown(s.delete(r.key(), r.timestamp()))));
                return;
            }
            final long until = s.put(r.key(), r.value(), r.timestamp());
            context().forward(r.withValue(until + " " + shown(s.get(r.key())) + " " + shown(s.get(r.key(), Math.max(0, r.timestamp() - 5000)))));
        }

        private static String shown(final VersionedRecord<String> v) {
            return v == null ? "null" : v.value() + "@" + v.timestamp();
        }
    }

    private void processors() {
        add("process", "stream of in; process with the versioned store s (history 60); a null key is ignored; v beginning with d: delete at the record's time, "
            + "forward \"deleted \" + what it was; else put at the record's time, forward the put's answer + \" \" + get + \" \" + get as of 5 s before the record "
            + "(not before 0), each as value@time or null. Answers of put: -1 where the version is the latest, -9223372036854775808 where it is too old, else the time until which it is valid",
            b -> {
                b.addStateStore(Stores.versionedKeyValueStoreBuilder(Stores.persistentVersionedKeyValueStore("s", sec(60)), S, S));
                out(in(b).process(Asking::new, "s"));
            });
    }
}
