package weir.golden.topologies;

import static weir.golden.topologies.Dsl.S;
import static weir.golden.topologies.Dsl.in;
import static weir.golden.topologies.Dsl.out;
import static weir.golden.topologies.Dsl.stream;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.regex.Pattern;
import org.apache.kafka.streams.KeyValue;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.kstream.Branched;
import org.apache.kafka.streams.kstream.Consumed;
import org.apache.kafka.streams.kstream.KStream;
import org.apache.kafka.streams.kstream.Named;
import org.apache.kafka.streams.kstream.Printed;
import org.apache.kafka.streams.kstream.Produced;
import org.apache.kafka.streams.kstream.Repartitioned;

/** Operators without state, sources of several topics, repartitioning. In what, null in a string is the word null, and low(v) is v != null && v[0] < 'e'. */
final class Stateless extends Family {
    Stateless() {
        super("stateless", Inputs.of("in"));
    }

    @Override
    void declare() {
        records();
        branches();
        sources();
        repartitions();
    }

    private void records() {
        add("copy", "in -> out", b -> out(in(b)));
        add("filter", "filter low(v)", b -> out(in(b).filter((k, v) -> Dsl.low(v))));
        add("filter-not", "filterNot low(v)", b -> out(in(b).filterNot((k, v) -> Dsl.low(v))));
        add("filter-key", "filter k == null || k == \"a\"", b -> out(in(b).filter((k, v) -> k == null || k.equals("a"))));
        add("map", "map (k + \"!\", v + \"-\" + k)", b -> out(in(b).map((k, v) -> KeyValue.pair(k + "!", v + "-" + k))));
        add("map-to-null", "map (low(v) ? v : null, k)", b -> out(in(b).map((k, v) -> KeyValue.pair(Dsl.low(v) ? v : null, k))));
        add("map-values", "mapValues v + \"?\"", b -> out(in(b).mapValues(v -> v + "?")));
        add("map-values-key", "mapValues v + \"-\" + k", b -> out(in(b).mapValues((k, v) -> v + "-" + k)));
        add("map-values-to-null", "mapValues low(v) ? v : null", b -> out(in(b).mapValues(v -> Dsl.low(v) ? v : null)));
        add("flat-map", "flatMap: null v -> nothing; else (k, v), (v, k)", b -> out(in(b).flatMap(Stateless::swapped)));
        add("flat-map-values", "flatMapValues: null -> nothing; else each character as a string", b -> out(in(b).flatMapValues(Stateless::characters)));
        add("flat-map-values-key", "flatMapValues: low(v) -> v, k, v; else nothing",
            b -> out(in(b).flatMapValues((k, v) -> Dsl.low(v) ? listOf(v, k, v) : List.of())));
        add("key-by", "selectKey v", b -> out(in(b).selectKey((k, v) -> v)));
        add("peek", "peek (no effect) -> out; the peeked stream also forEach (no effect)", b -> {
            final KStream<String, String> seen = in(b).peek((k, v) -> { });
            out(seen);
            seen.foreach((k, v) -> { });
        });
        add("print", "print; in -> out", b -> {
            final KStream<String, String> s = in(b);
            s.print(Printed.toFile("/dev/null"));
            out(s);
        });
        add("chain", "filter v != null; map (v, k); mapValues v + \"1\"; flatMapValues v, v + \"2\"; filterNot low(k)",
            b -> out(in(b).filter((k, v) -> v != null).map((k, v) -> KeyValue.pair(v, k)).mapValues(v -> v + "1")
                .flatMapValues(v -> List.of(v, v + "2")).filterNot((k, v) -> Dsl.low(k))));
        add("two-sinks", "in -> out-1; then mapValues v + \"2\" of in -> out-2; in that order of declaration", b -> {
            final KStream<String, String> s = in(b);
            s.to("out-1", Produced.with(S, S));
            s.mapValues(v -> v + "2").to("out-2", Produced.with(S, S));
        });
        add("same-sink-twice", "in -> out; mapValues v + \"2\" of in -> out", b -> {
            final KStream<String, String> s = in(b);
            out(s);
            out(s.mapValues(v -> v + "2"));
        });
    }

    private static List<KeyValue<String, String>> swapped(final String k, final String v) {
        return v == null ? List.of() : List.of(KeyValue.pair(k, v), KeyValue.pair(v, k));
    }

    private static List<String> characters(final String v) {
        return v == null ? List.of() : v.chars().mapToObj(c -> String.valueOf((char) c)).toList();
    }

