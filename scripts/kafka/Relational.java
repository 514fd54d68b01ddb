import java.time.Duration;
import java.time.Instant;
import org.apache.kafka.streams.tests.RelationalSmokeTest;

/** The two halves of Kafka's RelationalSmokeTest's driver: what it writes, and how it judges. */
public final class Relational {
    public static void main(String[] args) throws Exception {
        Duration time = Duration.ofSeconds(Long.parseLong(args[2]));
        switch (args[0]) {
            case "produce" -> RelationalSmokeTest.DataSet.generate(1_000, 10_000).produce(args[1], time);
            case "verify" -> System.out.println(RelationalSmokeTest.App.verifySync(args[1], Instant.now().plus(time)) ? "passed" : "failed");
            default -> throw new IllegalArgumentException("produce or verify <broker> <seconds>, not " + args[0]);
        }
        System.exit(0); // the serdes' class leaves threads behind
    }
}
