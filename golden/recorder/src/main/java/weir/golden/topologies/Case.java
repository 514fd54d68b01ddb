package weir.golden.topologies;

import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Properties;
import java.util.function.Consumer;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.Topology;
import org.apache.kafka.streams.TopologyConfig;

/**
 * One topology and what is sent to it. Its definition in words (what) is for the Go side, which builds the same from it: operators in order, user
 * functions in one line each, and every name of a store or an internal topic.
 */
final class Case {
    /** Makes a topology. It is called once a run: processors and counters of user functions begin anew. */
    interface Build {
        Topology topology(Properties config);
    }

    final String family;
    final String name;
    final String what;
    final Build build;
    final Map<String, String> config = new LinkedHashMap<>();
    final Map<String, Integer> partitions = new LinkedHashMap<>();
    Inputs inputs = Inputs.of("in");
    boolean wallClockTimes;
    private String seeds;

    private Case(final String family, final String name, final String what, final Build build) {
        this.family = family;
        this.name = name;
        this.what = what;
        this.build = build;
    }

    /** A topology of the DSL. Caches hold nothing, so that every update is seen; cached says otherwise. */
    static Case of(final String family, final String name, final String what, final Consumer<StreamsBuilder> build) {
        return processors(family, name, what, config -> {
            final StreamsBuilder b = new StreamsBuilder(new TopologyConfig(new StreamsConfig(config)));
            build.accept(b);
            return b.build(config);
        });
    }

    /** A topology made by hand. */
    static Case processors(final String family, final String name, final String what, final Build build) {
        return new Case(family, name, what, build).with(StreamsConfig.STATESTORE_CACHE_MAX_BYTES_CONFIG, "0");
    }

    Case from(final Inputs made) {
        inputs = made;
        return this;
    }

    Case with(final String key, final String value) {
        config.put(key, value);
        return this;
    }

    Case cached() {
        return with(StreamsConfig.STATESTORE_CACHE_MAX_BYTES_CONFIG, "10485760");
    }

    Case optimized(final String rules) {
        return with(StreamsConfig.TOPOLOGY_OPTIMIZATION_CONFIG, rules);
    }

    /** Looks for what has closed only so often, by the wall clock; the test driver's own default is at every record. */
    Case emitEvery(final Duration interval) {
        return with(StreamsConfig.InternalConfig.EMIT_INTERVAL_MS_KSTREAMS_WINDOWED_AGGREGATION, Long.toString(interval.toMillis()))
            .with(StreamsConfig.InternalConfig.EMIT_INTERVAL_MS_KSTREAMS_OUTER_JOIN_SPURIOUS_RESULTS_FIX, Long.toString(interval.toMillis()));
    }

    /** Gives a topic that is written several partitions; all others have one. */
    Case partitioned(final String topic, final int count) {
        partitions.put(topic, count);
        return this;
    }

    /** Times that Kafka reads from the machine's clock are written down as what the driver's clock shows. */
    Case wallClockTimes() {
        wallClockTimes = true;
        return this;
    }

    /** Takes the seeds of another case, whose inputs are made in the same way, so that the runs of both can be compared one by one. */
    Case sameInputsAs(final String id) {
        seeds = id;
        return this;
    }

    /** The seed of the first run; each later one has one more. */
    long seed() {
        return (seeds == null ? id() : seeds).hashCode() * 1000L;
    }

    String id() {
        return family + "/" + name;
    }
}
