package weir.golden.topologies;

import static weir.golden.topologies.Dsl.S;
import static weir.golden.topologies.Dsl.grouped;
import static weir.golden.topologies.Dsl.kv;
import static weir.golden.topologies.Dsl.out;
import static weir.golden.topologies.Dsl.table;

import java.util.Optional;
import java.util.Set;
import org.apache.kafka.streams.KeyValue;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.kstream.KTable;
import org.apache.kafka.streams.kstream.TableJoined;
import org.apache.kafka.streams.processor.StreamPartitioner;

/**
 * Joins by foreign key, named fk and materialised as j: the table of l (store lt), whose values are a foreign key, a colon and a word (x:a3), with the
 * table of r (store rt), whose keys are foreign keys. The foreign key of v is what stands before the colon, null where that is w. The joiner is
 * left + "/" + right; results go to out by toStream.
 */
final class ForeignKeys extends Family {
    private static final TableJoined<String, String> FK = TableJoined.as("fk");

    ForeignKeys() {
        super("foreign-key", new Inputs().topic("l", Inputs.keys(4), Inputs.references("x", "y", "z", "w"), 2)
            .topic("r", Inputs.oneOf("x", "y", "z"), Inputs.words()).nulls(0.04, 0.2));
    }

    private static KTable<String, String> l(final StreamsBuilder b) {
        return table(b, "l", "lt");
    }

    private static KTable<String, String> r(final StreamsBuilder b) {
        return table(b, "r", "rt");
    }

    private static String join(final String l, final String r) {
        return l + "/" + r;
    }

    private static String fk(final String v) {
        final String key = v.substring(0, v.indexOf(':'));
        return key.equals("w") ? null : key;
    }

    @Override
    void declare() {
        add("inner", "join", b -> out(l(b).join(r(b), ForeignKeys::fk, ForeignKeys::join, FK, kv("j"))));
        add("left", "leftJoin", b -> out(l(b).leftJoin(r(b), ForeignKeys::fk, ForeignKeys::join, FK, kv("j"))));
        add("inner-key-and-value", "join; the foreign key is x for the left key a, else that of v",
            b -> out(l(b).join(r(b), ForeignKeys::both, ForeignKeys::join, FK, kv("j"))));
        add("left-key-and-value", "leftJoin; the foreign key is x for the left key a, else that of v",
            b -> out(l(b).leftJoin(r(b), ForeignKeys::both, ForeignKeys::join, FK, kv("j"))));
        add("inner-virtual", "join, not materialised", b -> out(l(b).join(r(b), ForeignKeys::fk, ForeignKeys::join, FK)));
        add("left-virtual", "leftJoin, not materialised", b -> out(l(b).leftJoin(r(b), ForeignKeys::fk, ForeignKeys::join, FK)));
        add("inner-to-null", "join with null if the word of left begins with a letter from e on, else left + \"/\" + right",
            b -> out(l(b).join(r(b), ForeignKeys::fk, (x, y) -> Dsl.low(x.substring(2)) ? join(x, y) : null, FK, kv("j"))));
        add("inner-filtered", "l filter the word of v is low (virtual), joined with r filter low(v) (virtual)",
            b -> out(l(b).filter((k, v) -> Dsl.low(v.substring(2))).join(r(b).filter((k, v) -> Dsl.low(v)), ForeignKeys::fk, ForeignKeys::join, FK, kv("j"))));
        add("left-then-group", "leftJoin; groupBy (v's last letter but one, v) named g; reduce in agg: add a + \"+\" + b, subtract a + \"-\" + b",
            b -> out(l(b).leftJoin(r(b), ForeignKeys::fk, ForeignKeys::join, FK, kv("j"))
                .groupBy((k, v) -> KeyValue.pair(v.substring(v.length() - 2, v.length() - 1), v), grouped("g"))
                .reduce((x, y) -> x + "+" + y, (x, y) -> x + "-" + y, kv("agg"))));
        add("inner-self", "the table of l joined with itself; the foreign key is what stands before the colon, and keys are x, y, z", b -> {
            final KTable<String, String> t = l(b);
            out(t.join(t, ForeignKeys::fk, ForeignKeys::join, FK, kv("j")));
        }).from(new Inputs().topic("l", Inputs.oneOf("x", "y", "z"), Inputs.references("x", "y", "z", "w")).nulls(0.04, 0.2));
        add("inner-cached", "as inner, with a cache", b -> out(l(b).join(r(b), ForeignKeys::fk, ForeignKeys::join, FK, kv("j")))).cached();
        add("left-cached", "as left, with a cache", b -> out(l(b).leftJoin(r(b), ForeignKeys::fk, ForeignKeys::join, FK, kv("j")))).cached();
        partitioners();
    }

    private static String both(final String k, final String v) {
        return k.equals("a") ? "x" : fk(v);
    }

    private void partitioners() {
        final StreamPartitioner<String, Void> letters = (topic, k, v, n) -> Optional.of(Set.of((k.charAt(0) - 'a') % n));
        add("partitioners", "join; both topics have 3 partitions, and are partitioned by (first letter of the key - 'a') % partitions", b -> out(
            l(b).join(r(b), ForeignKeys::fk, ForeignKeys::join, TableJoined.with(letters, letters).withName("fk"), kv("j"))))
            .partitioned("app-fk-subscription-registration-topic", 3).partitioned("app-fk-subscription-response-topic", 3);
    }
}
