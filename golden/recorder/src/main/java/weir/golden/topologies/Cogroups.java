package weir.golden.topologies;

import static weir.golden.topologies.Dsl.S;
import static weir.golden.topologies.Dsl.grouped;
import static weir.golden.topologies.Dsl.in;
import static weir.golden.topologies.Dsl.kv;
import static weir.golden.topologies.Dsl.out;
import static weir.golden.topologies.Dsl.sec;
import static weir.golden.topologies.Dsl.ses;
import static weir.golden.topologies.Dsl.stream;
import static weir.golden.topologies.Dsl.win;

import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.kstream.CogroupedKStream;
import org.apache.kafka.streams.kstream.Materialized;
import org.apache.kafka.streams.kstream.SessionWindows;
import org.apache.kafka.streams.kstream.SlidingWindows;
import org.apache.kafka.streams.kstream.TimeWindows;
import org.apache.kafka.streams.state.Stores;

/**
 * Cogroups of the streams of in and in2 (and in3), grouped by key: from "", values of in are added as agg + "1" + v, those of in2 as agg + "2" + v, those
 * of in3 as agg + "3" + v. The store is agg; results go to out by toStream. Durations in what are seconds.
 */
final class Cogroups extends Family {
    Cogroups() {
        super("cogroup", new Inputs().topic("in", Inputs.keys(3), Inputs.words()).topic("in2", Inputs.keys(3), Inputs.words()).unit(1000, 200));
    }

    private static CogroupedKStream<String, String> two(final StreamsBuilder b) {
        return in(b).groupByKey().<String>cogroup((k, v, a) -> a + "1" + v).cogroup(stream(b, "in2").groupByKey(), (k, v, a) -> a + "2" + v);
    }

    @Override
    void declare() {
        add("plain", "in, in2", b -> out(two(b).aggregate(() -> "", kv("agg"))));
        add("three", "in, in2, in3", b -> out(two(b).cogroup(stream(b, "in3").groupByKey(), (k, v, a) -> a + "3" + v).aggregate(() -> "", kv("agg"))))
            .from(Inputs.of("in", "in2", "in3"));
        add("to-null", "in, in2; values of in2 that begin with a letter from e on make the aggregate null", b -> out(in(b).groupByKey()
            .<String>cogroup((k, v, a) -> a + "1" + v).cogroup(stream(b, "in2").groupByKey(), (k, v, a) -> Dsl.low(v) ? a + "2" + v : null)
            .aggregate(() -> "", kv("agg"))));
        add("rekeyed", "in; in2, groupBy the first letter of v (null of null) named g", b -> out(in(b).groupByKey().<String>cogroup((k, v, a) -> a + "1" + v)
            .cogroup(stream(b, "in2").groupBy((k, v) -> v == null ? null : v.substring(0, 1), grouped("g")), (k, v, a) -> a + "2" + v)
            .aggregate(() -> "", kv("agg"))));
        add("one", "in alone", b -> out(in(b).groupByKey().<String>cogroup((k, v, a) -> a + "1" + v).aggregate(() -> "", kv("agg")))).from(Inputs.of("in"));
        add("lru", "in, in2; an LRU store of 2 entries", b -> out(two(b).aggregate(() -> "",
            Materialized.<String, String>as(Stores.lruMap("agg", 2)).withKeySerde(S).withValueSerde(S)))).from(Inputs.of("in", "in2"));
        add("cached", "as plain, with a cache", b -> out(two(b).aggregate(() -> "", kv("agg")))).cached();
        add("tumbling", "in, in2; tumbling 10, grace 5",
            b -> Dsl.windows(two(b).windowedBy(TimeWindows.ofSizeAndGrace(sec(10), sec(5))).aggregate(() -> "", win("agg")), 10_000, S));
        add("hopping", "in, in2; hopping 10 by 4, grace 5",
            b -> Dsl.windows(two(b).windowedBy(TimeWindows.ofSizeAndGrace(sec(10), sec(5)).advanceBy(sec(4))).aggregate(() -> "", win("agg")), 10_000, S));
        add("sliding", "in, in2; sliding of difference 5, grace 10",
            b -> Dsl.windows(two(b).windowedBy(SlidingWindows.ofTimeDifferenceAndGrace(sec(5), sec(10))).aggregate(() -> "", win("agg")), 5_000, S));
        add("sessions", "in, in2; sessions of gap 4, grace 6; merge a + \"|\" + b", b -> Dsl.sessions(two(b)
            .windowedBy(SessionWindows.ofInactivityGapAndGrace(sec(4), sec(6))).aggregate(() -> "", (k, x, y) -> x + "|" + y, ses("agg")), S));
    }
}
