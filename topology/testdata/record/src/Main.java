import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.regex.Pattern;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.Topology;
import org.apache.kafka.streams.processor.api.Processor;
import org.apache.kafka.streams.processor.api.ProcessorSupplier;
import org.apache.kafka.streams.processor.api.Record;
import org.apache.kafka.streams.state.StoreBuilder;
import org.apache.kafka.streams.state.Stores;

/** Fills the outputs of scripts with what Kafka prints for the topologies in them: "java Main folder graphs". */
public class Main {
    private static final List<String> STORES = List.of("s1", "orders", "totals", "x", "yy", "BB", "Aa");

    public static void main(String[] args) throws IOException {
        Path folder = Path.of(args[0]);
        Files.writeString(folder.resolve("random"), randomGraphs(Integer.parseInt(args[1])));
        try (var files = Files.list(folder)) {
            for (Path file : files.sorted().toList()) {
                Files.writeString(file, filled(Files.readString(file)));
            }
        }
    }

    /** A stanza is comments, a command line, input and, after four dashes, output. Each output is replaced. */
    static String filled(String text) {
        StringBuilder out = new StringBuilder();
        for (String stanza : text.split("(?m)^(?=#|describe)")) {
            int cut = stanza.indexOf("\n----\n");
            if (cut < 0) {
                out.append(stanza);
                continue;
            }
            String input = stanza.substring(0, cut);
            out.append(input).append("\n----\n----\n").append(described(input)).append("----\n----\n\n");
        }
        return out.toString().stripTrailing() + "\n";
    }

    static String described(String input) {
        String[] lines = input.split("\n");
        for (String word : lines[0].split(" ")) {
            if (word.startsWith("dsl=")) {
                return Dsl.topology(word.substring(4)).describe().toString();
            }
        }
        return lowLevel(Arrays.asList(lines).subList(1, lines.length)).describe().toString();
    }

    static Topology lowLevel(List<String> lines) {
        Topology t = new Topology();
        Map<String, List<String>> users = new LinkedHashMap<>();
        Map<String, String> globals = new HashMap<>();
        for (String line : lines) {
            String[] words = line.split(" +");
            Map<String, String> set = settings(words);
            String name = words[1];
            String[] parents = set.getOrDefault("parents", "").split(",");
            switch (words[0]) {
                case "source" -> {
                    if (set.containsKey("global")) {
                        globals.put(name, set.get("topics"));
                    } else if (set.containsKey("pattern")) {
                        t.addSource(name, Pattern.compile(set.get("pattern")));
                    } else {
                        t.addSource(name, set.get("topics").replace("@", "").split(","));
                    }
                }
                case "node" -> {
                    if (globals.containsKey(parents[0])) {
                        t.addGlobalStore(store(set.get("stores")).withLoggingDisabled(), parents[0], null, null, globals.get(parents[0]), name, new Nothing());
                        break;
                    }
                    t.addProcessor(name, new Nothing(), parents);
                    for (String store : set.getOrDefault("stores", "").split(",")) {
                        users.computeIfAbsent(store, s -> new ArrayList<>()).add(name);
                    }
                }
                case "sink" -> t.addSink(name, set.get("topics").replace("@", ""), parents);
                case "store", "repartition" -> { }
                default -> throw new IllegalArgumentException(line);
            }
        }
        users.remove("");
        users.keySet().forEach(s -> t.addStateStore(store(s)));
        for (String line : lines) {
            String stores = settings(line.split(" +")).get("stores");
            if (stores != null && users.containsKey(stores.split(",")[0])) {
                t.connectProcessorAndStateStores(line.split(" +")[1], stores.split(","));
            }
        }
        return t;
    }

    static Map<String, String> settings(String[] words) {
        Map<String, String> set = new HashMap<>();
        for (String w : words) {
            String[] kv = w.split("=", 2);
            set.put(kv[0], kv.length > 1 ? kv[1] : "");
        }
        return set;
    }

    static StoreBuilder<?> store(String name) {
        return Stores.keyValueStoreBuilder(Stores.inMemoryKeyValueStore(name), Serdes.Bytes(), Serdes.Bytes());
    }

    /** A processor that does nothing. */
    record Nothing() implements ProcessorSupplier<Object, Object, Void, Void>, Processor<Object, Object, Void, Void> {
        @Override
        public Processor<Object, Object, Void, Void> get() {
            return new Nothing();
        }

        @Override
        public void process(Record<Object, Object> record) { }
    }

    static String randomGraphs(int count) {
        Random random = new Random(20240229);
        StringBuilder all = new StringBuilder("# Random graphs, in which sizes meet and change while Kafka connects them.\n");
        for (int i = 0; i < count; i++) {
            all.append("describe\n").append(randomGraph(random)).append("----\n\n");
        }
        return all.toString();
    }

    static String randomGraph(Random random) {
        StringBuilder lines = new StringBuilder();
        List<String> names = new ArrayList<>();
        int nodes = 2 + random.nextInt(30);
        int topics = 0;
        for (int i = 0; i < nodes; i++) {
            String name = Integer.toString(random.nextInt(36 * 36 * 36), 36) + "-" + i;
            if (names.isEmpty() || random.nextInt(8) == 0) {
                lines.append("source ").append(name).append(" topics=in").append(topics++);
                while (random.nextInt(2) == 0) {
                    lines.append(",in").append(topics++);
                }
                names.add(name);
            } else if (random.nextInt(6) == 0) {
                lines.append("sink ").append(name).append(" parents=").append(some(random, names, 2)).append(" topics=out").append(i);
            } else {
                lines.append("node ").append(name).append(" parents=").append(some(random, names, 3));
                if (random.nextInt(6) == 0) {
                    lines.append(" stores=").append(some(random, STORES, 4));
                }
                names.add(name);
            }
            lines.append("\n");
        }
        for (String s : STORES) {
            if (!Pattern.compile("[=,]" + s + "(?![^,\\n])").matcher(lines).find()) {
                continue;
            }
            lines.append("store ").append(s).append("\n");
        }
        return lines.toString();
    }

    static String some(Random random, List<String> names, int most) {
        List<String> shuffled = new ArrayList<>(names);
        Collections.shuffle(shuffled, random);
        return String.join(",", shuffled.subList(0, Math.min(names.size(), 1 + random.nextInt(most))));
    }
}
