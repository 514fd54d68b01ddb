package weir.golden.topologies;

import java.util.Set;
import org.apache.kafka.streams.processor.api.FixedKeyProcessor;
import org.apache.kafka.streams.processor.api.FixedKeyProcessorContext;
import org.apache.kafka.streams.processor.api.FixedKeyProcessorSupplier;
import org.apache.kafka.streams.processor.api.FixedKeyRecord;
import org.apache.kafka.streams.processor.api.Processor;
import org.apache.kafka.streams.processor.api.ProcessorContext;
import org.apache.kafka.streams.processor.api.ProcessorSupplier;
import org.apache.kafka.streams.processor.api.ProcessorWrapper;
import org.apache.kafka.streams.processor.api.Record;
import org.apache.kafka.streams.processor.api.WrappedFixedKeyProcessorSupplier;
import org.apache.kafka.streams.processor.api.WrappedProcessorSupplier;
import org.apache.kafka.streams.state.StoreBuilder;

/** Wraps every processor, and counts how many are at work within each other. A topology's work is done by the thread that drives it. */
public final class Nesting implements ProcessorWrapper {
    private static final ThreadLocal<Integer> DEPTH = ThreadLocal.withInitial(() -> 0);

    /** How many processors are at work. */
    static int depth() {
        return DEPTH.get();
    }

    private static void around(final Runnable work) {
        DEPTH.set(DEPTH.get() + 1);
        try {
            work.run();
        } finally {
            DEPTH.set(DEPTH.get() - 1);
        }
    }

    @Override
    public <KI, VI, KO, VO> WrappedProcessorSupplier<KI, VI, KO, VO> wrapProcessorSupplier(final String name, final ProcessorSupplier<KI, VI, KO, VO> inner) {
        return ProcessorWrapper.asWrapped(new ProcessorSupplier<KI, VI, KO, VO>() {
            @Override
            public Processor<KI, VI, KO, VO> get() {
                return new Wrapped<>(inner.get());
            }

            @Override
            public Set<StoreBuilder<?>> stores() {
                return inner.stores();
            }
        });
    }

    @Override
    public <KI, VI, VO> WrappedFixedKeyProcessorSupplier<KI, VI, VO> wrapFixedKeyProcessorSupplier(final String name, final FixedKeyProcessorSupplier<KI, VI, VO> inner) {
        return ProcessorWrapper.asWrappedFixedKey(new FixedKeyProcessorSupplier<KI, VI, VO>() {
            @Override
            public FixedKeyProcessor<KI, VI, VO> get() {
                return new WrappedFixed<>(inner.get());
            }

            @Override
            public Set<StoreBuilder<?>> stores() {
                return inner.stores();
            }
        });
    }

    private record Wrapped<KI, VI, KO, VO>(Processor<KI, VI, KO, VO> inner) implements Processor<KI, VI, KO, VO> {
        @Override
        public void init(final ProcessorContext<KO, VO> context) {
            inner.init(context);
        }

        @Override
        public void process(final Record<KI, VI> r) {
            around(() -> inner.process(r));
        }

        @Override
        public void close() {
            inner.close();
        }
    }

    private record WrappedFixed<KI, VI, VO>(FixedKeyProcessor<KI, VI, VO> inner) implements FixedKeyProcessor<KI, VI, VO> {
        @Override
        public void init(final FixedKeyProcessorContext<KI, VO> context) {
            inner.init(context);
        }

        @Override
        public void process(final FixedKeyRecord<KI, VI> r) {
            around(() -> inner.process(r));
        }

        @Override
        public void close() {
            inner.close();
        }
    }
}
