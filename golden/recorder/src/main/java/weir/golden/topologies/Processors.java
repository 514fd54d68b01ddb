package weir.golden.topologies;

import static weir.golden.topologies.Dsl.L;
import static weir.golden.topologies.Dsl.S;
import static weir.golden.topologies.Dsl.grouped;
import static weir.golden.topologies.Dsl.in;
import static weir.golden.topologies.Dsl.kv;
import static weir.golden.topologies.Dsl.kvCount;
import static weir.golden.topologies.Dsl.out;
import static weir.golden.topologies.Dsl.sec;
import static weir.golden.topologies.Dsl.stream;
import static weir.golden.topologies.Dsl.winCount;

import java.time.Instant;
import java.util.Objects;
import java.util.Set;
import org.apache.kafka.common.header.internals.RecordHeaders;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.Topology;
import org.apache.kafka.streams.kstream.KStream;
import org.apache.kafka.streams.kstream.Named;
import org.apache.kafka.streams.kstream.Produced;
import org.apache.kafka.streams.kstream.TimeWindows;
import org.apache.kafka.streams.kstream.Windowed;
import org.apache.kafka.streams.kstream.internals.SessionWindow;
import org.apache.kafka.streams.processor.Cancellable;
import org.apache.kafka.streams.processor.PunctuationType;
import org.apache.kafka.streams.processor.StateStore;
import org.apache.kafka.streams.processor.api.ContextualFixedKeyProcessor;
import org.apache.kafka.streams.processor.api.ContextualProcessor;
import org.apache.kafka.streams.processor.api.FixedKeyRecord;
import org.apache.kafka.streams.processor.api.Processor;
import org.apache.kafka.streams.processor.api.ProcessorContext;
import org.apache.kafka.streams.processor.api.ProcessorSupplier;
import org.apache.kafka.streams.processor.api.Record;
import org.apache.kafka.streams.state.KeyValueIterator;
import org.apache.kafka.streams.state.KeyValueStore;
import org.apache.kafka.streams.state.SessionStore;
import org.apache.kafka.streams.state.StoreBuilder;
import org.apache.kafka.streams.state.Stores;
import org.apache.kafka.streams.state.ValueAndTimestamp;
import org.apache.kafka.streams.state.WindowStore;
import org.apache.kafka.streams.state.WindowStoreIterator;

/** Processors with stores, punctuation and named children. A store of counts is string to long; null keys are forwarded as they are unless what says otherwise. */
final class Processors extends Family {
    Processors() {
        super("processors", Inputs.of("in"));
    }

    @Override
    void declare() {
        records();
        stores();
        punctuations();
        graphs();
        wrapped();
    }

    /** A processor of strings. */
    private abstract static class Strings extends ContextualProcessor<String, String, String, String> {
        final <T extends StateStore> T store(final String name) {
            return context().getStateStore(name);
        }
    }

    /** A processor that is one function of its context and the record. */
    private static ProcessorSupplier<String, String, String, String> each(final Each f) {
        return () -> new Strings() {
            @Override
            public void process(final Record<String, String> r) {
                f.process(context(), r);
            }
        };
    }

    private interface Each {
        void process(ProcessorContext<String, String> context, Record<String, String> r);
    }

