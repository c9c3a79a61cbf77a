package org.segformer3d.eval.metrics;

import java.util.Locale;
import java.util.function.ToDoubleFunction;

/** The measures that follow from {@link OverlapCounts}. */
public enum Measure {
    /** 2·TP / (2·TP + FP + FN). */
    DICE(OverlapCounts::dice),
    /** TP / (TP + FP + FN), also called Jaccard index. */
    IOU(OverlapCounts::iou),
    /** TP / (TP + FN), also called recall. */
    SENSITIVITY(OverlapCounts::sensitivity),
    /** TN / (TN + FP). */
    SPECIFICITY(OverlapCounts::specificity),
    /** TP / (TP + FP). */
    PRECISION(OverlapCounts::precision);

    private final ToDoubleFunction<OverlapCounts> function;

    Measure(ToDoubleFunction<OverlapCounts> function) {
        this.function = function;
    }

    /** Returns the measure's value, NaN where it isn't defined. */
    public double of(OverlapCounts counts) {
        return function.applyAsDouble(counts);
    }

    /** Returns the name in files, for example {@code dice}. */
    public String key() {
        return name().toLowerCase(Locale.ROOT);
    }
}
