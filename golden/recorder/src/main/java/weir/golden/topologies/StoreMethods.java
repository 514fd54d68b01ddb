package weir.golden.topologies;

import static weir.golden.topologies.Dsl.S;
import static weir.golden.topologies.Dsl.in;
import static weir.golden.topologies.Dsl.out;
import static weir.golden.topologies.Dsl.sec;

import java.time.Instant;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.function.BiFunction;
import java.util.function.Function;
import org.apache.kafka.common.serialization.StringSerializer;
import org.apache.kafka.streams.KeyValue;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.kstream.Windowed;
import org.apache.kafka.streams.kstream.internals.SessionWindow;
import org.apache.kafka.streams.processor.StateStore;
import org.apache.kafka.streams.processor.StateStoreContext;
import org.apache.kafka.streams.processor.api.ContextualProcessor;
import org.apache.kafka.streams.processor.api.Record;
import org.apache.kafka.streams.state.KeyValueIterator;
import org.apache.kafka.streams.state.KeyValueStore;
import org.apache.kafka.streams.state.SessionBytesStoreSupplier;
import org.apache.kafka.streams.state.SessionStore;
import org.apache.kafka.streams.state.StoreBuilder;
import org.apache.kafka.streams.state.Stores;
import org.apache.kafka.streams.state.WindowBytesStoreSupplier;
import org.apache.kafka.streams.state.WindowStore;
import org.apache.kafka.streams.state.WindowStoreIterator;

/**
 * What a processor can do with a store s of strings: it forwards (k, what the store answers), at the record's time; null keys are ignored. Rows are
 * shown in the order in which they come: of key-value stores as k=v, of window stores as start=v, or k@start-end=v, of sessions as k@start-end=v, each with
 * a comma. A window's or session's start is the record's time less its remainder by 10 s, a session's end the record's time; null values delete.
 */
final class StoreMethods extends Family {
    StoreMethods() {
        super("stores", Inputs.of("in").unit(1000, 60));
    }

    @Override
    void declare() {
        keyValues();
        windows();
        sessions();
        custom();
    }

    /** A processor that asks a store. */
    private static final class Asking<T extends StateStore> extends ContextualProcessor<String, String, String, String> {
        private final BiFunction<T, Record<String, String>, String> ask;

        Asking(final BiFunction<T, Record<String, String>, String> ask) {
            this.ask = ask;
        }

        @Override
        public void process(final Record<String, String> r) {
            if (r.key() != null) {
                context().forward(r.withValue(ask.apply(context().getStateStore("s"), r)));
            }
        }
    }

    private <T extends StateStore> Case asking(final String name, final String what, final StoreBuilder<T> store,
                                               final BiFunction<T, Record<String, String>, String> ask) {
        return add(name, what, b -> {
            b.addStateStore(store);
            out(in(b).process(() -> new Asking<>(ask), "s"));
        });
    }

    private static <K> String shown(final KeyValueIterator<K, String> iterator, final Function<K, String> key) {
        final StringBuilder all = new StringBuilder();
        try (KeyValueIterator<K, String> rows = iterator) {
            rows.forEachRemaining(row -> all.append(key.apply(row.key)).append('=').append(row.value).append(','));
        }
        return all.toString();
    }

    private static String rows(final KeyValueIterator<String, String> rows) {
        return shown(rows, k -> k);
    }

    private static String starts(final WindowStoreIterator<String> rows) {
        return shown(rows, String::valueOf);
    }

    private static String windowed(final KeyValueIterator<Windowed<String>, String> rows) {
        return shown(rows, k -> k.key() + "@" + k.window().start() + "-" + k.window().end());
    }

    private static long start(final Record<String, String> r) {
        return r.timestamp() - r.timestamp() % 10_000;
    }

    private static Instant before(final long time, final long seconds) {
        return Instant.ofEpochMilli(Math.max(0, time - 1000 * seconds));
    }

    private void keyValues() {
        final String scans = "put (k, v); answer \"from:\" + range from aa to the end + \" to:\" + range from the start to b + \" back:\" + reverseRange from aa to b "
            + "+ \" all-back:\" + reverseAll + \" prefix:\" + prefixScan a";
        final Inputs nested = new Inputs().topic("in", Inputs.oneOf("a", "aa", "ab", "b", "ba", "c"), Inputs.words()).nulls(0.05, 0.2);
        asking("key-value-scans", scans, Stores.keyValueStoreBuilder(Stores.persistentKeyValueStore("s"), S, S), StoreMethods::scanned).from(nested);
        asking("key-value-scans-in-memory", scans + "; an in-memory store", Stores.keyValueStoreBuilder(Stores.inMemoryKeyValueStore("s"), S, S),
            StoreMethods::scanned).from(nested);
        asking("put-all", "putAll of (k, v), (v's first letter, k), (k, low(v) ? v + \"!\" : null) in this order, of (k, null) alone where v is null; answer all rows",
            Stores.keyValueStoreBuilder(Stores.persistentKeyValueStore("s"), S, S), (s, r) -> {
                s.putAll(many(r.key(), r.value()));
                return rows(s.all());
            });
        asking("lru", "an LRU store of 2 entries: answer get, then put", Stores.keyValueStoreBuilder(Stores.lruMap("s", 2), S, S), StoreMethods::exchanged)
            .from(new Inputs().topic("in", Inputs.keys(5), Inputs.words()));
        asking("changelog-config", "answer get, then put; the changelog has min.insync.replicas 2", Stores.keyValueStoreBuilder(Stores.persistentKeyValueStore("s"), S, S)
            .withLoggingEnabled(Map.of("min.insync.replicas", "2")), StoreMethods::exchanged);
    }

