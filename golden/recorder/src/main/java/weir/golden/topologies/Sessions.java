package weir.golden.topologies;

import static weir.golden.topologies.Dsl.L;
import static weir.golden.topologies.Dsl.S;
import static weir.golden.topologies.Dsl.grouped;
import static weir.golden.topologies.Dsl.in;
import static weir.golden.topologies.Dsl.sec;
import static weir.golden.topologies.Dsl.ses;
import static weir.golden.topologies.Dsl.sesCount;
import static weir.golden.topologies.Dsl.sessions;

import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.kstream.EmitStrategy;
import org.apache.kafka.streams.kstream.Materialized;
import org.apache.kafka.streams.kstream.SessionWindowedKStream;
import org.apache.kafka.streams.kstream.SessionWindows;
import org.apache.kafka.streams.state.Stores;

/** Session windows. Stores are named agg, repartitions g; results go to out by toStream, with the session key's own serde. Durations in what are seconds. */
final class Sessions extends Family {
    private static final SessionWindows GAP = SessionWindows.ofInactivityGapAndGrace(sec(4), sec(6));

    Sessions() {
        super("sessions", new Inputs().topic("in", Inputs.keys(3), Inputs.words()).unit(1000, 200).disorder(0.25, 0.05, 0.04));
    }

    @Override
    void declare() {
        onUpdate();
        onClose();
        stores();
    }

    private static SessionWindowedKStream<String, String> by(final StreamsBuilder b, final SessionWindows w) {
        return in(b).groupByKey().windowedBy(w);
    }

    private void onUpdate() {
        add("count", "gap 4, grace 6; count", b -> sessions(by(b, GAP).count(sesCount("agg")), L));
        add("count-no-grace", "gap 4, no grace; count", b -> sessions(by(b, SessionWindows.ofInactivityGapWithNoGrace(sec(4))).count(sesCount("agg")), L));
        add("reduce", "gap 4, grace 6; reduce a + b, null as the word null", b -> sessions(by(b, GAP).reduce((x, y) -> x + y, ses("agg")), S));
        add("aggregate", "gap 4, grace 6; aggregate from \"\": agg + v; merge a + \"|\" + b",
            b -> sessions(by(b, GAP).aggregate(() -> "", (k, v, a) -> a + v, (k, x, y) -> x + "|" + y, ses("agg")), S));
        add("aggregate-to-null", "gap 4, grace 6; aggregate from \"\": low(v) ? agg + v : null; merge a + \"|\" + b",
            b -> sessions(by(b, GAP).aggregate(() -> "", (k, v, a) -> Dsl.low(v) ? a + v : null, (k, x, y) -> x + "|" + y, ses("agg")), S));
        add("count-group-by", "groupBy v's first letter, null if v is null, named g; gap 4, grace 6; count", b -> sessions(in(b)
            .groupBy((k, v) -> v == null ? null : v.substring(0, 1), grouped("g")).windowedBy(GAP).count(sesCount("agg")), L));
        add("count-partitions", "gap 4, grace 6; count; out has 4 partitions: by the inner key", b -> sessions(by(b, GAP).count(sesCount("agg")), L))
            .partitioned("out", 4);
    }

    private void onClose() {
        final EmitStrategy close = EmitStrategy.onWindowClose();
        add("close", "gap 4, grace 6, retention a day; emit on close; count",
            b -> sessions(by(b, GAP).emitStrategy(close).count(sesCount("agg").withRetention(Dsl.DAY)), L));
        add("close-aggregate", "gap 4, no grace, retention a day; emit on close; aggregate from \"\": agg + v; merge a + \"|\" + b",
            b -> sessions(by(b, SessionWindows.ofInactivityGapWithNoGrace(sec(4))).emitStrategy(close)
                .aggregate(() -> "", (k, v, a) -> a + v, (k, x, y) -> x + "|" + y, ses("agg").withRetention(Dsl.DAY)), S));
        add("close-default-retention", "gap 4, grace 6, default retention; emit on close; count",
            b -> sessions(by(b, GAP).emitStrategy(close).count(sesCount("agg")), L)).sameInputsAs("sessions/close");
        add("close-throttled", "gap 4, grace 6, retention a day; emit on close, looked for every second of the wall clock; count",
            b -> sessions(by(b, GAP).emitStrategy(close).count(sesCount("agg").withRetention(Dsl.DAY)), L)).emitEvery(sec(1))
            .from(Inputs.of("in").unit(1000, 200).ticks(0.4));
    }

    private void stores() {
        add("cached", "as count, with a cache", b -> sessions(by(b, GAP).count(sesCount("agg")), L)).cached();
        add("retention", "gap 4, grace 6, retention 600; aggregate from \"\": agg + v; merge a + \"|\" + b", b -> sessions(by(b, GAP)
            .aggregate(() -> "", (k, v, a) -> a + v, (k, x, y) -> x + "|" + y, ses("agg").withRetention(sec(600))), S));
        add("in-memory", "as count; an in-memory store with retention 10", b -> sessions(by(b, GAP)
            .count(Materialized.<String, Long>as(Stores.inMemorySessionStore("agg", sec(10))).withKeySerde(S).withValueSerde(L)), L));
    }
}
