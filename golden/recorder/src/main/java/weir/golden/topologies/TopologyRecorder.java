package weir.golden.topologies;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.SerializationFeature;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.BufferedReader;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.zip.GZIPInputStream;
import java.util.zip.GZIPOutputStream;
import weir.golden.Recorder;

/**
 * Records what Kafka Streams does with many topologies: a compressed file each, whose first line says what the topology is, and each other line one run.
 * Runs are independent of each other, so that some can be recorded again and compared without the others.
 */
public final class TopologyRecorder {
    /** Each with its own seed and length. */
    private static final int RUNS = 40;
    private static final ObjectMapper JSON = new ObjectMapper();

    /** Arguments: record FOLDER [PREFIX...] | check FOLDER RUNS | manifest FOLDER. Prefixes of names record those cases alone; manifest checks that file alone. */
    public static void main(final String[] args) throws Exception {
        final Path dir = Path.of(args[1]);
        final boolean ok = switch (args[0]) {
            case "record" -> record(dir, List.of(args).subList(2, args.length));
            case "check" -> check(dir, Integer.parseInt(args[2])) & manifestIsRight(dir);
            case "manifest" -> manifestIsRight(dir);
            default -> throw new IllegalArgumentException(args[0]);
        };
        System.exit(ok ? 0 : 1);
    }

    private static boolean record(final Path dir, final List<String> prefixes) throws Exception {
        final Map<Case, List<String>> recorded = each(prefixes.isEmpty() ? List.of("") : prefixes, RUNS);
        for (final Map.Entry<Case, List<String>> one : recorded.entrySet()) {
            write(file(dir, one.getKey()), one.getValue());
        }
        manifest(dir);
        return true;
    }

    private static Map<Case, List<String>> each(final List<String> prefixes, final int runs) throws Exception {
        final ExecutorService pool = Executors.newFixedThreadPool(2);
        try {
            final Map<Case, Future<List<String>>> begun = new TreeMap<>((a, b) -> a.id().compareTo(b.id()));
            for (final Case c : Cases.all()) {
                if (prefixes.stream().anyMatch(c.id()::startsWith)) {
                    begun.put(c, pool.submit((Callable<List<String>>) () -> lines(c, runs)));
                }
            }
            final Map<Case, List<String>> done = new TreeMap<>((a, b) -> a.id().compareTo(b.id()));
            for (final Map.Entry<Case, Future<List<String>>> one : begun.entrySet()) {
                done.put(one.getKey(), one.getValue().get());
            }
            return done;
        } finally {
            pool.shutdownNow();
        }
    }

    private static List<String> lines(final Case c, final int runs) throws Exception {
        final List<String> lines = new ArrayList<>();
        for (int i = 0; i < runs; i++) {
            try (Run run = new Run(c)) {
                if (i == 0) {
                    lines.add(JSON.writeValueAsString(head(c, run.describe())));
                }
                lines.add(JSON.writeValueAsString(run.record(c.seed() + i)));
            } catch (final Exception e) {
                throw new IllegalStateException(c.id(), e);
            }
        }
        return lines;
    }

    private static ObjectNode head(final Case c, final String describe) {
        final ObjectNode head = JSON.createObjectNode().put("case", c.id()).put("what", c.what);
        final ArrayNode inputs = head.putArray("inputs");
        c.inputs.names().forEach(inputs::add);
        final ObjectNode config = head.putObject("config");
        c.config.forEach(config::put);
        final ObjectNode partitions = head.putObject("partitions");
        c.partitions.forEach(partitions::put);
        return head.put("describe", describe);
    }

    private static Path file(final Path dir, final Case c) {
        return dir.resolve(c.family).resolve(c.name + ".jsonl.gz");
    }

    private static void write(final Path file, final List<String> lines) throws IOException {
        Files.createDirectories(file.getParent());
        final ByteArrayOutputStream packed = new ByteArrayOutputStream();
        try (OutputStream out = new GZIPOutputStream(packed) {
            {
                def.setLevel(9);
            }
        }) {
            for (final String line : lines) {
                out.write(line.getBytes(StandardCharsets.UTF_8));
                out.write('\n');
            }
        }
        Files.write(file, packed.toByteArray());
    }

    private static List<String> read(final Path file) throws IOException {
        try (BufferedReader in = new BufferedReader(new InputStreamReader(new GZIPInputStream(Files.newInputStream(file)), StandardCharsets.UTF_8))) {
            return in.lines().toList();
        }
    }

    // Hashes are those of the text: how it is compressed depends on the library that does it.
    private static void manifest(final Path dir) throws Exception {
        final ObjectMapper json = new ObjectMapper().enable(SerializationFeature.INDENT_OUTPUT);
        final ObjectNode manifest = json.createObjectNode();
        Recorder.jars(manifest.putObject("jars"));
        final ObjectNode files = manifest.putObject("files");
        for (final Case c : Cases.all()) {
            final List<String> lines = read(file(dir, c));
            final byte[] text = (String.join("\n", lines) + "\n").getBytes(StandardCharsets.UTF_8);
            files.putObject(c.id()).put("seed", c.seed()).put("lines", lines.size()).put("sha256", Recorder.sha256(text));
        }
        Files.writeString(dir.resolve("manifest.json"), json.writeValueAsString(manifest) + "\n");
    }

    /** Records the first runs of every case again, and reports each line that is not as in the files. */
    private static boolean check(final Path dir, final int runs) throws Exception {
        boolean ok = true;
        for (final Map.Entry<Case, List<String>> one : each(List.of(""), runs).entrySet()) {
            final List<String> committed = read(file(dir, one.getKey()));
            for (int i = 0; i < one.getValue().size(); i++) {
                if (i >= committed.size() || !committed.get(i).equals(one.getValue().get(i))) {
                    System.out.println(one.getKey().id() + ": line " + (i + 1) + " differs");
                    ok = false;
                }
            }
        }
        return ok;
    }

    /** The manifest's jars are those that are run here, and its cases and seeds are those that there are. That its hashes are the files' is tested elsewhere. */
    private static boolean manifestIsRight(final Path dir) throws Exception {
        final JsonNode manifest = JSON.readTree(dir.resolve("manifest.json").toFile());
        final ObjectNode jars = JSON.createObjectNode();
        Recorder.jars(jars);
        final ObjectNode seeds = JSON.createObjectNode();
        Cases.all().forEach(c -> seeds.put(c.id(), c.seed()));
        final ObjectNode committed = JSON.createObjectNode();
        manifest.get("files").properties().forEach(f -> committed.put(f.getKey(), f.getValue().get("seed").asLong()));
        return same("jars", manifest.get("jars"), jars) & same("cases and their seeds", committed, seeds);
    }

    private static boolean same(final String what, final JsonNode committed, final JsonNode here) {
        for (final String name : names(committed, here)) {
            if (!Objects.equals(committed.get(name), here.get(name))) {
                System.out.println("manifest.json: " + what + ": " + name + " is " + committed.get(name) + ", here " + here.get(name));
            }
        }
        return committed.equals(here);
    }

    private static Set<String> names(final JsonNode... all) {
        final Set<String> names = new TreeSet<>();
        for (final JsonNode one : all) {
            one.fieldNames().forEachRemaining(names::add);
        }
        return names;
    }

    private TopologyRecorder() {
    }
}
