package weir.golden.topologies;

import java.util.List;
import java.util.stream.Stream;

/** All cases, family by family. */
final class Cases {
    static List<Case> all() {
        return Stream.of(
            new Stateless(),
            new Aggregates(),
            new TimeWindowed(),
            new Sessions(),
            new Sliding(),
            new Tables(),
            new StreamTableJoins(),
            new Suppressions(),
            new StreamJoins(),
            new TableJoins(),
            new ForeignKeys(),
            new Globals(),
            new Versioned(),
            new Cogroups(),
            new Processors(),
            new StoreMethods(),
            new Topics(),
            new Optimizer(),
            new Errors()
        ).map(Family::cases).flatMap(List::stream).toList();
    }

    private Cases() {
    }
}
