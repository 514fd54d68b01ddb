import java.time.Duration;
import java.util.Arrays;
import java.util.regex.Pattern;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.Topology;
import org.apache.kafka.streams.kstream.Consumed;
import org.apache.kafka.streams.kstream.GlobalKTable;
import org.apache.kafka.streams.kstream.Grouped;
import org.apache.kafka.streams.kstream.JoinWindows;
import org.apache.kafka.streams.kstream.Joined;
import org.apache.kafka.streams.kstream.KStream;
import org.apache.kafka.streams.kstream.KTable;
import org.apache.kafka.streams.kstream.Materialized;
import org.apache.kafka.streams.kstream.Named;
import org.apache.kafka.streams.kstream.Produced;
import org.apache.kafka.streams.kstream.Repartitioned;
import org.apache.kafka.streams.kstream.StreamJoined;
import org.apache.kafka.streams.kstream.Suppressed;
import org.apache.kafka.streams.kstream.TableJoined;
import org.apache.kafka.streams.kstream.TimeWindows;

/** Programs in Kafka's DSL. */
final class Dsl {
    private static final Duration MINUTE = Duration.ofMinutes(1);
    private final StreamsBuilder b = new StreamsBuilder();

    static Topology topology(String name) {
        Dsl d = new Dsl();
        switch (name) {
            case "wordcount" -> d.wordcount();
            case "streamjoin" -> d.streamJoin();
            case "tablejoin" -> d.tableJoin();
            case "foreignkey" -> d.foreignKey();
            case "global" -> d.global();
            case "suppress" -> d.suppress();
            case "branches" -> d.branches();
            default -> throw new IllegalArgumentException(name);
        }
        return d.b.build();
    }

    private KStream<String, String> from(String topic) {
        return b.stream(topic, Consumed.with(Serdes.String(), Serdes.String()));
    }

    private KTable<String, String> table(String topic, String store) {
        return b.table(topic, Consumed.with(Serdes.String(), Serdes.String()), Materialized.as(store));
    }

    private void wordcount() {
        from("lines").flatMapValues(v -> Arrays.asList(v.split(" "))).groupBy((k, v) -> v, Grouped.as("by-word"))
            .count(Materialized.as("counts")).toStream().to("words");
    }

    private void streamJoin() {
        KStream<String, String> orders = from("orders").selectKey((k, v) -> v);
        orders.outerJoin(from("payments"), (o, p) -> o + p, JoinWindows.ofTimeDifferenceWithNoGrace(MINUTE),
            StreamJoined.with(Serdes.String(), Serdes.String(), Serdes.String()).withName("paid").withStoreName("paid")).to("paid-orders");
    }

    private void tableJoin() {
        KTable<String, String> people = table("people", "people");
        KTable<String, String> places = table("places", "places");
        KTable<String, String> both = people.filter((k, v) -> true).leftJoin(places, (a, c) -> a, Named.as("located"), Materialized.as("located"));
        from("visits").join(both, (v, p) -> v, Joined.as("visitors")).to("visitors");
        both.toStream().to("located");
    }

    private void foreignKey() {
        table("orders", "orders").leftJoin(table("customers", "customers"), v -> v, (o, c) -> o + c, TableJoined.as("customer"), Materialized.as("enriched"))
            .toStream().to("enriched");
    }

    private void global() {
        GlobalKTable<String, String> rates = b.globalTable("rates", Materialized.as("rates"));
        from("payments").join(rates, (k, v) -> v, (v, r) -> v + r).to("converted");
        from("refunds").leftJoin(rates, (k, v) -> v, (v, r) -> v).filter((k, v) -> true).to("reverted");
    }

    private void suppress() {
        b.stream(Pattern.compile("clicks[.].*"), Consumed.with(Serdes.String(), Serdes.String())).repartition(Repartitioned.as("clicks"))
            .groupByKey().windowedBy(TimeWindows.ofSizeWithNoGrace(MINUTE)).count(Materialized.as("per-minute"))
            .suppress(Suppressed.untilWindowCloses(Suppressed.BufferConfig.unbounded()).withName("closed"))
            .toStream().map((w, n) -> new org.apache.kafka.streams.KeyValue<>(w.key(), n)).to("rates", Produced.with(Serdes.String(), Serdes.Long()));
    }

    private void branches() {
        KStream<String, String> all = from("all");
        var split = all.split(Named.as("kind-")).branch((k, v) -> v.isEmpty(), org.apache.kafka.streams.kstream.Branched.as("empty"))
            .defaultBranch(org.apache.kafka.streams.kstream.Branched.as("rest"));
        KStream<String, String> rest = split.get("kind-rest").mapValues(v -> v + 1);
        split.get("kind-empty").merge(rest).merge(all).peek((k, v) -> { }).to("merged");
        rest.to("rest");
    }
}
