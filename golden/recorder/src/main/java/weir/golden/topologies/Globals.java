package weir.golden.topologies;

import static weir.golden.topologies.Dsl.S;
import static weir.golden.topologies.Dsl.in;
import static weir.golden.topologies.Dsl.kv;
import static weir.golden.topologies.Dsl.out;

import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.Topology;
import org.apache.kafka.streams.kstream.Consumed;
import org.apache.kafka.streams.kstream.GlobalKTable;
import org.apache.kafka.streams.processor.api.ContextualProcessor;
import org.apache.kafka.streams.processor.api.Record;
import org.apache.kafka.streams.state.KeyValueStore;
import org.apache.kafka.streams.state.Stores;

/** Joins of the stream of in with the global table of r, whose store is gt; global and read-only stores. The joiner is v + "/" + row; results go to out. */
final class Globals extends Family {
    Globals() {
        super("global", new Inputs().topic("in", Inputs.keys(4), Inputs.words()).topic("r", Inputs.oneOf("a", "b", "c", "d", "e", "f"), Inputs.words())
            .nulls(0.06, 0.15));
    }

    private static GlobalKTable<String, String> gt(final StreamsBuilder b) {
        return b.globalTable("r", Consumed.with(S, S), kv("gt"));
    }

    private static String join(final String v, final String row) {
        return v + "/" + row;
    }

    private static String letter(final String v) {
        return v == null ? null : v.substring(0, 1);
    }

    @Override
    void declare() {
        add("inner", "join on k", b -> out(in(b).join(gt(b), (k, v) -> k, Globals::join)));
        add("left", "leftJoin on k", b -> out(in(b).leftJoin(gt(b), (k, v) -> k, Globals::join)));
        add("inner-other-key", "join on the first letter of v (null of null)", b -> out(in(b).join(gt(b), (k, v) -> letter(v), Globals::join)));
        add("left-other-key", "leftJoin on the first letter of v (null of null)", b -> out(in(b).leftJoin(gt(b), (k, v) -> letter(v), Globals::join)));
        add("inner-null-key", "join on low(v) ? the first letter of v : null", b -> out(in(b).join(gt(b), (k, v) -> Dsl.low(v) ? letter(v) : null, Globals::join)));
        add("left-null-key", "leftJoin on low(v) ? the first letter of v : null",
            b -> out(in(b).leftJoin(gt(b), (k, v) -> Dsl.low(v) ? letter(v) : null, Globals::join)));
        add("inner-key", "join on the first letter of v with k + \":\" + v + \"/\" + row, where k is the stream's key",
            b -> out(in(b).join(gt(b), (k, v) -> letter(v), (k, v, row) -> k + ":" + join(v, row))));
        add("left-key", "leftJoin on the first letter of v with k + \":\" + v + \"/\" + row, where k is the stream's key",
            b -> out(in(b).leftJoin(gt(b), (k, v) -> letter(v), (k, v, row) -> k + ":" + join(v, row))));
        add("two", "join on k; leftJoin on the first letter of v with the global table of r2 in gt2", b -> out(in(b).join(gt(b), (k, v) -> k, Globals::join)
            .leftJoin(b.globalTable("r2", Consumed.with(S, S), kv("gt2")), (k, v) -> letter(v), Globals::join)))
            .from(Inputs.of("in", "r", "r2").nulls(0.06, 0.15));
        add("rekeyed", "in, selectKey v; join on the first letter of the key (null of null): no repartition",
            b -> out(in(b).selectKey((k, v) -> v).join(gt(b), (k, v) -> letter(k), Globals::join)));
        stores();
    }

    /** Puts each record under its key, with an exclamation mark; null deletes, and a null key is ignored. */
    private static final class Marking extends ContextualProcessor<String, String, Void, Void> {
        private final String store;

        Marking(final String store) {
            this.store = store;
        }

        @Override
        public void process(final Record<String, String> r) {
            if (r.key() != null) {
                context().<KeyValueStore<String, String>>getStateStore(store).put(r.key(), r.value() == null ? null : r.value() + "!");
            }
        }
    }

    /** Forwards each record with what the store has for its key: v/row. */
    private static final class Looking extends ContextualProcessor<String, String, String, String> {
        private final String store;

        Looking(final String store) {
            this.store = store;
        }

        @Override
        public void process(final Record<String, String> r) {
            final KeyValueStore<String, String> rows = context().getStateStore(store);
            context().forward(r.withValue(join(r.value(), r.key() == null ? null : rows.get(r.key()))));
        }
    }

    private void stores() {
        add("store", "global store gs of r, by a processor that puts v + \"!\" (null deletes, a null key is ignored); "
            + "in, process: v + \"/\" + gs[k], null for a null key", b -> {
            b.addGlobalStore(Stores.keyValueStoreBuilder(Stores.persistentKeyValueStore("gs"), S, S).withLoggingDisabled(), "r", Consumed.with(S, S),
                () -> new Marking("gs"));
            out(in(b).process(() -> new Looking("gs")));
        });
        processors("read-only-store", "read-only store ro of r (source r-source), by a processor that puts the record as it is (a null key is ignored); "
            + "source of in, processor p: v + \"/\" + ro[k], null for a null key; sink out", config -> {
            final Topology t = new Topology();
            t.addReadOnlyStateStore(Stores.keyValueStoreBuilder(Stores.persistentKeyValueStore("ro"), S, S), "r-source", new StringDeserializer(),
                new StringDeserializer(), "r", "fill", Keeping::new);
            return t.addSource("source", new StringDeserializer(), new StringDeserializer(), "in").addProcessor("p", () -> new Looking("ro"), "source")
                .connectProcessorAndStateStores("p", "ro").addSink("sink", "out", new StringSerializer(), new StringSerializer(), "p");
        });
    }

    private static final class Keeping extends ContextualProcessor<String, String, Void, Void> {
        @Override
        public void process(final Record<String, String> r) {
            if (r.key() != null) {
                context().<KeyValueStore<String, String>>getStateStore("ro").put(r.key(), r.value());
            }
        }
    }
}
