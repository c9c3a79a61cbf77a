package org.segformer3d.eval.metrics;

import java.util.Locale;
import java.util.function.ToDoubleFunction;

/** The measures that follow from {@link OverlapCounts}. */
public enum Measure implements Score {
    /** 2·TP / (2·TP + FP + FN). */
    DICE("Dice", OverlapCounts::dice),
    /** TP / (TP + FP + FN), also called Jaccard index. */
    IOU("IoU", OverlapCounts::iou),
    /** TP / (TP + FN), also called recall. */
    SENSITIVITY("sensitivity", OverlapCounts::sensitivity),
    /** TN / (TN + FP). */
    SPECIFICITY("specificity", OverlapCounts::specificity),
    /** TP / (TP + FP). */
    PRECISION("precision", OverlapCounts::precision),
    /** (FP − FN) / (TP + FN): 0.1 where a tenth too much was predicted. */
    RELATIVE_VOLUME_DIFFERENCE("relative volume difference", OverlapCounts::relativeVolumeDifference);

    private final String title;
    private final ToDoubleFunction<OverlapCounts> function;

    Measure(String title, ToDoubleFunction<OverlapCounts> function) {
        this.title = title;
        this.function = function;
    }

    /** Returns the measure's value, NaN where it isn't defined. */
    public double of(OverlapCounts counts) {
        return function.applyAsDouble(counts);
    }

    @Override
    public double of(CaseScores scores, int classIndex) {
        return of(scores.counts().get(classIndex));
    }

    @Override
    public String key() {
        return name().toLowerCase(Locale.ROOT);
    }

    @Override
    public String title() {
        return title;
    }

    @Override
    public boolean isBestHigh() {
        return this != RELATIVE_VOLUME_DIFFERENCE;
    }
}
