package org.segformer3d.train.run;

import java.util.concurrent.atomic.AtomicInteger;

/** Ends runs early, as somebody who presses Ctrl-C does. */
final class StepLimit {
    private StepLimit() {}

    /** Returns options under which a run is asked to stop after some steps of its own. */
    static TrainerOptions stoppingAfter(int steps) {
        AtomicInteger seen = new AtomicInteger();
        return TrainerOptions.defaults()
                .listenedBy(new ProgressListener() {
                    @Override
                    public void step(Step step) {
                        seen.incrementAndGet();
                    }
                })
                .stoppingWhen(() -> seen.get() >= steps);
    }
}
