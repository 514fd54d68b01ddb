package weir.golden;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.nio.ByteBuffer;
import java.util.Arrays;
import java.util.Base64;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.TreeMap;
import org.apache.kafka.streams.processor.internals.ProcessorMetadata;
import org.apache.kafka.streams.processor.internals.TopicPartitionMetadata;

/** The metadata of committed offsets. */
final class OffsetMetadata {
    private static final List<String> NAMES = List.of("", "s", "counts", "merchant-totals", "KSTREAM-AGGREGATE-STATE-STORE-0000000003", "ma\u00f1ana", "\u20ac");

    /** Written from sorted maps: Kafka writes in the order of the map it is given. */
    static final class Encoded implements Recorder.Family {
        @Override
        public void record(final Random random, final Recorder.Sink sink) throws Exception {
            for (final long time : new long[] {-1, 0, 1, Long.MAX_VALUE}) {
                record(time, new TreeMap<>(), sink);
            }
            for (int i = 0; i < 100; i++) {
                record(random.nextLong() >>> 1, watermarks(random), sink);
            }
        }

        private static void record(final long time, final TreeMap<String, Long> watermarks, final Recorder.Sink sink) throws Exception {
            final ObjectNode line = sink.line().put("time", time);
            watermarks.forEach(line.putObject("watermarks")::put);
            sink.write(line.put("metadata", encode(time, watermarks)));
        }
    }

    /** Read back by Kafka: its own maps' order, old versions, and strings that are none or broken. */
    static final class Decoded implements Recorder.Family {
        @Override
        public void record(final Random random, final Recorder.Sink sink) throws Exception {
            record("", sink);
            record("not base64", sink);
            for (int i = 0; i < 60; i++) {
                record(encode(random.nextLong() >>> 1, new java.util.HashMap<>(watermarks(random))), sink);
            }
            for (int version = 0; version < 5; version++) {
                record(base64(ByteBuffer.allocate(9).put((byte) version).putLong(1_700_000_000_000L).array()), sink);
            }
            final byte[] whole = Base64.getDecoder().decode(encode(5, new TreeMap<>(Map.of("a", 1L, "counts", 7L))));
            for (int length = 0; length < whole.length; length++) {
                record(base64(Arrays.copyOf(whole, length)), sink);
            }
            record(base64(Arrays.copyOf(whole, whole.length + 3)), sink);
            record(base64(ByteBuffer.allocate(13).put((byte) 2).putLong(5).putInt(-1).array()), sink);
            record(base64(ByteBuffer.allocate(25).put((byte) 2).putLong(5).putInt(1).putInt(-1).putLong(7).array()), sink);
        }

        private static void record(final String metadata, final Recorder.Sink sink) throws Exception {
            final TopicPartitionMetadata read = TopicPartitionMetadata.decode(metadata);
            final ObjectNode line = sink.line().put("metadata", metadata).put("time", read.partitionTime());
            final ObjectNode watermarks = line.putObject("watermarks");
            for (final String name : all()) {
                final Long watermark = read.processorMetadata().get(name);
                if (watermark != null) {
                    watermarks.put(name, watermark);
                }
            }
            sink.write(line);
        }

        private static List<String> all() {
            final List<String> names = new java.util.ArrayList<>(NAMES);
            names.add("a");
            return names;
        }
    }

    private static TreeMap<String, Long> watermarks(final Random random) {
        final TreeMap<String, Long> watermarks = new TreeMap<>();
        for (int i = random.nextInt(5); i > 0; i--) {
            watermarks.put(NAMES.get(random.nextInt(NAMES.size())), random.nextLong());
        }
        return watermarks;
    }

    private static String encode(final long time, final Map<String, Long> watermarks) {
        return new TopicPartitionMetadata(time, new ProcessorMetadata(watermarks)).encode();
    }

    private static String base64(final byte[] bytes) {
        return Base64.getEncoder().encodeToString(bytes);
    }

    private OffsetMetadata() {
    }
}
