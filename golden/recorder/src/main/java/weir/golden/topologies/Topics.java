package weir.golden.topologies;

import static weir.golden.topologies.Dsl.L;
import static weir.golden.topologies.Dsl.S;
import static weir.golden.topologies.Dsl.in;
import static weir.golden.topologies.Dsl.out;
import static weir.golden.topologies.Dsl.sec;
import static weir.golden.topologies.Dsl.stream;
import static weir.golden.topologies.Dsl.winCount;

import java.util.Arrays;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.errors.StreamsException;
import org.apache.kafka.streams.kstream.Consumed;
import org.apache.kafka.streams.kstream.Grouped;
import org.apache.kafka.streams.kstream.KStream;
import org.apache.kafka.streams.kstream.Produced;
import org.apache.kafka.streams.kstream.TimeWindows;
import org.apache.kafka.streams.processor.StreamPartitioner;
import org.apache.kafka.streams.processor.TimestampExtractor;
import org.apache.kafka.streams.processor.WallclockTimestampExtractor;

/**
 * The ways in and out: event times, routing, partitioners. Where event times come from values, these are a letter, a colon and the time in ms (a:12345); the
 * record's own time counts for null values.
 */
final class Topics extends Family {
    Topics() {
        super("topics", Inputs.of("in"));
    }

    @Override
    void declare() {
        times();
        routes();
        partitions();
    }

    private static long time(final ConsumerRecord<Object, Object> r) {
        final String v = (String) r.value();
        return v == null ? r.timestamp() : Long.parseLong(v.substring(2));
    }

    private static KStream<String, String> timed(final StreamsBuilder b, final TimestampExtractor by) {
        return b.stream("in", Consumed.with(S, S).withTimestampExtractor(by));
    }

    private static Inputs times(final int least, final int most) {
        return new Inputs().topic("in", Inputs.keys(3), Inputs.times(least, most));
    }

    private void times() {
        add("event-time", "in by event time -> out", b -> out(timed(b, (r, partition) -> time(r)))).from(times(0, 100_000));
        add("event-time-windows", "in by event time; groupByKey; tumbling 10, grace 20; count in agg", b -> Dsl.windows(timed(b, (r, partition) -> time(r))
            .groupByKey(Grouped.with(S, S)).windowedBy(TimeWindows.ofSizeAndGrace(sec(10), sec(20))).count(winCount("agg")), 10_000, L)).from(times(0, 100_000));
        add("event-time-skip", "in by event time, records before 0 are dropped -> out", b -> out(timed(b, (r, partition) -> time(r)))).from(times(-10_000, 50_000));
        add("event-time-fail", "in by event time, records before 0 fail -> out", b -> out(timed(b, (r, partition) -> {
            if (time(r) < 0) {
                throw new StreamsException("before the epoch");
            }
            return time(r);
        }))).from(times(-300, 50_000));
        add("partition-time", "in by event time, records before 0 get the partition's time; before the first time they fail -> out",
            b -> out(timed(b, (r, partition) -> {
                if (time(r) >= 0) {
                    return time(r);
                }
                if (partition < 0) {
                    throw new StreamsException("no time so far");
                }
                return partition;
            }))).from(times(-10_000, 50_000));
        add("wall-clock", "in by the wall clock -> out", b -> out(timed(b, new WallclockTimestampExtractor()))).wallClockTimes().from(Inputs.of("in").ticks(0.3));
        add("two-times", "in by event time merged with in2 by the records' own -> out",
            b -> out(timed(b, (r, partition) -> time(r)).merge(stream(b, "in2"))))
            .from(new Inputs().topic("in", Inputs.keys(3), Inputs.times(0, 50_000)).topic("in2", Inputs.keys(3), Inputs.words()).early());
    }

    private void routes() {
        add("route-by-value", "to: \"out-\" + the first letter of v, out-null of null",
            b -> in(b).to((k, v, context) -> v == null ? "out-null" : "out-" + v.substring(0, 1), Produced.with(S, S)));
        add("route-by-header", "to: \"out-\" + the record's header h, out-none without one", b -> in(b).to((k, v, context) -> {
            final var h = context.headers().lastHeader("h");
            return h == null ? "out-none" : "out-" + Inputs.string(h.value());
        }, Produced.with(S, S)));
        add("route-by-time", "mapValues v + \"!\"; to: out-even or out-odd by the record's time", b -> in(b).mapValues(v -> v + "!")
            .to((k, v, context) -> context.timestamp() % 2 == 0 ? "out-even" : "out-odd", Produced.with(S, S)));
    }

    private void partitions() {
        partitioned("partition-by-value", "out has 4 partitions, by v's digit % partitions for low(v), by 2 % partitions for others, by 0 for null",
            (topic, k, v, n) -> Optional.of(Set.of((Dsl.low(v) ? v.charAt(1) - '0' : v == null ? 0 : v.length()) % n)));
        partitioned("partition-some", "out has 4 partitions; low(v) goes to 3, others as without a partitioner (recorded without a partition)",
            (topic, k, v, n) -> Dsl.low(v) ? Optional.of(Set.of(3)) : Optional.empty());
        partitioned("partition-none", "out has 4 partitions; low(v) goes to 1, others to none and are dropped",
            (topic, k, v, n) -> Optional.of(Dsl.low(v) ? Set.of(1) : Set.of()));
        partitioned("multicast", "out has 4 partitions; low(v) goes to 0 and 2, others to 1, 2 and 3",
            (topic, k, v, n) -> Optional.of(new LinkedHashSet<>(Dsl.low(v) ? List.of(0, 2) : List.of(1, 2, 3))));
        partitioned("broadcast", "out has 4 partitions; every record goes to all",
            (topic, k, v, n) -> Optional.of(new LinkedHashSet<>(Arrays.asList(0, 1, 2, 3))));
    }

    private void partitioned(final String name, final String what, final StreamPartitioner<String, String> by) {
        add(name, what, b -> in(b).to("out", Produced.with(S, S, by))).partitioned("out", 4);
    }
}
