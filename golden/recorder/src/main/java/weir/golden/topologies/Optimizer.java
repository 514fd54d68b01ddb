package weir.golden.topologies;

import static weir.golden.topologies.Dsl.S;
import static weir.golden.topologies.Dsl.grouped;
import static weir.golden.topologies.Dsl.in;
import static weir.golden.topologies.Dsl.kv;
import static weir.golden.topologies.Dsl.kvCount;
import static weir.golden.topologies.Dsl.out;
import static weir.golden.topologies.Dsl.sec;
import static weir.golden.topologies.Dsl.stream;
import static weir.golden.topologies.Dsl.table;

import java.time.Duration;
import java.util.function.Consumer;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.kstream.Grouped;
import org.apache.kafka.streams.kstream.JoinWindows;
import org.apache.kafka.streams.kstream.Joined;
import org.apache.kafka.streams.kstream.KGroupedStream;
import org.apache.kafka.streams.kstream.KStream;
import org.apache.kafka.streams.kstream.Produced;
import org.apache.kafka.streams.kstream.StreamJoined;

/** Topologies with and without the rules that change them: each pair has the same definition. */
final class Optimizer extends Family {
    private static final StreamJoined<String, String, String> J = StreamJoined.with(S, S, S).withName("j").withStoreName("j");
    private static final JoinWindows WITHIN = JoinWindows.ofTimeDifferenceAndGrace(sec(5), sec(3));

    Optimizer() {
        super("optimizer", Inputs.of("in"));
    }

    @Override
    void declare() {
        pair("repartitions", "selectKey v; groupByKey named g1, count in agg1 -> out; groupByKey named g2, reduce a + b in agg2 -> out-2",
            StreamsConfig.MERGE_REPARTITION_TOPICS, Optimizer::repartitions, Inputs.of("in"));
        pair("repartitions-later", "selectKey v; mapValues v + \"!\", groupByKey named g1, count in agg1 -> out; filter low(v), groupByKey named g2, count in agg2 -> out-2",
            StreamsConfig.MERGE_REPARTITION_TOPICS, Optimizer::later, Inputs.of("in"));
        pair("repartitions-join", "selectKey v's first letter (null of null); join named j with the table of r in t: v + \"/\" + row -> out; groupByKey named g, count in agg -> out-2",
            StreamsConfig.MERGE_REPARTITION_TOPICS, Optimizer::joined, Inputs.of("in", "r"));
        pair("repartitions-null-keys", "selectKey v; groupByKey named g1, count in agg1 -> out; filter k == null || low(k) -> out-3, and groupByKey named g2, count in agg2 -> out-2",
            StreamsConfig.MERGE_REPARTITION_TOPICS, Optimizer::nullKeys, Inputs.of("in").nulls(0.05, 0.3));
        pair("self-join-edge", "in joined with itself within 2 ms, grace 1 ms, named j: left + \"/\" + right", StreamsConfig.SINGLE_STORE_SELF_JOIN, b -> {
            final KStream<String, String> s = in(b);
            out(s.join(s, (x, y) -> x + "/" + y, JoinWindows.ofTimeDifferenceAndGrace(Duration.ofMillis(2), Duration.ofMillis(1)), J));
        }, new Inputs().topic("in", Inputs.keys(3), Inputs.words()).unit(1, 12).disorder(0.35, 0.05, 0.05));
        pair("self-join-left", "in left-joined with itself within 5 s, grace 3, named j: left + \"/\" + right", StreamsConfig.SINGLE_STORE_SELF_JOIN, b -> {
            final KStream<String, String> s = in(b);
            out(s.leftJoin(s, (x, y) -> x + "/" + y, WITHIN, J));
        }, one());
        pair("self-join-outer", "in outer-joined with itself within 5 s, grace 3, named j: left + \"/\" + right", StreamsConfig.SINGLE_STORE_SELF_JOIN, b -> {
            final KStream<String, String> s = in(b);
            out(s.outerJoin(s, (x, y) -> x + "/" + y, WITHIN, J));
        }, one());
        pair("repartitions-unnamed", "groupBy v without a name; count in agg -> out; reduce a + b in agg2 -> out-2", StreamsConfig.MERGE_REPARTITION_TOPICS, b -> {
            final KGroupedStream<String, String> g = in(b).groupBy((k, v) -> v, Grouped.with(S, S));
            Dsl.counts(g.count(kvCount("agg")));
            g.reduce((x, y) -> x + y, kv("agg2")).toStream().to("out-2", Produced.with(S, S));
        }, Inputs.of("in"));
        pair("source-table", "table of in with store t -> out", StreamsConfig.REUSE_KTABLE_SOURCE_TOPICS, b -> out(table(b, "in", "t")),
            Inputs.of("in").nulls(0.05, 0.25));
        pair("source-tables", "table of in with store t, left-joined with the table of r with store rt: left + \"/\" + right, materialised as j",
            StreamsConfig.REUSE_KTABLE_SOURCE_TOPICS, b -> out(table(b, "in", "t").leftJoin(table(b, "r", "rt"), (x, y) -> x + "/" + y, kv("j"))),
            Inputs.of("in", "r").nulls(0.05, 0.25));
        pair("self-join", "in joined with itself within 5 s, grace 3 s, named j: left + \"/\" + right", StreamsConfig.SINGLE_STORE_SELF_JOIN, b -> {
            final KStream<String, String> s = in(b);
            out(s.join(s, (x, y) -> x + "/" + y, WITHIN, J));
        }, one());
        pair("all", "the stream of in, selectKey v's first letter (null of null), joined with the table of r in t, named j: v + \"/\" + row -> out; "
            + "groupByKey named g, reduce a + b in agg -> out-2", StreamsConfig.OPTIMIZE, Optimizer::everything, Inputs.of("in", "r"));
    }

