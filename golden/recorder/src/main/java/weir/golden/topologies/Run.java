package weir.golden.topologies;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.lang.reflect.Field;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.Future;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.apache.kafka.clients.producer.Callback;
import org.apache.kafka.clients.producer.MockProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.Cluster;
import org.apache.kafka.common.PartitionInfo;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.header.internals.RecordHeaders;
import org.apache.kafka.common.serialization.ByteArraySerializer;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.Topology;
import org.apache.kafka.streams.TopologyTestDriver;
import org.apache.kafka.streams.errors.internals.ExceptionHandlerUtils;
import org.apache.kafka.streams.processor.internals.StreamsProducer;
import org.apache.kafka.streams.test.TestRecord;

/**
 * Drives one topology through one seed. What the topology sends is taken from the producer as it is sent, so that the records of all topics, changelogs
 * too, have one order and are attributed to the step that caused them.
 */
final class Run implements AutoCloseable {
    private static final ObjectMapper JSON = new ObjectMapper();
    /** Headers of dead letters that only a Java program can have. */
    private static final Set<String> OF_JAVA = Set.of(ExceptionHandlerUtils.HEADER_ERRORS_EXCEPTION_NAME,
        ExceptionHandlerUtils.HEADER_ERRORS_EXCEPTION_MESSAGE_NAME, ExceptionHandlerUtils.HEADER_ERRORS_STACKTRACE_NAME);
    private static final ByteArraySerializer BYTES = new ByteArraySerializer();

    /** Remembers what is sent; topics have as many partitions as the case says. */
    private static final class Log extends MockProducer<byte[], byte[]> {
        private final Map<String, Integer> partitions;
        private final List<ProducerRecord<byte[], byte[]>> sent = new ArrayList<>();

        Log(final Map<String, Integer> partitions) {
            super(Cluster.empty(), true, null, BYTES, BYTES);
            this.partitions = partitions;
        }

        @Override
        public List<PartitionInfo> partitionsFor(final String topic) {
            return IntStream.range(0, partitions.getOrDefault(topic, 1)).mapToObj(p -> new PartitionInfo(topic, p, null, null, null)).toList();
        }

        // Headers are shared and may be changed later: what stands in the record now counts.
        @Override
        public synchronized Future<RecordMetadata> send(final ProducerRecord<byte[], byte[]> r, final Callback callback) {
            sent.add(new ProducerRecord<>(r.topic(), r.partition(), r.timestamp(), r.key(), r.value(), new RecordHeaders(r.headers().toArray())));
            return super.send(r, callback);
        }

        List<ProducerRecord<byte[], byte[]>> take() {
            final List<ProducerRecord<byte[], byte[]>> taken = List.copyOf(sent);
            sent.clear();
            return taken;
        }
    }

    private final Case c;
    private final Path state;
    private final Log log;
    private final Topology topology;
    private final TopologyTestDriver driver;
    private final TreeSet<String> keys = new TreeSet<>(); // all that were seen, for stores that cannot be listed
    private final TreeSet<Long> times = new TreeSet<>();
    private long clock;
    private double dropped;

    Run(final Case c) throws Exception {
        this.c = c;
        state = Files.createTempDirectory(base(), "weir-golden");
        log = new Log(c.partitions);
        final Properties config = config();
        topology = c.build.topology(config);
        driver = new TopologyTestDriver(topology, config, Instant.EPOCH);
        replace(TopologyTestDriver.class, driver, log);
        replace(StreamsProducer.class, field(TopologyTestDriver.class, "testDriverProducer").get(driver), log);
    }

    private static void replace(final Class<?> type, final Object holder, final Log log) throws ReflectiveOperationException {
        field(type, "producer").set(holder, log);
    }

    private static Field field(final Class<?> type, final String name) throws ReflectiveOperationException {
        final Field field = type.getDeclaredField(name);
        field.setAccessible(true);
        return field;
    }

    // A store on a disk that syncs costs a hundred times as much as one in memory.
    private static Path base() {
        final Path memory = Path.of("/dev/shm");
        return Files.isWritable(memory) ? memory : Path.of(System.getProperty("java.io.tmpdir"));
    }

