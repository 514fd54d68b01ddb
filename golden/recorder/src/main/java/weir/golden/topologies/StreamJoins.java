package weir.golden.topologies;

import static weir.golden.topologies.Dsl.S;
import static weir.golden.topologies.Dsl.in;
import static weir.golden.topologies.Dsl.out;
import static weir.golden.topologies.Dsl.sec;
import static weir.golden.topologies.Dsl.stream;

import java.time.Duration;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.kstream.JoinWindows;
import org.apache.kafka.streams.kstream.KStream;
import org.apache.kafka.streams.kstream.StreamJoined;
import org.apache.kafka.streams.state.Stores;

/** Joins of the stream of in with the stream of in2, named j: nodes, stores and repartitions. The joiner is left + "/" + right; results go to out. Durations are seconds. */
final class StreamJoins extends Family {
    private static final StreamJoined<String, String, String> J = StreamJoined.with(S, S, S).withName("j").withStoreName("j");
    private static final JoinWindows WITHIN = JoinWindows.ofTimeDifferenceAndGrace(sec(5), sec(3));

    StreamJoins() {
        super("stream-stream", new Inputs().topic("in", Inputs.keys(3), Inputs.words()).topic("in2", Inputs.keys(3), Inputs.words()).unit(1000, 120));
    }

    @Override
    void declare() {
        inner();
        left();
        outer();
        self();
        stores();
    }

    private static KStream<String, String> in2(final StreamsBuilder b) {
        return stream(b, "in2");
    }

    private static String join(final String l, final String r) {
        return l + "/" + r;
    }

    private static JoinWindows asymmetric(final long before, final long after, final long grace) {
        return JoinWindows.ofTimeDifferenceAndGrace(sec(100), sec(grace)).before(sec(before)).after(sec(after));
    }

    private void inner() {
        add("inner", "join within 5, grace 3", b -> out(in(b).join(in2(b), StreamJoins::join, WITHIN, J)));
        add("inner-no-grace", "join within 5, no grace",
            b -> out(in(b).join(in2(b), StreamJoins::join, JoinWindows.ofTimeDifferenceWithNoGrace(sec(5)), J)));
        add("inner-key", "join within 5, grace 3, with k + \":\" + left + \"/\" + right", b -> out(in(b).join(in2(b), (k, l, r) -> k + ":" + join(l, r), WITHIN, J)));
        add("inner-after", "join before 0, after 10, grace 3", b -> out(in(b).join(in2(b), StreamJoins::join, asymmetric(0, 10, 3), J)));
        add("inner-before", "join before 10, after 0, grace 3", b -> out(in(b).join(in2(b), StreamJoins::join, asymmetric(10, 0, 3), J)));
        add("inner-negative-after", "join before 10, after -3, grace 3", b -> out(in(b).join(in2(b), StreamJoins::join, asymmetric(10, -3, 3), J)));
        add("inner-negative-before", "join before -3, after 10, grace 3", b -> out(in(b).join(in2(b), StreamJoins::join, asymmetric(-3, 10, 3), J)));
        add("inner-zero-no-grace", "join within 0, no grace", b -> out(in(b).join(in2(b), StreamJoins::join, JoinWindows.ofTimeDifferenceWithNoGrace(Duration.ZERO), J)))
            .from(dense());
        add("inner-zero-shortest-grace", "join within 0, a grace of a millisecond", b -> out(in(b).join(in2(b), StreamJoins::join,
            JoinWindows.ofTimeDifferenceAndGrace(Duration.ZERO, Duration.ofMillis(1)), J))).from(dense()).sameInputsAs("stream-stream/inner-zero-no-grace");
        add("inner-zero", "join within 0, grace 2",
            b -> out(in(b).join(in2(b), StreamJoins::join, JoinWindows.ofTimeDifferenceAndGrace(Duration.ZERO, sec(2)), J)));
        add("inner-to-null", "join within 5, grace 3, with low(left) ? left + \"/\" + right : null",
            b -> out(in(b).join(in2(b), (l, r) -> Dsl.low(l) ? join(l, r) : null, WITHIN, J)));
        add("inner-rekeyed", "both sides selectKey the first letter of v (null of null); join within 5, grace 3",
            b -> out(letter(in(b)).join(letter(in2(b)), StreamJoins::join, WITHIN, J)));
        add("inner-rekeyed-left", "the left side selectKey the first letter of v (null of null); join within 5, grace 3",
            b -> out(letter(in(b)).join(in2(b), StreamJoins::join, WITHIN, J)));
        add("inner-long", "join within 100, grace 30", b -> out(in(b).join(in2(b), StreamJoins::join, JoinWindows.ofTimeDifferenceAndGrace(sec(100), sec(30)), J)));
        add("inner-three", "join within 5, grace 3; the result joined within 5, grace 3, with in3, named q", b -> out(in(b)
            .join(in2(b), StreamJoins::join, WITHIN, J).join(stream(b, "in3"), StreamJoins::join, WITHIN,
                StreamJoined.with(S, S, S).withName("q").withStoreName("q")))).from(new Inputs().topic("in", Inputs.keys(2), Inputs.words())
            .topic("in2", Inputs.keys(2), Inputs.words()).topic("in3", Inputs.keys(2), Inputs.words()));
    }

