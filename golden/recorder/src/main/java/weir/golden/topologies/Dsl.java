package weir.golden.topologies;

import java.time.Duration;
import org.apache.kafka.common.serialization.Serde;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.common.utils.Bytes;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.kstream.Consumed;
import org.apache.kafka.streams.kstream.Grouped;
import org.apache.kafka.streams.kstream.KStream;
import org.apache.kafka.streams.kstream.KTable;
import org.apache.kafka.streams.kstream.Materialized;
import org.apache.kafka.streams.kstream.Produced;
import org.apache.kafka.streams.kstream.Windowed;
import org.apache.kafka.streams.kstream.WindowedSerdes;
import org.apache.kafka.streams.processor.StateStore;
import org.apache.kafka.streams.state.KeyValueStore;
import org.apache.kafka.streams.state.SessionStore;
import org.apache.kafka.streams.state.WindowStore;

/** What most cases begin and end with: keys and values are strings. */
final class Dsl {
    static final Serde<String> S = Serdes.String();
    static final Serde<Long> L = Serdes.Long();
    static final Duration DAY = Duration.ofDays(1);

    static Duration sec(final long n) {
        return Duration.ofSeconds(n);
    }

    static KStream<String, String> stream(final StreamsBuilder b, final String topic) {
        return b.stream(topic, Consumed.with(S, S));
    }

    static KStream<String, String> in(final StreamsBuilder b) {
        return stream(b, "in");
    }

    static KTable<String, String> table(final StreamsBuilder b, final String topic, final String store) {
        return b.table(topic, Consumed.with(S, S), kv(store));
    }

    static Grouped<String, String> grouped(final String name) {
        return Grouped.with(name, S, S);
    }

    // Stores of strings.

    static Materialized<String, String, KeyValueStore<Bytes, byte[]>> kv(final String name) {
        return named(Materialized.as(name), S);
    }

    static Materialized<String, Long, KeyValueStore<Bytes, byte[]>> kvCount(final String name) {
        return named(Materialized.as(name), L);
    }

    static Materialized<String, String, WindowStore<Bytes, byte[]>> win(final String name) {
        return named(Materialized.as(name), S);
    }

    static Materialized<String, Long, WindowStore<Bytes, byte[]>> winCount(final String name) {
        return named(Materialized.as(name), L);
    }

    static Materialized<String, String, SessionStore<Bytes, byte[]>> ses(final String name) {
        return named(Materialized.as(name), S);
    }

    static Materialized<String, Long, SessionStore<Bytes, byte[]>> sesCount(final String name) {
        return named(Materialized.as(name), L);
    }

    private static <V, T extends StateStore> Materialized<String, V, T> named(final Materialized<String, V, T> m, final Serde<V> values) {
        return m.withKeySerde(S).withValueSerde(values);
    }

    // Sinks.

    static void out(final KStream<String, String> s) {
        s.to("out", Produced.with(S, S));
    }

    static void out(final KTable<String, String> t) {
        out(t.toStream());
    }

    static void counts(final KTable<String, Long> t) {
        t.toStream().to("out", Produced.with(S, L));
    }

    /** Keys are the key and the window's start. */
    static <V> void windows(final KTable<Windowed<String>, V> t, final long size, final Serde<V> values) {
        t.toStream().to("out", Produced.with(WindowedSerdes.timeWindowedSerdeFrom(String.class, size), values));
    }

    /** Keys are the key, the session's end and its start. */
    static <V> void sessions(final KTable<Windowed<String>, V> t, final Serde<V> values) {
        t.toStream().to("out", Produced.with(WindowedSerdes.sessionWindowedSerdeFrom(String.class), values));
    }

    /** True for strings that begin with a to d. */
    static boolean low(final String v) {
        return v != null && v.charAt(0) < 'e';
    }

    private Dsl() {
    }
}