    private void records() {
        add("twice", "process: forward (k, v), then (v, k)", b -> out(in(b).process(each((c, r) -> {
            c.forward(r);
            c.forward(r.withKey(r.value()).withValue(r.key()));
        }))));
        add("rekey-count", "process: forward (v, k); groupByKey named g; count in agg",
            b -> Dsl.counts(in(b).process(each((c, r) -> c.forward(r.withKey(r.value()).withValue(r.key())))).groupByKey(grouped("g")).count(kvCount("agg"))));
        add("metadata", "process: forward v + \" \" + topic + \"-\" + partition + \"@\" + offset of the record", b -> out(in(b).process(each((c, r) ->
            c.forward(r.withValue(r.value() + " " + c.recordMetadata().map(m -> m.topic() + "-" + m.partition() + "@" + m.offset()).orElse("none")))))));
        add("times", "process: forward v + \" \" + the record's time + \" \" + the stream's time + \" \" + the wall clock's", b -> out(in(b).process(each((c, r) ->
            c.forward(r.withValue(r.value() + " " + r.timestamp() + " " + c.currentStreamTimeMs() + " " + c.currentSystemTimeMs()))))))
            .from(Inputs.of("in").ticks(0.2));
        add("headers", "process: forward with the header p = k added (null of null) for low(v), else without headers", b -> out(in(b).process(each((c, r) -> {
            final RecordHeaders headers = new RecordHeaders(r.headers());
            headers.add("p", r.key() == null ? null : Inputs.text(r.key()));
            c.forward(r.withHeaders(Dsl.low(r.value()) ? headers : new RecordHeaders()));
        }))));
        add("later", "process: forward with a time 7 s later; groupByKey named g; tumbling 10, no grace; count in agg", b -> Dsl.windows(in(b)
            .process(each((c, r) -> c.forward(r.withTimestamp(r.timestamp() + 7000)))).groupByKey(grouped("g"))
            .windowedBy(TimeWindows.ofSizeWithNoGrace(sec(10))).count(winCount("agg")), 10_000, L));
        add("values", "processValues: v + \"#\" + n, where n = seen[k] or 0, and seen[k] = n + 1; a null key: v + \"#null\"", b -> {
            counts(b, "seen");
            out(in(b).processValues(Numbering::new, "seen"));
        });
        add("values-then-count", "processValues as in values; groupByKey; count in agg: no repartition", b -> {
            counts(b, "seen");
            Dsl.counts(in(b).processValues(Numbering::new, "seen").groupByKey().count(kvCount("agg")));
        });
        add("tombstones", "process: v null: forward a new record (k, null) a second later, without headers; low(v): the same at the record's time; else the record with null for v",
            b -> out(in(b).process(each((c, r) -> {
                if (r.value() == null || Dsl.low(r.value())) {
                    c.forward(new Record<>(r.key(), null, r.timestamp() + (r.value() == null ? 1000 : 0)));
                } else {
                    c.forward(r.withValue(null));
                }
            }))));
        add("task", "process: forward v + \" \" + the task's id", b -> out(in(b).process(each((c, r) -> c.forward(r.withValue(r.value() + " " + c.taskId()))))));
        add("commit", "process: forward v, and ask for a commit", b -> out(in(b).process(each((c, r) -> {
            c.forward(r);
            c.commit();
        }))));
    }

    private void wrapped() {
        final String depth = "a wrapper around every processor counts how many are at work within each other (sources and sinks are not wrapped); ";
        final ProcessorSupplier<String, String, String, String> tell = each((c, r) -> c.forward(r.withValue(r.value() + " " + Nesting.depth())));
        add("wrapped", depth + "filter low(v), mapValues v + \"!\", process named p: forward v + \" \" + the number -> out; in, processValues as in values with the store seen, "
            + "then process named q as p -> out-2", b -> {
            final KStream<String, String> s = in(b);
            out(s.filter((k, v) -> Dsl.low(v)).mapValues(v -> v + "!").process(tell, Named.as("p")));
            counts(b, "seen");
            s.processValues(Numbering::new, "seen").process(tell, Named.as("q")).to("out-2", Produced.with(S, S));
        }).with(StreamsConfig.PROCESSOR_WRAPPER_CLASS_CONFIG, Nesting.class.getName());
        add("wrapped-tables", depth + "in, groupByKey, reduce a + b in agg, filter low(v), left-joined with the table of in2 in r: left + \"/\" + right; toStream; "
            + "process named p: forward v + \" \" + the number", b -> out(in(b).groupByKey().reduce((x, y) -> x + y, kv("agg")).filter((k, v) -> Dsl.low(v))
            .leftJoin(Dsl.table(b, "in2", "r"), (x, y) -> x + "/" + y).toStream().process(tell, Named.as("p")))).from(Inputs.of("in", "in2"))
            .with(StreamsConfig.PROCESSOR_WRAPPER_CLASS_CONFIG, Nesting.class.getName());
    }

