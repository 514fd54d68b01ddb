package weir.golden;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.UUID;
import java.util.function.Function;
import org.apache.kafka.common.errors.SerializationException;
import org.apache.kafka.common.serialization.Serde;

/**
 * Kafka's serdes of single values. A value is written as text of its kind: strings as hex of their UTF-16 units, bytes as hex, floats as hex of their raw
 * bits, UUIDs as 32 hex digits, the rest as Java prints it.
 */
final class Serdes {
    /** A kind of value: its name in Go, Kafka's serde, how a value is written down, edge values, and random ones. */
    record Kind<T>(String name, Serde<T> serde, Function<T, String> text, List<T> edges, Function<Random, T> random) {
        byte[] bytes(final T value) {
            return serde.serializer().serialize("topic", value);
        }

        T back(final byte[] bytes) {
            return serde.deserializer().deserialize("topic", bytes);
        }

        List<T> values(final Random source, final int count) {
            final List<T> values = new ArrayList<>(edges);
            for (int i = 0; i < count; i++) {
                values.add(random.apply(source));
            }
            return values;
        }
    }

    private static final Serde<String> STRINGS = org.apache.kafka.common.serialization.Serdes.String();

    static final Kind<String> STRING = new Kind<>("string", STRINGS, Serdes::units,
        List.of("", "a", "plain ascii", "\u0000", "\u007f\u0080\u07ff\u0800\uffff", "ma\u00f1ana", "\ud83d\ude00", "a\ud83d\ude00b", "\udbff\udfff",
            "\ud800", "\udc00", "x\ud800y", "\udc00\ud800", "\ufeff", "e\u0301"),
        Serdes::randomString);
    static final Kind<byte[]> BYTES = new Kind<>("bytes", org.apache.kafka.common.serialization.Serdes.ByteArray(), Recorder::hex,
        List.of(new byte[0], new byte[] {0}, new byte[] {-1}), r -> Recorder.bytes(r, r.nextInt(40)));
    static final Kind<Short> INT16 = new Kind<>("int16", org.apache.kafka.common.serialization.Serdes.Short(), String::valueOf,
        List.of((short) 0, (short) 1, (short) -1, Short.MIN_VALUE, Short.MAX_VALUE), r -> (short) r.nextInt());
    static final Kind<Integer> INT32 = new Kind<>("int32", org.apache.kafka.common.serialization.Serdes.Integer(), String::valueOf,
        List.of(0, 1, -1, Integer.MIN_VALUE, Integer.MAX_VALUE), Random::nextInt);
    static final Kind<Long> INT64 = new Kind<>("int64", org.apache.kafka.common.serialization.Serdes.Long(), String::valueOf,
        List.of(0L, 1L, -1L, Long.MIN_VALUE, Long.MAX_VALUE), Random::nextLong);

    private static final List<Kind<?>> KINDS = List.of(STRING, BYTES, INT16, INT32, INT64,
        new Kind<>("bool", org.apache.kafka.common.serialization.Serdes.Boolean(), String::valueOf, List.of(true, false), Random::nextBoolean),
        new Kind<>("float32", org.apache.kafka.common.serialization.Serdes.Float(), v -> String.format("%08x", Float.floatToRawIntBits(v)),
            List.of(0f, -0f, 1f, Float.NaN, Float.intBitsToFloat(0xffc00001), Float.POSITIVE_INFINITY, Float.NEGATIVE_INFINITY, Float.MIN_VALUE,
                Float.MIN_NORMAL, Float.MAX_VALUE, -Float.MAX_VALUE),
            r -> Float.intBitsToFloat(quiet32(r.nextInt()))),
        new Kind<>("float64", org.apache.kafka.common.serialization.Serdes.Double(), v -> String.format("%016x", Double.doubleToRawLongBits(v)),
            List.of(0d, -0d, 1d, Double.NaN, Double.longBitsToDouble(0xfff8000000000001L), Double.POSITIVE_INFINITY, Double.NEGATIVE_INFINITY,
                Double.MIN_VALUE, Double.MIN_NORMAL, Double.MAX_VALUE, -Double.MAX_VALUE),
            r -> Double.longBitsToDouble(quiet64(r.nextLong()))),
        new Kind<>("uuid", org.apache.kafka.common.serialization.Serdes.UUID(), Serdes::digits,
            List.of(new UUID(0, 0), new UUID(-1, -1), new UUID(Long.MIN_VALUE, Long.MAX_VALUE)), r -> new UUID(r.nextLong(), r.nextLong())));