    private static List<String> listOf(final String... some) { // may hold null
        return new ArrayList<>(Arrays.asList(some));
    }

    private void branches() {
        add("split", "split: v == null -> out-null; low(v) -> out-low; default -> out-rest", b -> {
            final Map<String, KStream<String, String>> s = in(b).split(Named.as("s-")).branch((k, v) -> v == null, Branched.as("null"))
                .branch((k, v) -> Dsl.low(v), Branched.as("low")).defaultBranch(Branched.as("rest"));
            for (final String branch : List.of("null", "low", "rest")) {
                s.get("s-" + branch).to("out-" + branch, Produced.with(S, S));
            }
        });
        add("split-no-default", "split: low(v) -> out-low; k == \"a\" -> out-a; others nowhere", b -> {
            final Map<String, KStream<String, String>> s = in(b).split(Named.as("s-")).branch((k, v) -> Dsl.low(v), Branched.as("low"))
                .branch((k, v) -> "a".equals(k), Branched.as("a")).noDefaultBranch();
            s.get("s-low").to("out-low", Produced.with(S, S));
            s.get("s-a").to("out-a", Produced.with(S, S));
        });
        add("split-merge", "split: low(v) -> mapValues v + \"L\"; default -> mapValues v + \"D\"; the first merged with the second -> out", b -> {
            final Map<String, KStream<String, String>> s = in(b).split(Named.as("s-")).branch((k, v) -> Dsl.low(v), Branched.as("low"))
                .defaultBranch(Branched.as("rest"));
            out(s.get("s-low").mapValues(v -> v + "L").merge(s.get("s-rest").mapValues(v -> v + "D")));
        });
        add("merge", "in merged with in2 -> out", b -> out(in(b).merge(stream(b, "in2")))).from(Inputs.of("in", "in2"));
        add("merge-three", "in merged with (mapValues v + \"2\" of in2), merged with in3 -> out",
            b -> out(in(b).merge(stream(b, "in2").mapValues(v -> v + "2")).merge(stream(b, "in3")))).from(Inputs.of("in", "in2", "in3"));
        add("merge-with-part-of-itself", "in merged with filter low(v) of in -> out", b -> {
            final KStream<String, String> s = in(b);
            out(s.merge(s.filter((k, v) -> Dsl.low(v))));
        });
    }

    private void sources() {
        add("several-topics", "one source of in and in2 -> out", b -> out(b.stream(List.of("in", "in2"), Consumed.with(S, S)))).from(Inputs.of("in", "in2"));
        add("pattern", "source of topics matching in-[0-9] -> out", b -> out(b.stream(Pattern.compile("in-[0-9]"), Consumed.with(S, S))))
            .from(Inputs.of("in-1", "in-2"));
        add("through-a-topic", "in, mapValues v + \"1\" -> middle; source middle, mapValues v + \"2\" -> out", b -> {
            in(b).mapValues(v -> v + "1").to("middle", Produced.with(S, S));
            out(stream(b, "middle").mapValues(v -> v + "2"));
        });
    }

    private void repartitions() {
        add("repartition", "repartition named r -> out", b -> out(in(b).repartition(Repartitioned.with(S, S).withName("r"))));
        add("repartition-after-key-by", "selectKey v; repartition named r -> out",
            b -> out(in(b).selectKey((k, v) -> v).repartition(Repartitioned.with(S, S).withName("r"))));
        add("repartition-twice", "repartition named r; map (v, k); repartition named q -> out",
            b -> out(in(b).repartition(Repartitioned.with(S, S).withName("r")).map((k, v) -> KeyValue.pair(v, k))
                .repartition(Repartitioned.with(S, S).withName("q"))));
        add("repartition-partitions", "selectKey v; repartition named r with 3 partitions -> out",
            b -> out(in(b).selectKey((k, v) -> v).repartition(Repartitioned.with(S, S).withName("r").withNumberOfPartitions(3))));
        add("repartition-partitioner", "repartition named r with 3 partitions, partitioned by (length of v) % partitions, null v as length 0 -> out",
            b -> out(in(b).repartition(Repartitioned.with(S, S).withName("r").withNumberOfPartitions(3)
                .withStreamPartitioner((topic, k, v, n) -> Optional.of(Set.of((v == null ? 0 : v.length()) % n))))))
            .partitioned("app-r-repartition", 3);
    }
}
