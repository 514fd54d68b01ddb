package weir.golden;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.SerializationFeature;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.io.Writer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;

/**
 * Writes what Kafka's own classes answer to many questions, one JSON object a line, into files for the Go tests, with a manifest of what they were
 * recorded from. Equal jars and seeds give equal files: nothing here may depend on the clock, the locale, or the order of a hash map of ours.
 */
public final class Recorder {
    /** Asks one family of questions. The random numbers are seeded for this family alone, so that another one may grow without changing it. */
    interface Family {
        void record(Random random, Sink sink) throws Exception;
    }

    /** One file of the recording. */
    static final class Sink {
        private static final ObjectMapper JSON = new ObjectMapper();
        private final Writer writer;
        private int lines;

        Sink(final Writer writer) {
            this.writer = writer;
        }

        ObjectNode line() {
            return JSON.createObjectNode();
        }

        void write(final ObjectNode line) throws IOException {
            writer.write(JSON.writeValueAsString(line));
            writer.write('\n');
            lines++;
        }
    }

    private static final Map<String, Family> FAMILIES = new LinkedHashMap<>();

    static {
        FAMILIES.put("serdes", new Serdes.Encoded());
        FAMILIES.put("decoded", new Serdes.Decoded());
        FAMILIES.put("windowed-keys", new WindowedKeys());
        FAMILIES.put("time-windows", new Windows.Starts());
        FAMILIES.put("window-specs", new Windows.Specs());
        FAMILIES.put("murmur2", new Hashes());
        FAMILIES.put("offset-metadata", new OffsetMetadata.Encoded());
        FAMILIES.put("offset-metadata-decoded", new OffsetMetadata.Decoded());
    }

    public static void main(final String[] args) throws Exception {
        final Path dir = Path.of(args[0]);
        final ObjectMapper json = new ObjectMapper().enable(SerializationFeature.INDENT_OUTPUT);
        final ObjectNode manifest = json.createObjectNode();
        jars(manifest.putObject("jars"));
        final ObjectNode files = manifest.putObject("files");
        for (final Map.Entry<String, Family> family : FAMILIES.entrySet()) {
            record(dir, family.getKey(), family.getValue(), files);
        }
        Files.writeString(dir.resolve("manifest.json"), json.writeValueAsString(manifest) + "\n");
    }

    private static void record(final Path dir, final String name, final Family family, final ObjectNode files) throws Exception {
        final long seed = name.hashCode(); // specified for strings, so the same everywhere
        final Path file = dir.resolve(name + ".jsonl");
        final int lines;
        try (Writer writer = Files.newBufferedWriter(file, StandardCharsets.UTF_8)) {
            final Sink sink = new Sink(writer);
            family.record(new Random(seed), sink);
            lines = sink.lines;
        }
        files.putObject(file.getFileName().toString()).put("seed", seed).put("lines", lines).put("sha256", sha256(Files.readAllBytes(file)));
    }

    private static List<Path> jars() {
        return Arrays.stream(System.getProperty("java.class.path").split(System.getProperty("path.separator")))
            .filter(entry -> entry.endsWith(".jar"))
            .map(Path::of)
            .sorted((a, b) -> a.getFileName().toString().compareTo(b.getFileName().toString()))
            .toList();
    }

    /** Puts the hashes of the jars that this runs with. */
    public static void jars(final ObjectNode into) throws Exception {
        for (final Path jar : jars()) {
            into.put(jar.getFileName().toString(), sha256(Files.readAllBytes(jar)));
        }
    }

    public static String sha256(final byte[] bytes) throws Exception {
        return hex(MessageDigest.getInstance("SHA-256").digest(bytes));
    }

    static String hex(final byte[] bytes) {
        return HexFormat.of().formatHex(bytes);
    }

    static byte[] bytes(final Random random, final int length) {
        final byte[] bytes = new byte[length];
        random.nextBytes(bytes);
        return bytes;
    }

    private Recorder() {
    }
}
