package weir.golden.topologies;

import java.util.ArrayList;
import java.util.List;
import java.util.function.Consumer;
import org.apache.kafka.streams.StreamsBuilder;

/** Cases of one kind: the folder that their files stand in. */
abstract class Family {
    private final String name;
    private final Inputs inputs;
    private final List<Case> all = new ArrayList<>();

    /** Inputs are those of cases that name no others. */
    Family(final String name, final Inputs inputs) {
        this.name = name;
        this.inputs = inputs;
    }

    /** Adds all cases. */
    abstract void declare();

    final List<Case> cases() {
        declare();
        return all;
    }

    final Case add(final String called, final String what, final Consumer<StreamsBuilder> build) {
        return add(Case.of(name, called, what, build));
    }

    final Case processors(final String called, final String what, final Case.Build build) {
        return add(Case.processors(name, called, what, build));
    }

    private Case add(final Case c) {
        all.add(c.from(inputs));
        return c;
    }
}
