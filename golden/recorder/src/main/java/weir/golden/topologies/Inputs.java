package weir.golden.topologies;

import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.function.Function;
import org.apache.kafka.common.serialization.LongSerializer;

/**
 * Makes the random inputs of a case: records of small key spaces to one or more topics, with nulls, headers, equal, late and far later times, and steps of
 * the wall clock between them. Times are in milliseconds and begin near zero or far from it.
 */
final class Inputs {
    /** One step: a record to a topic, or, without a topic, an advance of the wall clock. */
    record Step(String topic, byte[] key, byte[] value, long time, String header, long advance) {
    }

    private record Topic(String name, Function<Random, byte[]> keys, Function<Random, byte[]> values, double share) {
    }

    private final List<Topic> topics = new ArrayList<>();
    private double nullKeys = 0.05;
    private double nullValues = 0.10;
    private double ticks = 0.06;
    private double late = 0.15;
    private double veryLate = 0.05;
    private double jumps = 0.05;
    private int minimum = 30;
    private int maximum = 50;
    private long unit = 1000;
    private long far = 400;
    private double headers = 0.2;
    private boolean early;

    /** Records with keys a to d and values of one letter and one digit. */
    static Inputs of(final String... names) {
        final Inputs in = new Inputs();
        for (final String name : names) {
            in.topic(name, keys(4), words());
        }
        return in;
    }

    static Inputs none() {
        return new Inputs();
    }

    static byte[] text(final String s) {
        return s.getBytes(StandardCharsets.UTF_8);
    }

    /** The first letters of the alphabet. */
    static Function<Random, byte[]> keys(final int count) {
        return r -> text(String.valueOf((char) ('a' + r.nextInt(count))));
    }

    /** a0 to h4. */
    static Function<Random, byte[]> words() {
        return r -> text((char) ('a' + r.nextInt(8)) + "" + r.nextInt(5));
    }

    static Function<Random, byte[]> longs(final int bound) {
        return r -> new LongSerializer().serialize("", (long) r.nextInt(bound));
    }

    static Function<Random, byte[]> oneOf(final String... all) {
        return r -> text(all[r.nextInt(all.length)]);
    }

    /** A key of another table, then a word: x:a3. */
    static Function<Random, byte[]> references(final String... foreign) {
        final Function<Random, byte[]> first = oneOf(foreign);
        final Function<Random, byte[]> second = words();
        return r -> text(string(first.apply(r)) + ":" + string(second.apply(r)));
    }

    /** A letter and a time in ms from least to most: a:12345. */
    static Function<Random, byte[]> times(final int least, final int most) {
        return r -> text((char) ('a' + r.nextInt(4)) + ":" + (least + r.nextInt(most - least)));
    }

    /** Longs, and now and then three bytes, which are none. */
    static Function<Random, byte[]> damagedLongs() {
        return r -> r.nextInt(5) == 0 ? new byte[] {1, 2, 3} : longs(100).apply(r);
    }

    static String string(final byte[] bytes) {
        return new String(bytes, StandardCharsets.UTF_8);
    }

    Inputs topic(final String name, final Function<Random, byte[]> keys, final Function<Random, byte[]> values) {
        return topic(name, keys, values, 1);
    }

    Inputs topic(final String name, final Function<Random, byte[]> keys, final Function<Random, byte[]> values, final double share) {
        topics.add(new Topic(name, keys, values, share));
        return this;
    }

    Inputs nulls(final double keys, final double values) {
        nullKeys = keys;
        nullValues = values;
        return this;
    }

    Inputs ticks(final double share) {
        ticks = share;
        return this;
    }

    /** Shares of records a little late, very late, and a long way ahead. */
    Inputs disorder(final double little, final double much, final double ahead) {
        late = little;
        veryLate = much;
        jumps = ahead;
        return this;
    }

    /** The usual step of time, and the longest jump in such steps. */
    Inputs unit(final long ms, final long longest) {
        unit = ms;
        far = longest;
        return this;
    }

    /** Every run begins near time zero. */
    Inputs early() {
        early = true;
        return this;
    }

    Inputs length(final int least, final int most) {
        minimum = least;
        maximum = most;
        return this;
    }

    Inputs withoutHeaders() {
        headers = 0;
        return this;
    }

    List<String> names() {
        return topics.stream().map(Topic::name).distinct().toList();
    }

    List<Step> steps(final long seed) {
        final Random r = new Random(seed);
        final List<Step> all = new ArrayList<>();
        final int count = minimum + r.nextInt(maximum - minimum + 1);
        long now = early || r.nextInt(3) == 0 ? r.nextInt(5) : r.nextInt(10_000_000);
        long last = now;
        while (all.size() < count) {
            if (r.nextDouble() < ticks) {
                all.add(new Step(null, null, null, 0, null, r.nextInt(4) == 0 ? unit * r.nextInt((int) far) + 1 : 1 + r.nextInt((int) (5 * unit))));
                continue;
            }
            final double luck = r.nextDouble();
            long time;
            if (luck < late) {
                time = now - 1 - r.nextInt((int) (6 * unit));
            } else if (luck < late + veryLate) {
                time = now - unit * r.nextInt((int) Math.min(far, 100)) - r.nextInt((int) unit);
            } else if (luck < late + veryLate + jumps) {
                time = now + unit * r.nextInt((int) far);
            } else {
                time = switch (r.nextInt(6)) {
                    case 0 -> last;
                    case 1 -> now;
                    case 2 -> now + r.nextInt((int) unit);
                    case 3 -> now + 1;
                    default -> now + unit * r.nextInt(4);
                };
            }
            time = Math.max(time, 0);
            now = Math.max(now, time);
            last = time;
            all.add(record(r, time));
        }
        return all;
    }

    private Step record(final Random r, final long time) {
        final Topic topic = choose(r);
        final byte[] key = r.nextDouble() < nullKeys ? null : topic.keys.apply(r);
        final byte[] value = r.nextDouble() < nullValues ? null : topic.values.apply(r);
        final String header = r.nextDouble() < headers ? "h" + r.nextInt(10) : null;
        return new Step(topic.name, key, value, time, header, 0);
    }

    private Topic choose(final Random r) {
        double luck = r.nextDouble() * topics.stream().mapToDouble(Topic::share).sum();
        for (final Topic t : topics) {
            luck -= t.share;
            if (luck < 0) {
                return t;
            }
        }
        return topics.get(topics.size() - 1);
    }

}