    private static String scanned(final KeyValueStore<String, String> s, final Record<String, String> r) {
        s.put(r.key(), r.value());
        return "from:" + rows(s.range("aa", null)) + " to:" + rows(s.range(null, "b")) + " back:" + rows(s.reverseRange("aa", "b"))
            + " all-back:" + rows(s.reverseAll()) + " prefix:" + rows(s.prefixScan("a", new StringSerializer()));
    }

    private static List<KeyValue<String, String>> many(final String k, final String v) {
        return v == null ? List.of(KeyValue.pair(k, null))
            : List.of(KeyValue.pair(k, v), KeyValue.pair(v.substring(0, 1), k), KeyValue.pair(k, Dsl.low(v) ? v + "!" : null));
    }

    private static String exchanged(final KeyValueStore<String, String> s, final Record<String, String> r) {
        final String had = s.get(r.key());
        s.put(r.key(), r.value());
        return had;
    }

    private static StoreBuilder<WindowStore<String, String>> windowStore(final WindowBytesStoreSupplier made) {
        return Stores.windowStoreBuilder(made, S, S);
    }

    private void windows() {
        final String scans = "windows of 10 s, retention 120 s: put; answer \"one:\" + fetch of the start (or null) + \" some:\" + fetch over the 60 s up to the start + \" back:\" + the same backwards "
            + "+ \" range:\" + fetch from a to b over the 200 s up to the start + \" range-back:\" + backwards + \" fetch-all:\" + fetchAll over the 60 s up to the start "
            + "+ \" fetch-all-back:\" + backwards + \" all:\" + all + \" all-back:\" + backwardAll";
        asking("window-scans", scans, windowStore(Stores.persistentWindowStore("s", sec(120), sec(10), false)), StoreMethods::windowScans);
        asking("window-scans-in-memory", scans + "; an in-memory store", windowStore(Stores.inMemoryWindowStore("s", sec(120), sec(10), false)),
            StoreMethods::windowScans).sameInputsAs("stores/window-scans");
        final String some = "put; answer fetch over the 60 s up to the start + \" back:\" + the same backwards";
        asking("window-in-memory", "windows of 10 s, retention a day, in memory: " + some, windowStore(Stores.inMemoryWindowStore("s", Dsl.DAY, sec(10), false)),
            StoreMethods::windowFetches);
        asking("window-duplicates", "windows of 10 s, retention a day, retaining duplicates: " + some, windowStore(Stores.persistentWindowStore("s", Dsl.DAY, sec(10), true)),
            StoreMethods::windowFetches).from(new Inputs().topic("in", Inputs.keys(2), Inputs.words()).unit(1000, 60));
        asking("window-cached", "windows of 10 s, retention a day, with a cache: " + some, windowStore(Stores.persistentWindowStore("s", Dsl.DAY, sec(10), false))
            .withCachingEnabled(), StoreMethods::windowFetches).cached();
    }

    private static String windowFetches(final WindowStore<String, String> s, final Record<String, String> r) {
        final Instant to = Instant.ofEpochMilli(start(r));
        s.put(r.key(), r.value(), start(r));
        return starts(s.fetch(r.key(), before(start(r), 60), to)) + " back:" + starts(s.backwardFetch(r.key(), before(start(r), 60), to));
    }

    private static String windowScans(final WindowStore<String, String> s, final Record<String, String> r) {
        final Instant near = before(start(r), 60);
        final Instant far = before(start(r), 200);
        final Instant to = Instant.ofEpochMilli(start(r));
        s.put(r.key(), r.value(), start(r));
        return "one:" + s.fetch(r.key(), start(r)) + " some:" + starts(s.fetch(r.key(), near, to)) + " back:" + starts(s.backwardFetch(r.key(), near, to))
            + " range:" + windowed(s.fetch("a", "b", far, to)) + " range-back:" + windowed(s.backwardFetch("a", "b", far, to))
            + " fetch-all:" + windowed(s.fetchAll(near, to)) + " fetch-all-back:" + windowed(s.backwardFetchAll(near, to))
            + " all:" + windowed(s.all()) + " all-back:" + windowed(s.backwardAll());
    }