    private static final class Numbering extends ContextualFixedKeyProcessor<String, String, String> {
        @Override
        public void process(final FixedKeyRecord<String, String> r) {
            if (r.key() == null) {
                context().forward(r.withValue(r.value() + "#null"));
                return;
            }
            final KeyValueStore<String, Long> seen = context().getStateStore("seen");
            context().forward(r.withValue(r.value() + "#" + next(seen, r.key())));
        }
    }

    /** The number of a key so far; it is raised. */
    private static long next(final KeyValueStore<String, Long> seen, final String key) {
        final Long n = seen.get(key);
        seen.put(key, n == null ? 1 : n + 1);
        return n == null ? 0 : n;
    }

    private static String counts(final StreamsBuilder b, final String name) {
        b.addStateStore(Stores.keyValueStoreBuilder(Stores.persistentKeyValueStore(name), S, L));
        return name;
    }

    private void stores() {
        add("dedup", "process with the store s of strings: forward if s[k] != v; s[k] = v (null deletes); null keys are ignored", b -> {
            b.addStateStore(Stores.keyValueStoreBuilder(Stores.persistentKeyValueStore("s"), S, S));
            out(in(b).process(each((c, r) -> {
                final KeyValueStore<String, String> s = c.getStateStore("s");
                if (r.key() == null) {
                    return;
                }
                if (!Objects.equals(s.get(r.key()), r.value())) {
                    c.forward(r);
                }
                s.put(r.key(), r.value());
            }), "s"));
        });
        add("timestamped-store", "process with the timestamped store s of strings: forward s[k] as value@time (or null); s[k] = (v, the record's time), a null v deletes; "
            + "null keys are ignored", b -> {
            b.addStateStore(Stores.timestampedKeyValueStoreBuilder(Stores.persistentTimestampedKeyValueStore("s"), S, S));
            out(in(b).process(each((c, r) -> {
                final KeyValueStore<String, ValueAndTimestamp<String>> s = c.getStateStore("s");
                if (r.key() != null) {
                    final var had = s.get(r.key());
                    c.forward(r.withValue(had == null ? null : had.value() + "@" + had.timestamp()));
                    s.put(r.key(), ValueAndTimestamp.make(r.value(), r.timestamp()));
                }
            }), "s"));
        });
        add("ranges", "process with the store s of strings: s[k] = v (null deletes); forward \"all:\" + values by key + \" b-c:\" + values from b to c + \" back:\" + values "
            + "from the end; null keys are ignored", b -> {
            b.addStateStore(Stores.keyValueStoreBuilder(Stores.persistentKeyValueStore("s"), S, S));
            out(in(b).process(each((c, r) -> {
                final KeyValueStore<String, String> s = c.getStateStore("s");
                if (r.key() != null) {
                    s.put(r.key(), r.value());
                    c.forward(r.withValue("all:" + values(s.all()) + " b-c:" + values(s.range("b", "c")) + " back:" + values(s.reverseAll())));
                }
            }), "s"));
        });
        add("put-if-absent", "process with the store s of strings: v null: delete, forward what was there; else forward putIfAbsent's answer; null keys are ignored", b -> {
            b.addStateStore(Stores.keyValueStoreBuilder(Stores.persistentKeyValueStore("s"), S, S));
            out(in(b).process(each((c, r) -> {
                final KeyValueStore<String, String> s = c.getStateStore("s");
                if (r.key() != null) {
                    c.forward(r.withValue(r.value() == null ? s.delete(r.key()) : s.putIfAbsent(r.key(), r.value())));
                }
            }), "s"));
        });
        add("window-store", "process with the window store s of strings (windows of 10 s, retention 60 s): put v at the record's time less its remainder by 10 s "
            + "(null deletes); forward the key's values over the 30 s up to that start; null keys are ignored", b -> {
            b.addStateStore(Stores.windowStoreBuilder(Stores.persistentWindowStore("s", sec(60), sec(10), false), S, S));
            out(in(b).process(each((c, r) -> {
                final WindowStore<String, String> s = c.getStateStore("s");
                if (r.key() != null) {
                    final long start = r.timestamp() - r.timestamp() % 10_000;
                    s.put(r.key(), r.value(), start);
                    c.forward(r.withValue(windows(s.fetch(r.key(), Instant.ofEpochMilli(Math.max(0, start - 30_000)), Instant.ofEpochMilli(start)))));
                }
            }), "s"));
        });
        add("session-store", "process with the session store s of strings (retention 60 s): put v at the session from the record's time less its remainder by 10 s to the "
            + "record's time (null deletes); forward \"start-end=value \" of each session of the key with an end not before the record's time less 30 s and a start not after it; "
            + "null keys are ignored", b -> {
            b.addStateStore(Stores.sessionStoreBuilder(Stores.persistentSessionStore("s", sec(60)), S, S));
            out(in(b).process(each(Processors::sessions), "s"));
        });
        add("cached-store", "process with the cached store s of strings: forward s[k]; s[k] = v (null deletes); null keys are ignored", b -> {
            b.addStateStore(Stores.keyValueStoreBuilder(Stores.persistentKeyValueStore("s"), S, S).withCachingEnabled());
            out(in(b).process(each((c, r) -> {
                final KeyValueStore<String, String> s = c.getStateStore("s");
                if (r.key() != null) {
                    c.forward(r.withValue(s.get(r.key())));
                    s.put(r.key(), r.value());
                }
            }), "s"));
        }).cached();
        add("in-memory-store", "process with the store s of strings, logging disabled, in memory: s[k] = v (null deletes), forward the number of rows; null keys are ignored", b -> {
            b.addStateStore(Stores.keyValueStoreBuilder(Stores.inMemoryKeyValueStore("s"), S, S).withLoggingDisabled());
            out(in(b).process(each((c, r) -> {
                final KeyValueStore<String, String> s = c.getStateStore("s");
                if (r.key() != null) {
                    s.put(r.key(), r.value());
                    c.forward(r.withValue(String.valueOf(values(s.all()).length() / 3)));
                }
            }), "s"));
        });
    }

