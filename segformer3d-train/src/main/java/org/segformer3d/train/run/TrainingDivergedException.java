package org.segformer3d.train.run;

import java.util.List;

/** Loss or gradients stopped being numbers; the message names the cases of the batch and the checkpoint that is still good. */
public final class TrainingDivergedException extends RuntimeException {
    private static final long serialVersionUID = 1L;

    private final transient List<String> cases;

    /** Creates an exception. */
    public TrainingDivergedException(String message, List<String> cases) {
        super(message);
        this.cases = List.copyOf(cases);
    }

    /** Returns the cases of the batch, in its order. */
    public List<String> cases() {
        return cases;
    }
}