    private static StoreBuilder<SessionStore<String, String>> sessionStore(final SessionBytesStoreSupplier made) {
        return Stores.sessionStoreBuilder(made, S, S);
    }

    private void sessions() {
        final String scans = "sessions, retention 120 s: remove the session where v begins with h, else put it; answer \"one:\" + fetchSession (or null) + \" key:\" + fetch of k "
            + "+ \" some:\" + findSessions with an end not before the record's time less 60 s and a start not after it + \" back:\" + the same backwards "
            + "+ \" range:\" + findSessions from a to b, ends not before the time less 200 s and starts not after it + \" all:\" + fetch from null to null";
        asking("session-scans", scans, sessionStore(Stores.persistentSessionStore("s", sec(120))), StoreMethods::sessionScans);
        asking("session-scans-in-memory", scans + "; an in-memory store", sessionStore(Stores.inMemorySessionStore("s", sec(120))), StoreMethods::sessionScans)
            .sameInputsAs("stores/session-scans");
        final String some = "put; answer findSessions with an end not before the record's time less 60 s and a start not after it + \" back:\" + the same backwards";
        asking("session-in-memory", "sessions, retention a day, in memory: " + some, sessionStore(Stores.inMemorySessionStore("s", Dsl.DAY)), StoreMethods::sessionFetches);
        asking("session-cached", "sessions, retention a day, with a cache: " + some, sessionStore(Stores.persistentSessionStore("s", Dsl.DAY)).withCachingEnabled(),
            StoreMethods::sessionFetches).cached();
    }

    private static Windowed<String> session(final Record<String, String> r) {
        return new Windowed<>(r.key(), new SessionWindow(start(r), r.timestamp()));
    }

    private static String sessionFetches(final SessionStore<String, String> s, final Record<String, String> r) {
        final long at = r.timestamp();
        final Instant from = before(at, 60);
        s.put(session(r), r.value());
        return windowed(s.findSessions(r.key(), from, Instant.ofEpochMilli(at))) + " back:"
            + windowed(s.backwardFindSessions(r.key(), from, Instant.ofEpochMilli(at)));
    }

    private static String sessionScans(final SessionStore<String, String> s, final Record<String, String> r) {
        final Instant at = Instant.ofEpochMilli(r.timestamp());
        if (r.value() != null && r.value().startsWith("h")) {
            s.remove(session(r));
        } else {
            s.put(session(r), r.value());
        }
        return "one:" + s.fetchSession(r.key(), start(r), r.timestamp()) + " key:" + windowed(s.fetch(r.key()))
            + " some:" + windowed(s.findSessions(r.key(), before(r.timestamp(), 60), at))
            + " back:" + windowed(s.backwardFindSessions(r.key(), before(r.timestamp(), 60), at))
            + " range:" + windowed(s.findSessions("a", "b", before(r.timestamp(), 200), at)) + " all:" + windowed(s.fetch(null, null));
    }

    /** A store of the user's own: a sorted map, without a changelog. */
    private static final class Sorted implements StateStore {
        private final TreeMap<String, String> rows = new TreeMap<>();
        private boolean open;

        @Override
        public String name() {
            return "s";
        }

        @Override
        public void init(final StateStoreContext context, final StateStore root) {
            context.register(root, (k, v) -> { });
            open = true;
        }

        @Override
        public void close() {
            open = false;
        }

        @Override
        public boolean persistent() {
            return false;
        }

        @Override
        public boolean isOpen() {
            return open;
        }
    }

    private static final class SortedBuilder implements StoreBuilder<Sorted> {
        @Override
        public StoreBuilder<Sorted> withCachingEnabled() {
            return this;
        }

        @Override
        public StoreBuilder<Sorted> withCachingDisabled() {
            return this;
        }

        @Override
        public StoreBuilder<Sorted> withLoggingEnabled(final Map<String, String> config) {
            return this;
        }

        @Override
        public StoreBuilder<Sorted> withLoggingDisabled() {
            return this;
        }

        @Override
        public Sorted build() {
            return new Sorted();
        }

        @Override
        public Map<String, String> logConfig() {
            return Map.of();
        }

        @Override
        public boolean loggingEnabled() {
            return false;
        }

        @Override
        public String name() {
            return "s";
        }
    }

    private void custom() {
        asking("custom", "a store of the user's own, a sorted map without a changelog: put (null deletes); answer get + \" all:\" + all rows from a to b, in their order", new SortedBuilder(), (s, r) -> {
            if (r.value() == null) {
                s.rows.remove(r.key());
            } else {
                s.rows.put(r.key(), r.value());
            }
            final StringBuilder all = new StringBuilder();
            s.rows.subMap("a", true, "b", true).forEach((k, v) -> all.append(k).append('=').append(v).append(','));
            return s.rows.get(r.key()) + " all:" + all;
        });
    }
}