    private Properties config() {
        final Properties config = new Properties();
        config.put(StreamsConfig.APPLICATION_ID_CONFIG, "app");
        config.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, "none:9092");
        config.put(StreamsConfig.STATE_DIR_CONFIG, state.toString());
        config.put(StreamsConfig.ROCKSDB_CONFIG_SETTER_CLASS_CONFIG, SmallRocks.class);
        config.putAll(c.config);
        return config;
    }

    /** Kafka's description, in which a function that routes records is called ToFunc: Kafka prints its address. */
    String describe() {
        return topology.describe().toString().replaceAll("extractor class: [^)]*\\)", "extractor class: ToFunc)");
    }

    /** Sends the inputs of a seed. An exception ends the run: it is the last step's error, and the stores are not read. */
    ObjectNode record(final long seed) throws Exception {
        final ObjectNode run = JSON.createObjectNode().put("seed", seed);
        final ArrayNode steps = run.putArray("steps");
        for (final Inputs.Step step : c.inputs.steps(seed)) {
            final ObjectNode line = steps.addObject();
            try {
                take(line, step);
            } catch (final RuntimeException failed) {
                line.put("error", root(failed));
                outcome(line);
                return run;
            }
            outcome(line);
        }
        run.set("stores", new Stores(driver, keys, times).dump());
        return run;
    }

    private void take(final ObjectNode line, final Inputs.Step step) {
        if (step.topic() == null) {
            line.put("advance", step.advance());
            clock += step.advance();
            driver.advanceWallClockTime(Duration.ofMillis(step.advance()));
            return;
        }
        final RecordHeaders headers = new RecordHeaders();
        if (step.header() != null) {
            headers.add("h", step.header().getBytes(StandardCharsets.UTF_8));
        }
        line.set("in", json(step.topic(), null, step.key(), step.value(), step.time(), headers.toArray()));
        note(step.key());
        times.add(step.time());
        driver.createInputTopic(step.topic(), BYTES, BYTES).pipeInput(new TestRecord<>(step.key(), step.value(), headers, step.time()));
    }

    private void outcome(final ObjectNode line) {
        final List<ProducerRecord<byte[], byte[]>> sent = log.take();
        if (!sent.isEmpty()) {
            final ArrayNode out = line.putArray("out");
            sent.forEach(r -> out.add(json(r)));
        }
        final double before = dropped;
        dropped = driver.metrics().values().stream().filter(m -> m.metricName().name().equals("dropped-records-total"))
            .mapToDouble(m -> (double) m.metricValue()).sum();
        if (dropped > before) {
            line.put("dropped", (long) (dropped - before));
        }
    }

    private ObjectNode json(final ProducerRecord<byte[], byte[]> r) {
        note(r.key());
        final Integer partition = c.partitions.containsKey(r.topic()) ? r.partition() : null;
        return json(r.topic(), partition, r.key(), r.value(), time(r), r.headers().toArray());
    }

    // Without a time the broker sets its own: changelogs of buffers have none.
    private long time(final ProducerRecord<byte[], byte[]> r) {
        if (r.timestamp() == null) {
            return -1;
        }
        return c.wallClockTimes ? clock : r.timestamp();
    }

    private static ObjectNode json(final String topic, final Integer partition, final byte[] key, final byte[] value, final long time,
                                   final Header[] headers) {
        final ObjectNode line = JSON.createObjectNode().put("topic", topic);
        if (partition != null) {
            line.put("partition", partition);
        }
        line.put("key", text(key)).put("value", text(value)).put("time", time);
        final ArrayNode all = JSON.createArrayNode();
        for (final Header h : headers) {
            if (!OF_JAVA.contains(h.key())) {
                all.addArray().add(h.key()).add(text(h.value()));
            }
        }
        if (!all.isEmpty()) {
            line.set("headers", all);
        }
        return line;
    }

    private void note(final byte[] key) {
        if (key != null) {
            keys.add(HexFormat.of().formatHex(key));
        }
    }

    /** Printable ASCII as it is, other bytes as 0x and hex, null as null. */
    static String text(final byte[] bytes) {
        if (bytes == null) {
            return null;
        }
        for (final byte b : bytes) {
            if (b < 0x20 || b > 0x7e) {
                return "0x" + HexFormat.of().formatHex(bytes);
            }
        }
        final String s = new String(bytes, StandardCharsets.US_ASCII);
        return s.startsWith("0x") ? "0x" + HexFormat.of().formatHex(bytes) : s;
    }

    private static String root(final Throwable t) {
        return t.getCause() == null ? t.getClass().getSimpleName() : root(t.getCause());
    }

    @Override
    public void close() throws IOException {
        try {
            driver.close();
        } catch (final RuntimeException alreadyFailed) {
            // a task that has failed cannot be closed cleanly
        }
        try (Stream<Path> all = Files.walk(state)) {
            for (final Path p : (Iterable<Path>) all.sorted(Comparator.reverseOrder())::iterator) {
                Files.delete(p);
            }
        }
    }
}
