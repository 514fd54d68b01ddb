package weir.golden.topologies;

import java.util.Map;
import org.apache.kafka.streams.state.RocksDBConfigSetter;
import org.rocksdb.Options;

/** Small buffers: a run has few records, and its stores have many segments. */
public final class SmallRocks implements RocksDBConfigSetter {
    @Override
    public void setConfig(final String store, final Options options, final Map<String, Object> configs) {
        options.setWriteBufferSize(1 << 16);
        options.setMaxWriteBufferNumber(2);
    }

    @Override
    public void close(final String store, final Options options) {
        // nothing was opened
    }
}
