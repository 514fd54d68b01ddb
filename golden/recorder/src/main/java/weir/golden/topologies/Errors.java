package weir.golden.topologies;

import static weir.golden.topologies.Dsl.L;
import static weir.golden.topologies.Dsl.S;
import static weir.golden.topologies.Dsl.in;
import static weir.golden.topologies.Dsl.kv;
import static weir.golden.topologies.Dsl.out;

import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.errors.LogAndContinueExceptionHandler;
import org.apache.kafka.streams.errors.LogAndContinueProcessingExceptionHandler;
import org.apache.kafka.streams.kstream.Consumed;
import org.apache.kafka.streams.kstream.KStream;
import org.apache.kafka.streams.kstream.Produced;

/**
 * What fails: values that are no longs, and user functions that fail for values that begin with h. Dead letters are recorded without the headers that name
 * the exception, its message and its stack.
 */
final class Errors extends Family {
    Errors() {
        super("errors", Inputs.of("in"));
    }

    private static String failing(final String v) {
        if (v != null && v.startsWith("h")) {
            throw new IllegalStateException("h");
        }
        return v;
    }

    private Case skipping(final Case c) {
        return c.with(StreamsConfig.PROCESSING_EXCEPTION_HANDLER_CLASS_CONFIG, LogAndContinueProcessingExceptionHandler.class.getName());
    }

    private static Case deadLetters(final Case c) {
        return c.with(StreamsConfig.ERRORS_DEAD_LETTER_QUEUE_TOPIC_NAME_CONFIG, "dead");
    }

    @Override
    void declare() {
        final Inputs damaged = new Inputs().topic("in", Inputs.keys(3), Inputs.damagedLongs());
        decoding("decode-fail", "longs of in -> out; what is no long fails").from(damaged);
        decoding("decode-skip", "longs of in -> out; what is no long is skipped").from(damaged)
            .with(StreamsConfig.DESERIALIZATION_EXCEPTION_HANDLER_CLASS_CONFIG, LogAndContinueExceptionHandler.class.getName());
        deadLetters(decoding("decode-dead-letter", "longs of in -> out; what is no long goes to dead").from(damaged)
            .with(StreamsConfig.DESERIALIZATION_EXCEPTION_HANDLER_CLASS_CONFIG, LogAndContinueExceptionHandler.class.getName()));
        add("process-fail", "mapValues v, failing for h -> out; failures end it", b -> out(in(b).mapValues(Errors::failing)));
        skipping(add("process-skip", "mapValues v, failing for h -> out; failures are skipped", b -> out(in(b).mapValues(Errors::failing))));
        skipping(add("process-skip-sibling", "in: first mapValues v, failing for h -> out; then mapValues v + \"2\" -> out-2; failures are skipped", b -> {
            final KStream<String, String> s = in(b);
            out(s.mapValues(Errors::failing));
            s.mapValues(v -> v + "2").to("out-2", Produced.with(S, S));
        }));
        skipping(add("aggregate-skip", "groupByKey; aggregate from \"\" in agg: agg + v, failing for h; failures are skipped",
            b -> out(in(b).groupByKey().aggregate(() -> "", (k, v, a) -> a + failing(v), kv("agg")))));
        deadLetters(skipping(add("process-dead-letter", "mapValues v, failing for h -> out; failures go to dead", b -> out(in(b).mapValues(Errors::failing)))));
        deadLetters(skipping(add("process-dead-letter-after-sink", "in -> out-2; then mapValues v, failing for h -> out; failures go to dead", b -> {
            final KStream<String, String> s = in(b);
            s.to("out-2", Produced.with(S, S));
            out(s.mapValues(Errors::failing));
        })));
    }

    private Case decoding(final String name, final String what) {
        return add(name, what, b -> b.stream("in", Consumed.with(S, L)).to("out", Produced.with(S, L)));
    }
}
