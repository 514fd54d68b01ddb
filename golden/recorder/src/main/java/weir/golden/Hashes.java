package weir.golden;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.Arrays;
import java.util.Random;
import org.apache.kafka.clients.producer.internals.BuiltInPartitioner;
import org.apache.kafka.common.utils.Utils;

/** Hashes of keys, and the producer's default partitions. */
final class Hashes implements Recorder.Family {
    private static final int[] COUNTS = {1, 2, 3, 7, 16, 100, 1000, Integer.MAX_VALUE};

    @Override
    public void record(final Random random, final Recorder.Sink sink) throws Exception {
        for (int length = 0; length < 70; length++) {
            final byte[] ones = new byte[length];
            Arrays.fill(ones, (byte) -1);
            record(new byte[length], sink);
            record(ones, sink);
            for (int i = 0; i < 8; i++) {
                record(Recorder.bytes(random, length), sink);
            }
        }
    }

    private static void record(final byte[] key, final Recorder.Sink sink) throws Exception {
        final ObjectNode line = sink.line().put("key", Recorder.hex(key)).put("hash", Utils.murmur2(key));
        final ArrayNode partitions = line.putArray("partitions");
        for (final int n : COUNTS) {
            partitions.addArray().add(n).add(BuiltInPartitioner.partitionForKey(key, n));
        }
        sink.write(line);
    }
}
