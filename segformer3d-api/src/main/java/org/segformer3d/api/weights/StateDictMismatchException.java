package org.segformer3d.api.weights;

import java.util.List;
import java.util.stream.Collectors;
import org.segformer3d.api.weights.StateDict.Mismatch;
import org.segformer3d.api.weights.StateDict.Mismatch.Kind;

/** Weights that don't fit a model; the message names every missing, unexpected and misshapen key. */
public class StateDictMismatchException extends IllegalArgumentException {
    private static final long serialVersionUID = 1L;

    private final transient List<Mismatch> mismatches;

    /** Creates an exception from a non-empty list. */
    public StateDictMismatchException(List<Mismatch> mismatches) {
        this("", mismatches);
    }

    private StateDictMismatchException(String source, List<Mismatch> mismatches) {
        super(source + message(mismatches));
        this.mismatches = List.copyOf(mismatches);
    }

    /** Returns this exception with a message that begins with the file which the weights come from. */
    public StateDictMismatchException in(Object file) {
        return new StateDictMismatchException(file + ": ", mismatches);
    }

    /** Returns every reason. */
    public List<Mismatch> mismatches() {
        return mismatches;
    }

    private static String message(List<Mismatch> mismatches) {
        StringBuilder text = new StringBuilder("weights don't fit the configuration:");
        append(text, " missing ", mismatches, Kind.MISSING);
        append(text, " unexpected ", mismatches, Kind.UNEXPECTED);
        append(text, " misshapen ", mismatches, Kind.MISSHAPEN);
        return text.append(" use the configuration that they were trained with").toString();
    }

    private static void append(StringBuilder text, String title, List<Mismatch> mismatches, Kind kind) {
        List<Mismatch> some = mismatches.stream().filter(m -> m.kind() == kind).toList();
        if (!some.isEmpty()) {
            text.append(title)
                    .append(some.size())
                    .append(" [")
                    .append(some.stream()
                            .map(m -> kind == Kind.MISSHAPEN
                                    ? m.name() + " (found " + m.found() + ", expected " + m.expected() + ")"
                                    : m.name())
                            .collect(Collectors.joining(", ")))
                    .append("];");
        }
    }
}