    private static Inputs one() {
        return new Inputs().topic("in", Inputs.keys(3), Inputs.words()).unit(1000, 120);
    }

    private void pair(final String name, final String what, final String rules, final Consumer<StreamsBuilder> build, final Inputs inputs) {
        add(name, what, build).optimized(rules).from(inputs);
        add(name + "-not", what + "; not optimised", build).from(inputs).sameInputsAs("optimizer/" + name);
    }

    private static void repartitions(final StreamsBuilder b) {
        final KStream<String, String> s = in(b).selectKey((k, v) -> v);
        Dsl.counts(s.groupByKey(grouped("g1")).count(kvCount("agg1")));
        s.groupByKey(grouped("g2")).reduce((x, y) -> x + y, kv("agg2")).toStream().to("out-2", Produced.with(S, S));
    }

    private static void later(final StreamsBuilder b) {
        final KStream<String, String> s = in(b).selectKey((k, v) -> v);
        Dsl.counts(s.mapValues(v -> v + "!").groupByKey(grouped("g1")).count(kvCount("agg1")));
        s.filter((k, v) -> Dsl.low(v)).groupByKey(grouped("g2")).count(kvCount("agg2")).toStream().to("out-2", Produced.with(S, Dsl.L));
    }

    private static void nullKeys(final StreamsBuilder b) {
        final KStream<String, String> s = in(b).selectKey((k, v) -> v);
        Dsl.counts(s.groupByKey(grouped("g1")).count(kvCount("agg1")));
        final KStream<String, String> some = s.filter((k, v) -> k == null || Dsl.low(k));
        some.to("out-3", Produced.with(S, S));
        some.groupByKey(grouped("g2")).count(kvCount("agg2")).toStream().to("out-2", Produced.with(S, Dsl.L));
    }

    private static KStream<String, String> letters(final StreamsBuilder b) {
        return stream(b, "in").selectKey((k, v) -> v == null ? null : v.substring(0, 1));
    }

    private static void joined(final StreamsBuilder b) {
        final KStream<String, String> s = letters(b);
        out(s.join(table(b, "r", "t"), (v, row) -> v + "/" + row, Joined.with(S, S, S, "j")));
        s.groupByKey(grouped("g")).count(kvCount("agg")).toStream().to("out-2", Produced.with(S, Dsl.L));
    }

    private static void everything(final StreamsBuilder b) {
        final KStream<String, String> s = letters(b);
        out(s.join(table(b, "r", "t"), (v, row) -> v + "/" + row, Joined.with(S, S, S, "j")));
        s.groupByKey(grouped("g")).reduce((x, y) -> x + y, kv("agg")).toStream().to("out-2", Produced.with(S, S));
    }
}