    private static String values(final KeyValueIterator<String, String> iterator) {
        final StringBuilder all = new StringBuilder();
        try (KeyValueIterator<String, String> rows = iterator) {
            rows.forEachRemaining(row -> all.append(row.value).append(','));
        }
        return all.toString();
    }

    private static String windows(final WindowStoreIterator<String> iterator) {
        final StringBuilder all = new StringBuilder();
        try (WindowStoreIterator<String> rows = iterator) {
            rows.forEachRemaining(row -> all.append(row.key).append('=').append(row.value).append(' '));
        }
        return all.toString();
    }

    private static void sessions(final ProcessorContext<String, String> c, final Record<String, String> r) {
        if (r.key() == null) {
            return;
        }
        final SessionStore<String, String> s = c.getStateStore("s");
        final long at = r.timestamp();
        s.put(new Windowed<>(r.key(), new SessionWindow(at - at % 10_000, at)), r.value());
        final StringBuilder all = new StringBuilder();
        try (KeyValueIterator<Windowed<String>, String> rows = s.findSessions(r.key(), Math.max(0, at - 30_000), at)) {
            rows.forEachRemaining(row -> all.append(row.key.window().start()).append('-').append(row.key.window().end()).append('=').append(row.value).append(' '));
        }
        c.forward(r.withValue(all.toString()));
    }

    /** Counts keys, ignoring null, and lets a schedule forward (k, count) of every row at the punctuation's time. */
    private static final class Counting extends Strings {
        private final Schedule schedule;

        Counting(final Schedule schedule) {
            this.schedule = schedule;
        }

        @Override
        public void init(final ProcessorContext<String, String> context) {
            super.init(context);
            schedule.on(context, this);
        }

        @Override
        public void process(final Record<String, String> r) {
            if (r.key() != null) {
                next(store("s"), r.key());
            }
        }