    /** Records whose times are often equal. */
    private static Inputs dense() {
        return new Inputs().topic("in", Inputs.keys(2), Inputs.words()).topic("in2", Inputs.keys(2), Inputs.words()).unit(2, 20);
    }

    private static KStream<String, String> letter(final KStream<String, String> s) {
        return s.selectKey((k, v) -> v == null ? null : v.substring(0, 1));
    }

    private void left() {
        add("left", "leftJoin within 5, grace 3", b -> out(in(b).leftJoin(in2(b), StreamJoins::join, WITHIN, J)));
        add("left-no-grace", "leftJoin within 5, no grace",
            b -> out(in(b).leftJoin(in2(b), StreamJoins::join, JoinWindows.ofTimeDifferenceWithNoGrace(sec(5)), J)));
        add("left-key", "leftJoin within 5, grace 3, with k + \":\" + left + \"/\" + right",
            b -> out(in(b).leftJoin(in2(b), (k, l, r) -> k + ":" + join(l, r), WITHIN, J)));
        add("left-after", "leftJoin before 0, after 10, grace 3", b -> out(in(b).leftJoin(in2(b), StreamJoins::join, asymmetric(0, 10, 3), J)));
        add("left-before", "leftJoin before 10, after 0, grace 3", b -> out(in(b).leftJoin(in2(b), StreamJoins::join, asymmetric(10, 0, 3), J)));
        add("left-negative-after", "leftJoin before 10, after -3, grace 3", b -> out(in(b).leftJoin(in2(b), StreamJoins::join, asymmetric(10, -3, 3), J)));
        add("left-negative-before", "leftJoin before -3, after 10, grace 3", b -> out(in(b).leftJoin(in2(b), StreamJoins::join, asymmetric(-3, 10, 3), J)));
        add("left-rekeyed", "both sides selectKey the first letter of v (null of null); leftJoin within 5, grace 3",
            b -> out(letter(in(b)).leftJoin(letter(in2(b)), StreamJoins::join, WITHIN, J)));
        add("left-null-keys", "leftJoin within 5, grace 3, with many null keys", b -> out(in(b).leftJoin(in2(b), StreamJoins::join, WITHIN, J)))
            .from(Inputs.of("in", "in2").nulls(0.35, 0.1).unit(1000, 120));
        add("left-throttled", "leftJoin within 5, grace 3; what has closed is looked for every second of the wall clock",
            b -> out(in(b).leftJoin(in2(b), StreamJoins::join, WITHIN, J))).emitEvery(sec(1)).from(Inputs.of("in", "in2").unit(1000, 120).ticks(0.4));
    }