    /** Values and their bytes. */
    static final class Encoded implements Recorder.Family {
        @Override
        public void record(final Random random, final Recorder.Sink sink) throws Exception {
            for (final Kind<?> kind : KINDS) {
                record(kind, random, sink);
            }
        }

        private <T> void record(final Kind<T> kind, final Random random, final Recorder.Sink sink) throws Exception {
            for (final T value : kind.values(random, 60)) {
                sink.write(sink.line().put("serde", kind.name()).put("value", kind.text().apply(value)).put("bytes", Recorder.hex(kind.bytes(value))));
            }
        }
    }

    /** Bytes, many of which no value has, and what Kafka's deserializers make of them. Without a value they were refused. */
    static final class Decoded implements Recorder.Family {
        @Override
        public void record(final Random random, final Recorder.Sink sink) throws Exception {
            for (final Kind<?> kind : KINDS) {
                if (kind == STRING) {
                    continue; // every input is accepted, and what is not UTF-8 replaced: there is no refusal to compare
                }
                for (int length = 0; length <= 20; length++) {
                    record(kind, Recorder.bytes(random, length), sink);
                }
            }
            for (int b = 0; b < 256; b++) {
                record(KINDS.get(5), new byte[] {(byte) b}, sink);
            }
            for (final String id : uuids(random)) {
                record(KINDS.get(8), id.getBytes(StandardCharsets.ISO_8859_1), sink);
            }
        }

        private static List<String> uuids(final Random random) {
            final String id = "123e4567-e89b-12d3-a456-426614174000";
            final List<String> all = new ArrayList<>(List.of(id, id.toUpperCase(java.util.Locale.ROOT), "1-1-1-1-1", id + "0", id.substring(1),
                id.replace('-', '0'), "+" + id.substring(1), "{" + id + "}", "123e456-7e89b-12d3-a456-426614174000"));
            for (int i = 0; i < 60; i++) {
                final char[] broken = id.toCharArray();
                broken[random.nextInt(broken.length)] = (char) (33 + random.nextInt(94));
                all.add(new String(broken));
            }
            return all;
        }

        private <T> void record(final Kind<T> kind, final byte[] input, final Recorder.Sink sink) throws Exception {
            final ObjectNode line = sink.line().put("serde", kind.name()).put("bytes", Recorder.hex(input));
            try {
                line.put("value", kind.text().apply(kind.back(input)));
            } catch (final SerializationException refused) {
                line.putNull("value");
            }
            sink.write(line);
        }
    }

    private static String units(final String s) {
        final StringBuilder hex = new StringBuilder();
        for (final char unit : s.toCharArray()) {
            hex.append(String.format("%04x", (int) unit));
        }
        return hex.toString();
    }

    private static String digits(final UUID id) {
        return String.format("%016x%016x", id.getMostSignificantBits(), id.getLeastSignificantBits());
    }

    /** Code points of every length in UTF-8, and now and then half a surrogate pair. */
    private static String randomString(final Random random) {
        final StringBuilder s = new StringBuilder();
        final int[] bounds = {0x80, 0x800, 0xd800, 0x110000};
        for (int i = random.nextInt(24); i > 0; i--) {
            final int point = random.nextInt(bounds[random.nextInt(bounds.length)]);
            if (random.nextInt(40) == 0) {
                s.append((char) (0xd800 + random.nextInt(0x800)));
            } else {
                s.appendCodePoint(point);
            }
        }
        return s.toString();
    }

    // A signaling NaN may become quiet on its way through a floating-point register: only quiet ones are recorded.
    private static int quiet32(final int bits) {
        return (bits & 0x7f800000) == 0x7f800000 ? bits | 0x00400000 : bits;
    }

    private static long quiet64(final long bits) {
        return (bits & 0x7ff0000000000000L) == 0x7ff0000000000000L ? bits | 0x0008000000000000L : bits;
    }

    private Serdes() {
    }
}