        void all(final String mark, final long at) {
            final KeyValueStore<String, Long> s = store("s");
            try (KeyValueIterator<String, Long> rows = s.all()) {
                rows.forEachRemaining(row -> context().forward(new Record<>(row.key, mark + row.value, at)));
            }
        }
    }

    private interface Schedule {
        void on(ProcessorContext<String, String> context, Counting p);
    }

    private void punctuations() {
        final String counting = "process with the store s of counts, which counts keys (null ignored) and forwards nothing; ";
        scheduled("stream-time", counting + "every 10 s of stream time (k, \"s\" + n) of all rows at the punctuation's time",
            (c, p) -> c.schedule(sec(10), PunctuationType.STREAM_TIME, at -> p.all("s", at)));
        scheduled("wall-clock", counting + "every 3 s of the wall clock (k, \"w\" + n) of all rows at the punctuation's time",
            (c, p) -> c.schedule(sec(3), PunctuationType.WALL_CLOCK_TIME, at -> p.all("w", at)));
        scheduled("both-clocks", counting + "as stream-time and wall-clock, with 15 s and 4 s, scheduled in this order", (c, p) -> {
            c.schedule(sec(15), PunctuationType.STREAM_TIME, at -> p.all("s", at));
            c.schedule(sec(4), PunctuationType.WALL_CLOCK_TIME, at -> p.all("w", at));
        });
        scheduled("two-schedules", counting + "every 10 s and every 4 s of stream time, scheduled in this order, with the marks \"x\" and \"y\" for \"s\"", (c, p) -> {
            c.schedule(sec(10), PunctuationType.STREAM_TIME, at -> p.all("x", at));
            c.schedule(sec(4), PunctuationType.STREAM_TIME, at -> p.all("y", at));
        });
        scheduled("from-a-time", counting + "as stream-time, anchored at 3 s; and every 5 s of the wall clock, anchored at 2 s", (c, p) -> {
            c.schedule(Instant.ofEpochMilli(3000), sec(10), PunctuationType.STREAM_TIME, at -> p.all("s", at));
            c.schedule(Instant.ofEpochMilli(2000), sec(5), PunctuationType.WALL_CLOCK_TIME, at -> p.all("w", at));
        });
        scheduled("cancelled", counting + "as wall-clock, cancelled in its third call, after forwarding", (c, p) -> {
            final Cancellable[] own = new Cancellable[1];
            final int[] calls = new int[1];
            own[0] = c.schedule(sec(3), PunctuationType.WALL_CLOCK_TIME, at -> {
                p.all("w", at);
                if (++calls[0] == 3) {
                    own[0].cancel();
                }
            });
        });
    }

    private void scheduled(final String name, final String what, final Schedule schedule) {
        add(name, what, b -> out(in(b).process(() -> new Counting(schedule), counts(b, "s")))).from(Inputs.of("in").ticks(0.3));
    }

