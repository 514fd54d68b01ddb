import java.nio.ByteBuffer;
import java.time.Duration;
import java.util.Properties;
import org.apache.kafka.common.serialization.Serde;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.common.utils.Bytes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.kstream.Consumed;
import org.apache.kafka.streams.kstream.Grouped;
import org.apache.kafka.streams.kstream.JoinWindows;
import org.apache.kafka.streams.kstream.Joined;
import org.apache.kafka.streams.kstream.KGroupedStream;
import org.apache.kafka.streams.kstream.KStream;
import org.apache.kafka.streams.kstream.KTable;
import org.apache.kafka.streams.kstream.Materialized;
import org.apache.kafka.streams.kstream.Produced;
import org.apache.kafka.streams.kstream.SessionWindows;
import org.apache.kafka.streams.kstream.StreamJoined;
import org.apache.kafka.streams.kstream.Suppressed;
import org.apache.kafka.streams.kstream.TimeWindows;
import org.apache.kafka.streams.kstream.Windowed;
import org.apache.kafka.streams.kstream.WindowedSerdes;
import org.apache.kafka.streams.state.KeyValueStore;
import org.apache.kafka.streams.state.SessionStore;
import org.apache.kafka.streams.state.WindowStore;

/**
 * The topologies of bench's workloads in Kafka Streams: {@code Rival <broker> <workload> <app> <prefix of inputs> <output> <state dir> <cache bytes> <commit ms>}.
 * It runs until it is killed.
 */
public final class Rival {
    private static final Serde<String> KEYS = Serdes.String();
    private static final Serde<byte[]> VALUES = Serdes.ByteArray();
    private static final Serde<Long> LONGS = Serdes.Long();

    private final StreamsBuilder builder = new StreamsBuilder();
    private final String prefix;
    private final String out;

    private Rival(String prefix, String out) {
        this.prefix = prefix;
        this.out = out;
    }

    public static void main(String[] args) {
        Rival rival = new Rival(args[3], args[4]);
        rival.build(args[1]);
        KafkaStreams streams = new KafkaStreams(rival.builder.build(), settings(args));
        streams.setUncaughtExceptionHandler(e -> {
            e.printStackTrace();
            Runtime.getRuntime().halt(1);
            return null;
        });
        streams.start();
    }

    /** What the other side has too: one thread, batches of 1 MiB, no metrics pushed. The linger is the default of Java's producers, which saves them requests; the other side has none. */
    private static Properties settings(String[] args) {
        Properties p = new Properties();
        p.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, args[0]);
        p.put(StreamsConfig.APPLICATION_ID_CONFIG, args[2]);
        p.put(StreamsConfig.STATE_DIR_CONFIG, args[5]);
        p.put(StreamsConfig.STATESTORE_CACHE_MAX_BYTES_CONFIG, args[6]);
        p.put(StreamsConfig.COMMIT_INTERVAL_MS_CONFIG, args[7]);
        p.put(StreamsConfig.NUM_STREAM_THREADS_CONFIG, 1);
        p.put(StreamsConfig.ENABLE_METRICS_PUSH_CONFIG, false);
        p.put(StreamsConfig.producerPrefix("linger.ms"), 5);
        p.put(StreamsConfig.producerPrefix("batch.size"), 1 << 20);
        p.put(StreamsConfig.consumerPrefix("auto.offset.reset"), "earliest");
        p.put(StreamsConfig.consumerPrefix("max.poll.records"), 10_000);
        return p;
    }

    private void build(String workload) {
        switch (workload) {
            case "tumbling-sum" -> sums().toStream().to(out, Produced.with(windowed(), LONGS));
            case "suppress" -> sums().suppress(Suppressed.untilWindowCloses(Suppressed.BufferConfig.unbounded()))
                .toStream().to(out, Produced.with(windowed(), LONGS));
            case "session-count" -> sessions();
            case "stream-stream" -> streams();
            case "stream-table" -> stream("in").join(table("table"), Rival::joined, Joined.with(KEYS, VALUES, VALUES)).to(out, Produced.with(KEYS, VALUES));
            case "foreign-key" -> foreign();
            default -> throw new IllegalArgumentException(workload);
        }
    }

    private KStream<String, byte[]> stream(String topic) {
        return builder.stream(prefix + topic, Consumed.with(KEYS, VALUES));
    }

    private KTable<String, byte[]> table(String topic) {
        return builder.table(prefix + topic, Consumed.with(KEYS, VALUES), Materialized.as(topic + "-store"));
    }

    private KGroupedStream<String, byte[]> grouped() {
        return stream("in").groupByKey(Grouped.with(KEYS, VALUES));
    }

    private static Serde<Windowed<String>> windowed() {
        return WindowedSerdes.timeWindowedSerdeFrom(String.class, Duration.ofMinutes(1).toMillis());
    }

    /** The first eight bytes of the values, summed by minute. */
    private KTable<Windowed<String>, Long> sums() {
        return grouped().windowedBy(TimeWindows.ofSizeAndGrace(Duration.ofMinutes(1), Duration.ofSeconds(10)))
            .aggregate(() -> 0L, (k, v, sum) -> sum + ByteBuffer.wrap(v).getLong(),
                Materialized.<String, Long, WindowStore<Bytes, byte[]>>as("sums").withKeySerde(KEYS).withValueSerde(LONGS));
    }

    private void sessions() {
        grouped().windowedBy(SessionWindows.ofInactivityGapAndGrace(Duration.ofSeconds(30), Duration.ofSeconds(30)))
            .count(Materialized.<String, Long, SessionStore<Bytes, byte[]>>as("sessions").withKeySerde(KEYS))
            .toStream().to(out, Produced.with(WindowedSerdes.sessionWindowedSerdeFrom(String.class), LONGS));
    }

    private void streams() {
        stream("left").join(stream("right"), Rival::joined, JoinWindows.ofTimeDifferenceAndGrace(Duration.ofSeconds(5), Duration.ofSeconds(5)),
            StreamJoined.with(KEYS, VALUES, VALUES)).to(out, Produced.with(KEYS, VALUES));
    }

    private void foreign() {
        KTable<String, byte[]> result = table("left").join(table("right"), Rival::foreignKey, Rival::joined,
            Materialized.<String, byte[], KeyValueStore<Bytes, byte[]>>as("joined").withKeySerde(KEYS).withValueSerde(VALUES));
        result.toStream().to(out, Produced.with(KEYS, VALUES));
    }

    /** The key of the right side that a left value names: "r" and the number in its first eight bytes. */
    private static String foreignKey(byte[] left) {
        return "r" + ByteBuffer.wrap(left).getLong();
    }

    /** The first eight bytes of both sides. */
    private static byte[] joined(byte[] left, byte[] right) {
        return ByteBuffer.allocate(16).putLong(ByteBuffer.wrap(left).getLong()).putLong(ByteBuffer.wrap(right).getLong()).array();
    }
}
