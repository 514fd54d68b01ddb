package weir.golden.topologies;

import java.util.List;
import java.util.stream.Stream;

/** All cases, family by family. */
final class Cases {
    static List<Case> all() {
        return Stream.of(
            Stateless.cases(),
            Aggregates.cases(),
            TimeWindowed.cases(),
            Sessions.cases()
        ).flatMap(List::stream).toList();
    }

    private Cases() {
    }
}