    private void graphs() {
        add("children", "process named p: null v to both children as \"null\", low(v) to the child low, others to the child rest; the children: mapValues v + \"L\" -> out-low, "
            + "mapValues v + \"R\" -> out-rest", b -> {
            final KStream<String, String> p = in(b).process(each((c, r) -> {
                if (r.value() == null) {
                    c.forward(r.withValue("null"));
                } else {
                    c.forward(r, Dsl.low(r.value()) ? "low" : "rest");
                }
            }), Named.as("p"));
            p.mapValues(v -> v + "L", Named.as("low")).to("out-low", Produced.with(S, S));
            p.mapValues(v -> v + "R", Named.as("rest")).to("out-rest", Produced.with(S, S));
        });
        add("fixed-children", "processValues named p: null v to both children as \"null\", low(v) to the child low, others to the child rest; the children: mapValues v + \"L\" -> out-low, "
            + "mapValues v + \"R\" -> out-rest", b -> {
            final KStream<String, String> p = in(b).processValues(Choosing::new, Named.as("p"));
            p.mapValues(v -> v + "L", Named.as("low")).to("out-low", Produced.with(S, S));
            p.mapValues(v -> v + "R", Named.as("rest")).to("out-rest", Produced.with(S, S));
        });
        add("shared-store", "in: process writes s[k] = v (null deletes; null keys ignored), forwards nothing; in2: process forwards v + \"/\" + s[k] (null keys ignored)",
            Processors::shared).from(Inputs.of("in", "in2"));
        add("supplied-store", "process whose supplier brings the store s of counts: forward v + \"#\" + s[k] (0 first), s[k] + 1; null keys are ignored",
            b -> out(in(b).process(new Supplied())));
        processors("by-hand", "source of in named src; processor p: forward (k, v + \"1\") to sink-1 (out-1), (k, v + \"2\") to sink-2 (out-2), and (k, v) to the processor q "
            + "for low(v); q: forward v + \"q\" to sink-2", config -> byHand());
        add("process-after-rekey", "selectKey v; process with the store s of counts: forward v + \"#\" + s[k] (0 first), s[k] + 1; null keys are ignored: no repartition", b -> {
            counts(b, "s");
            out(in(b).selectKey((k, v) -> v).process(each((c, r) -> {
                if (r.key() != null) {
                    c.forward(r.withValue(r.value() + "#" + next(c.getStateStore("s"), r.key())));
                }
            }), "s"));
        });
        add("process-table-row", "in, groupByKey, reduce a + b in agg; in, process connected with agg: forward v + \"/\" + agg[k] (null keys ignored), declared after the reduce", b -> {
            final KStream<String, String> s = in(b);
            s.groupByKey().reduce((x, y) -> x + y, kv("agg"));
            out(s.process(each((c, r) -> {
                final KeyValueStore<String, ValueAndTimestamp<String>> agg = c.getStateStore("agg");
                if (r.key() != null) {
                    final var row = agg.get(r.key());
                    c.forward(r.withValue(r.value() + "/" + (row == null ? null : row.value())));
                }
            }), "agg"));
        });
    }

    private static final class Choosing extends ContextualFixedKeyProcessor<String, String, String> {
        @Override
        public void process(final FixedKeyRecord<String, String> r) {
            if (r.value() == null) {
                context().forward(r.withValue("null"));
            } else {
                context().forward(r, Dsl.low(r.value()) ? "low" : "rest");
            }
        }
    }

    private static void shared(final StreamsBuilder b) {
        b.addStateStore(Stores.keyValueStoreBuilder(Stores.persistentKeyValueStore("s"), S, S));
        in(b).process(each((c, r) -> {
            if (r.key() != null) {
                c.<KeyValueStore<String, String>>getStateStore("s").put(r.key(), r.value());
            }
        }), "s");
        out(stream(b, "in2").process(each((c, r) -> {
            if (r.key() != null) {
                c.forward(r.withValue(r.value() + "/" + c.<KeyValueStore<String, String>>getStateStore("s").get(r.key())));
            }
        }), "s"));
    }

    /** Brings its own store. */
    private static final class Supplied implements ProcessorSupplier<String, String, String, String> {
        @Override
        public Processor<String, String, String, String> get() {
            return each((c, r) -> {
                if (r.key() != null) {
                    c.forward(r.withValue(r.value() + "#" + next(c.getStateStore("s"), r.key())));
                }
            }).get();
        }

        @Override
        public Set<StoreBuilder<?>> stores() {
            return Set.of(Stores.keyValueStoreBuilder(Stores.persistentKeyValueStore("s"), S, L));
        }
    }

    private static Topology byHand() {
        return new Topology().addSource("src", new StringDeserializer(), new StringDeserializer(), "in").addProcessor("p", each((c, r) -> {
            c.forward(r.withValue(r.value() + "1"), "sink-1");
            c.forward(r.withValue(r.value() + "2"), "sink-2");
            if (Dsl.low(r.value())) {
                c.forward(r, "q");
            }
        }), "src").addProcessor("q", each((c, r) -> c.forward(r.withValue(r.value() + "q"))), "p")
            .addSink("sink-1", "out-1", new StringSerializer(), new StringSerializer(), "p")
            .addSink("sink-2", "out-2", new StringSerializer(), new StringSerializer(), "p", "q");
    }
}