    private void outer() {
        add("outer", "outerJoin within 5, grace 3", b -> out(in(b).outerJoin(in2(b), StreamJoins::join, WITHIN, J)));
        add("outer-no-grace", "outerJoin within 5, no grace",
            b -> out(in(b).outerJoin(in2(b), StreamJoins::join, JoinWindows.ofTimeDifferenceWithNoGrace(sec(5)), J)));
        add("outer-key", "outerJoin within 5, grace 3, with k + \":\" + left + \"/\" + right",
            b -> out(in(b).outerJoin(in2(b), (k, l, r) -> k + ":" + join(l, r), WITHIN, J)));
        add("outer-after", "outerJoin before 0, after 10, grace 3", b -> out(in(b).outerJoin(in2(b), StreamJoins::join, asymmetric(0, 10, 3), J)));
        add("outer-before", "outerJoin before 10, after 2, grace 3", b -> out(in(b).outerJoin(in2(b), StreamJoins::join, asymmetric(10, 2, 3), J)));
        add("outer-negative-after", "outerJoin before 10, after -3, grace 3", b -> out(in(b).outerJoin(in2(b), StreamJoins::join, asymmetric(10, -3, 3), J)));
        add("outer-negative-before", "outerJoin before -3, after 10, grace 3", b -> out(in(b).outerJoin(in2(b), StreamJoins::join, asymmetric(-3, 10, 3), J)));
        add("outer-rekeyed", "both sides selectKey the first letter of v (null of null); outerJoin within 5, grace 3",
            b -> out(letter(in(b)).outerJoin(letter(in2(b)), StreamJoins::join, WITHIN, J)));
        add("outer-null-keys", "outerJoin within 5, grace 3, with many null keys", b -> out(in(b).outerJoin(in2(b), StreamJoins::join, WITHIN, J)))
            .from(Inputs.of("in", "in2").nulls(0.35, 0.1).unit(1000, 120));
        add("outer-throttled", "outerJoin within 5, grace 3; what has closed is looked for every second of the wall clock",
            b -> out(in(b).outerJoin(in2(b), StreamJoins::join, WITHIN, J))).emitEvery(sec(1)).from(Inputs.of("in", "in2").unit(1000, 120).ticks(0.4));
    }

    private void self() {
        final Inputs one = new Inputs().topic("in", Inputs.keys(3), Inputs.words()).unit(1000, 120);
        add("self", "in joined with itself within 5, grace 3", b -> {
            final KStream<String, String> s = in(b);
            out(s.join(s, StreamJoins::join, WITHIN, J));
        }).from(one);
        add("self-filtered", "in joined with filter low(v) of in, within 5, grace 3", b -> {
            final KStream<String, String> s = in(b);
            out(s.join(s.filter((k, v) -> Dsl.low(v)), StreamJoins::join, WITHIN, J));
        }).from(one);
        add("self-outer", "in outer-joined with filter low(v) of in, within 5, grace 3", b -> {
            final KStream<String, String> s = in(b);
            out(s.outerJoin(s.filter((k, v) -> Dsl.low(v)), StreamJoins::join, WITHIN, J));
        }).from(one);
    }

    private void stores() {
        add("no-changelog", "outerJoin within 5, grace 3, logging disabled", b -> out(in(b).outerJoin(in2(b), StreamJoins::join, WITHIN, J.withLoggingDisabled())));
        add("in-memory", "join within 5, grace 3; in-memory stores this and other of retention 13 and size 10 that retain duplicates",
            b -> out(in(b).join(in2(b), StreamJoins::join, WITHIN, J.withThisStoreSupplier(Stores.inMemoryWindowStore("this", sec(13), sec(10), true))
                .withOtherStoreSupplier(Stores.inMemoryWindowStore("other", sec(13), sec(10), true)))));
    }
}
