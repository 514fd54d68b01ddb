package weir.golden;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.List;
import java.util.Random;
import org.apache.kafka.streams.kstream.SessionWindowedDeserializer;
import org.apache.kafka.streams.kstream.SessionWindowedSerializer;
import org.apache.kafka.streams.kstream.TimeWindowedDeserializer;
import org.apache.kafka.streams.kstream.TimeWindowedSerializer;
import org.apache.kafka.streams.kstream.Window;
import org.apache.kafka.streams.kstream.Windowed;
import org.apache.kafka.streams.kstream.internals.SessionWindow;
import org.apache.kafka.streams.kstream.internals.TimeWindow;
import org.apache.kafka.streams.kstream.internals.UnlimitedWindow;
import org.apache.kafka.streams.kstream.internals.WindowedSerializer;
import org.apache.kafka.streams.kstream.internals.WindowedStreamPartitioner;

/** Keys in windows: their bytes, the window that Kafka reads back, and the partitions that its windowed partitioner chooses. */
final class WindowedKeys implements Recorder.Family {
    private static final int COUNT = 80;

    @Override
    public void record(final Random random, final Recorder.Sink sink) throws Exception {
        record(Serdes.STRING, random, sink);
        record(Serdes.INT64, random, sink);
        record(Serdes.BYTES, random, sink);
    }

    private <K> void record(final Serdes.Kind<K> kind, final Random random, final Recorder.Sink sink) throws Exception {
        for (final K key : kind.values(random, COUNT)) {
            final long start = time(random);
            final long size = 1 + random.nextInt(random.nextBoolean() ? 10 : 86_400_000);
            final long end = start > Long.MAX_VALUE - size ? Long.MAX_VALUE : start + size;
            timed(kind, "time", new Windowed<>(key, new TimeWindow(start, end)), size, sink);
            timed(kind, "unlimited", new Windowed<>(key, new UnlimitedWindow(start)), Long.MAX_VALUE, sink);
            session(kind, new Windowed<>(key, new SessionWindow(start, random.nextInt(4) == 0 ? start : end)), sink);
        }
    }

    private static long time(final Random random) {
        return switch (random.nextInt(8)) {
            case 0 -> 0;
            case 1 -> Long.MAX_VALUE - 1 - random.nextInt(10);
            case 2 -> random.nextInt(1000);
            default -> random.nextLong() >>> (1 + random.nextInt(30));
        };
    }

    private <K> void timed(final Serdes.Kind<K> kind, final String name, final Windowed<K> key, final long size, final Recorder.Sink sink) throws Exception {
        try (TimeWindowedSerializer<K> serializer = new TimeWindowedSerializer<>(kind.serde().serializer());
             TimeWindowedDeserializer<K> deserializer = new TimeWindowedDeserializer<>(kind.serde().deserializer(), size)) {
            final byte[] bytes = serializer.serialize("topic", key);
            write(kind, name, key, size, bytes, deserializer.deserialize("topic", bytes).window(), serializer, sink);
        }
    }

    private <K> void session(final Serdes.Kind<K> kind, final Windowed<K> key, final Recorder.Sink sink) throws Exception {
        try (SessionWindowedSerializer<K> serializer = new SessionWindowedSerializer<>(kind.serde().serializer());
             SessionWindowedDeserializer<K> deserializer = new SessionWindowedDeserializer<>(kind.serde().deserializer())) {
            final byte[] bytes = serializer.serialize("topic", key);
            write(kind, "session", key, 0, bytes, deserializer.deserialize("topic", bytes).window(), serializer, sink);
        }
    }

    private <K> void write(final Serdes.Kind<K> kind, final String name, final Windowed<K> key, final long size, final byte[] bytes, final Window back,
                           final WindowedSerializer<K> serializer, final Recorder.Sink sink) throws Exception {
        final ObjectNode line = sink.line().put("window", name).put("serde", kind.name()).put("value", kind.text().apply(key.key()))
            .put("start", key.window().start()).put("end", key.window().end()).put("size", size)
            .put("bytes", Recorder.hex(bytes)).put("startBack", back.start()).put("endBack", back.end());
        final ArrayNode partitions = line.putArray("partitions");
        final WindowedStreamPartitioner<K, Object> partitioner = new WindowedStreamPartitioner<>(serializer);
        for (final int n : List.of(1, 2, 7, 64, 1000)) {
            final int partition = partitioner.partitions("topic", key, null, n).orElseThrow().iterator().next();
            partitions.addArray().add(n).add(partition);
        }
        sink.write(line);
    }
}
