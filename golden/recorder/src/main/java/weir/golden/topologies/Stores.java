package weir.golden.topologies;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import org.apache.kafka.common.utils.Bytes;
import org.apache.kafka.streams.TopologyTestDriver;
import org.apache.kafka.streams.kstream.Windowed;
import org.apache.kafka.streams.processor.StateStore;
import org.apache.kafka.streams.state.KeyValueIterator;
import org.apache.kafka.streams.state.KeyValueStore;
import org.apache.kafka.streams.state.SessionStore;
import org.apache.kafka.streams.state.TimestampedKeyValueStore;
import org.apache.kafka.streams.state.TimestampedWindowStore;
import org.apache.kafka.streams.state.VersionedKeyValueStore;
import org.apache.kafka.streams.state.VersionedRecord;
import org.apache.kafka.streams.state.WindowStore;
import org.apache.kafka.streams.state.internals.MemoryLRUCache;
import org.apache.kafka.streams.state.internals.TimeOrderedKeyValueBuffer;
import org.apache.kafka.streams.state.internals.WrappedStateStore;

/** Reads what is in the stores, as bytes: below the layer that knows serdes, and below the caches. Rows are sorted, so that an engine's own order does not show. */
final class Stores {
    private static final ObjectMapper JSON = new ObjectMapper();

    private record Row(byte[] key, long start, long end, byte[] value, long time) {
    }

    private static final Comparator<Row> ORDER = Comparator.comparing(Row::key, Arrays::compareUnsigned).thenComparingLong(Row::start)
        .thenComparingLong(Row::end);

    private final TopologyTestDriver driver;
    private final Set<String> keys;
    private final Set<Long> times;

    /** Keys (in hex) and times are all that occurred in the run. */
    Stores(final TopologyTestDriver driver, final Set<String> keys, final Set<Long> times) {
        this.driver = driver;
        this.keys = keys;
        this.times = times;
    }

    ObjectNode dump() {
        final ObjectNode all = JSON.createObjectNode();
        for (final Map.Entry<String, StateStore> store : new TreeMap<>(driver.getAllStateStores()).entrySet()) {
            all.set(store.getKey(), dump(store.getValue()));
        }
        return all;
    }

    private ObjectNode dump(final StateStore store) {
        if (store instanceof TimeOrderedKeyValueBuffer<?, ?, ?> buffer) {
            return buffer(buffer);
        }
        final StateStore bytes = bytes(store);
        if (store instanceof VersionedKeyValueStore) {
            return rows("versioned", versions(cast(store)));
        }
        if (store instanceof KeyValueStore) {
            final boolean timed = store instanceof TimestampedKeyValueStore;
            return rows(timed ? "timestamped" : "key-value", values(cast(bytes), timed));
        }
        if (store instanceof WindowStore) {
            final boolean timed = store instanceof TimestampedWindowStore;
            return windowStore(cast(bytes), timed);
        }
        if (store instanceof SessionStore) {
            return rows("session", windows(Stores.<SessionStore<Bytes, byte[]>>cast(bytes).fetch(null, null), false));
        }
        return JSON.createObjectNode().put("kind", "unreadable"); // a store of the user's own
    }

    // A cache shows rows that the store beneath has forgotten; between commits it holds nothing that the store does not.
    private static StateStore bytes(final StateStore store) {
        final StateStore inner = store instanceof WrappedStateStore<?, ?, ?> wrapped ? wrapped.wrapped() : store;
        return inner.getClass().getSimpleName().startsWith("Caching") ? bytes(inner) : inner;
    }

    // What a buffer holds cannot be read without taking it out.
    private static ObjectNode buffer(final TimeOrderedKeyValueBuffer<?, ?, ?> buffer) {
        final ObjectNode dump = JSON.createObjectNode().put("kind", "buffer").put("count", buffer.numRecords());
        return buffer.numRecords() == 0 ? dump : dump.put("from", buffer.minTimestamp());
    }

    private List<Row> values(final KeyValueStore<Bytes, byte[]> store, final boolean timed) {
        final List<Row> rows = new ArrayList<>();
        if (innermost(store) instanceof MemoryLRUCache) { // which cannot be listed
            for (final String hex : keys) {
                final byte[] key = HexFormat.of().parseHex(hex);
                add(rows, key, -1, -1, store.get(Bytes.wrap(key)), timed);
            }
            return rows;
        }
        try (KeyValueIterator<Bytes, byte[]> all = store.all()) {
            all.forEachRemaining(r -> add(rows, r.key.get(), -1, -1, r.value, timed));
        }
        return rows;
    }

    private static List<Row> windows(final KeyValueIterator<Windowed<Bytes>, byte[]> iterator, final boolean timed) {
        final List<Row> rows = new ArrayList<>();
        try (KeyValueIterator<Windowed<Bytes>, byte[]> all = iterator) {
            all.forEachRemaining(r -> add(rows, r.key.key().get(), r.key.window().start(), r.key.window().end(), r.value, timed));
        }
        return rows;
    }

    // Windows of no length, of a join of equal times, cannot be listed.
    private static ObjectNode windowStore(final WindowStore<Bytes, byte[]> store, final boolean timed) {
        try {
            return rows(timed ? "timestamped-window" : "window", windows(store.all(), timed));
        } catch (final IllegalArgumentException empty) {
            return JSON.createObjectNode().put("kind", "unreadable");
        }
    }

    // A version's start and end are those of its validity. Versions are found by asking for the moment of every record of the run: listing them fails
    // for some keys (4.3.1: NoSuchElementException in the query of all versions).
    private List<Row> versions(final VersionedKeyValueStore<String, Object> store) {
        final List<Row> rows = new ArrayList<>();
        for (final String hex : keys) {
            final byte[] key = HexFormat.of().parseHex(hex);
            final TreeMap<Long, Row> versions = new TreeMap<>();
            for (final long time : times) {
                final VersionedRecord<Object> v = store.get(Inputs.string(key), time);
                if (v != null) {
                    versions.put(v.timestamp(), new Row(key, v.timestamp(), v.validTo().orElse(-1L), bytes(v.value()), -1));
                }
            }
            rows.addAll(versions.values());
        }
        return rows;
    }

    private static byte[] bytes(final Object value) {
        return value instanceof Long n ? ByteBuffer.allocate(Long.BYTES).putLong(n).array() : Inputs.text((String) value);
    }

    private static void add(final List<Row> rows, final byte[] key, final long start, final long end, final byte[] value, final boolean timed) {
        if (value == null) {
            return;
        }
        final long time = timed ? ByteBuffer.wrap(value).getLong() : -1;
        rows.add(new Row(key, start, end, timed ? Arrays.copyOfRange(value, 8, value.length) : value, time));
    }

    private static StateStore innermost(final StateStore store) {
        return store instanceof WrappedStateStore<?, ?, ?> w ? innermost(w.wrapped()) : store;
    }

    @SuppressWarnings("unchecked")
    private static <T> T cast(final StateStore store) {
        return (T) store;
    }

    private static ObjectNode rows(final String kind, final List<Row> rows) {
        rows.sort(ORDER);
        final ObjectNode dump = JSON.createObjectNode().put("kind", kind);
        final ArrayNode all = dump.putArray("rows");
        for (final Row row : rows) {
            final ObjectNode line = all.addObject().put("key", Run.text(row.key)).put("value", Run.text(row.value));
            put(line, "start", row.start);
            put(line, "end", row.end);
            put(line, "time", row.time);
        }
        return dump;
    }

    private static void put(final ObjectNode line, final String field, final long value) {
        if (value >= 0) {
            line.put(field, value);
        }
    }
}
