package weir.golden;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.time.Duration;
import java.time.Instant;
import java.util.Random;
import org.apache.kafka.streams.kstream.JoinWindows;
import org.apache.kafka.streams.kstream.SessionWindows;
import org.apache.kafka.streams.kstream.SlidingWindows;
import org.apache.kafka.streams.kstream.TimeWindows;
import org.apache.kafka.streams.kstream.UnlimitedWindows;

/** Window specifications: the windows of a time, and which parameters are refused. */
final class Windows {
    /** The starts of the time windows that hold a timestamp. */
    static final class Starts implements Recorder.Family {
        @Override
        public void record(final Random random, final Recorder.Sink sink) throws Exception {
            for (int i = 0; i < 600; i++) {
                final long size = 1 + random.nextInt(random.nextBoolean() ? 12 : 3_600_000);
                final long advance = Math.max(size / (1 + random.nextInt(12)), 1);
                final long ts = random.nextBoolean() ? random.nextInt(30) : random.nextLong() >>> (2 + random.nextInt(40));
                final TimeWindows windows = TimeWindows.ofSizeWithNoGrace(Duration.ofMillis(size)).advanceBy(Duration.ofMillis(advance));
                final ObjectNode line = sink.line().put("size", size).put("advance", advance).put("ts", ts);
                final ArrayNode starts = line.putArray("starts");
                windows.windowsFor(ts).keySet().forEach(starts::add);
                sink.write(line);
            }
        }
    }

    private interface Maker {
        void make(Duration a, Duration b, Duration grace);
    }

    /** Parameters in milliseconds, and whether Kafka accepts them. */
    static final class Specs implements Recorder.Family {
        private static final long[] EDGES = {-2, -1, 0, 1, 2, 1000};

        @Override
        public void record(final Random random, final Recorder.Sink sink) throws Exception {
            for (final long a : EDGES) {
                for (final long b : EDGES) {
                    for (final long grace : new long[] {-1, 0, 1}) {
                        record("time", a, b, grace, (size, advance, g) -> TimeWindows.ofSizeAndGrace(size, g).advanceBy(advance), sink);
                        record("join", a, b, grace, Specs::join, sink);
                    }
                }
                for (final long grace : new long[] {-1, 0, 1}) {
                    record("sliding", a, 0, grace, (diff, none, g) -> SlidingWindows.ofTimeDifferenceAndGrace(diff, g), sink);
                    record("session", a, 0, grace, (gap, none, g) -> SessionWindows.ofInactivityGapAndGrace(gap, g), sink);
                }
                record("unlimited", a, 0, 0, (start, none, g) -> UnlimitedWindows.of().startOn(Instant.ofEpochMilli(start.toMillis())), sink);
            }
        }

        // Kafka checks after each step; the first step here is one that nothing is wrong with.
        private static void join(final Duration before, final Duration after, final Duration grace) {
            JoinWindows.ofTimeDifferenceAndGrace(Duration.ofDays(1), grace).before(before).after(after);
        }

        private static void record(final String spec, final long a, final long b, final long grace, final Maker maker, final Recorder.Sink sink)
            throws Exception {
            boolean accepted = true;
            try {
                maker.make(Duration.ofMillis(a), Duration.ofMillis(b), Duration.ofMillis(grace));
            } catch (final IllegalArgumentException refused) {
                accepted = false;
            }
            sink.write(sink.line().put("spec", spec).put("a", a).put("b", b).put("grace", grace).put("accepted", accepted));
        }
    }

    private Windows() {
    }
}
