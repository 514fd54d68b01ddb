package weir.golden.topologies;

import static weir.golden.topologies.Dsl.S;
import static weir.golden.topologies.Dsl.grouped;
import static weir.golden.topologies.Dsl.kv;
import static weir.golden.topologies.Dsl.kvCount;
import static weir.golden.topologies.Dsl.out;
import static weir.golden.topologies.Dsl.stream;
import static weir.golden.topologies.Dsl.table;

import org.apache.kafka.streams.KeyValue;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.kstream.Consumed;
import org.apache.kafka.streams.kstream.Grouped;
import org.apache.kafka.streams.kstream.KTable;

/** Joins of the table of l (store lt) with the table of r (store rt) by their key. The joiner is left + "/" + right; results go to out by toStream. */
final class TableJoins extends Family {
    TableJoins() {
        super("table-table", new Inputs().topic("l", Inputs.keys(3), Inputs.words()).topic("r", Inputs.keys(3), Inputs.words()).nulls(0.05, 0.25));
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

    @Override
    void declare() {
        plain();
        inputs();
        results();
    }

    private void plain() {
        add("inner", "join", b -> out(l(b).join(r(b), TableJoins::join)));
        add("left", "leftJoin", b -> out(l(b).leftJoin(r(b), TableJoins::join)));
        add("outer", "outerJoin", b -> out(l(b).outerJoin(r(b), TableJoins::join)));
        add("inner-materialized", "join, materialised as j", b -> out(l(b).join(r(b), TableJoins::join, kv("j"))));
        add("left-materialized", "leftJoin, materialised as j", b -> out(l(b).leftJoin(r(b), TableJoins::join, kv("j"))));
        add("outer-materialized", "outerJoin, materialised as j", b -> out(l(b).outerJoin(r(b), TableJoins::join, kv("j"))));
        add("inner-to-null", "join with low(left) ? left + \"/\" + right : null", b -> out(l(b).join(r(b), (x, y) -> Dsl.low(x) ? join(x, y) : null)));
        add("outer-to-null", "outerJoin with left == null || right == null ? null : left + \"/\" + right, materialised as j",
            b -> out(l(b).outerJoin(r(b), (x, y) -> x == null || y == null ? null : join(x, y), kv("j"))));
        add("inner-cached", "as inner-materialized, with a cache", b -> out(l(b).join(r(b), TableJoins::join, kv("j")))).cached();
        add("outer-cached", "as outer-materialized, with a cache", b -> out(l(b).outerJoin(r(b), TableJoins::join, kv("j")))).cached();
    }

    private void inputs() {
        add("filtered", "l filter low(v) (virtual), joined with r mapValues v + \"!\" (virtual)",
            b -> out(l(b).filter((k, v) -> Dsl.low(v)).join(r(b).mapValues(v -> v + "!"), TableJoins::join)));
        add("filtered-outer", "l filter low(v) (virtual), outer-joined with r filter low(v) (virtual)",
            b -> out(l(b).filter((k, v) -> Dsl.low(v)).outerJoin(r(b).filter((k, v) -> Dsl.low(v)), TableJoins::join)));
        add("aggregates", "streams of l and r, groupByKey, reduce a + b in lt and rt; outerJoin", b -> out(
            stream(b, "l").groupByKey().reduce((x, y) -> x + y, kv("lt")).outerJoin(stream(b, "r").groupByKey().reduce((x, y) -> x + y, kv("rt")), TableJoins::join)));
        add("three", "join; leftJoin with the table of q (store qt), materialised as j",
            b -> out(l(b).join(r(b), TableJoins::join).leftJoin(table(b, "q", "qt"), TableJoins::join, kv("j"))))
            .from(new Inputs().topic("l", Inputs.keys(2), Inputs.words()).topic("r", Inputs.keys(2), Inputs.words())
                .topic("q", Inputs.keys(2), Inputs.words()).nulls(0.05, 0.25));
        add("self", "l joined with itself", b -> {
            final KTable<String, String> t = l(b);
            out(t.join(t, TableJoins::join));
        }).from(new Inputs().topic("l", Inputs.keys(3), Inputs.words()).nulls(0.05, 0.25));
        add("self-filtered", "l outer-joined with filter low(v) of l", b -> {
            final KTable<String, String> t = l(b);
            out(t.outerJoin(t.filter((k, v) -> Dsl.low(v)), TableJoins::join));
        }).from(new Inputs().topic("l", Inputs.keys(3), Inputs.words()).nulls(0.05, 0.25));
        add("if-needed", "tables of l and r without stores of their own, which the join makes: l-STATE-STORE-0000000000, r-STATE-STORE-0000000003; leftJoin",
            b -> out(b.table("l", Consumed.with(S, S)).leftJoin(b.table("r", Consumed.with(S, S)), TableJoins::join)));
    }

    private void results() {
        add("then-filter", "outerJoin; filter low(v), materialised as f", b -> out(l(b).outerJoin(r(b), TableJoins::join).filter((k, v) -> Dsl.low(v), kv("f"))));
        add("then-group", "leftJoin; groupBy (v's first letter, v) named g; reduce in agg: add a + \"+\" + b, subtract a + \"-\" + b",
            b -> out(l(b).leftJoin(r(b), TableJoins::join).groupBy((k, v) -> KeyValue.pair(v.substring(0, 1), v), grouped("g"))
                .reduce((x, y) -> x + "+" + y, (x, y) -> x + "-" + y, kv("agg"))));
        add("then-count", "join; toStream; groupByKey; count in agg", b -> Dsl.counts(l(b).join(r(b), TableJoins::join).toStream()
            .groupByKey(Grouped.with(S, S)).count(kvCount("agg"))));
    }
}
