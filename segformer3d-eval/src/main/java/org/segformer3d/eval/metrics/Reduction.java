package org.segformer3d.eval.metrics;

import java.util.Arrays;
import java.util.stream.IntStream;
import java.util.stream.Stream;

/** How MONAI turns a measure per case and class into fewer numbers: what isn't defined (NaN) is left out, and 0 stands for a mean of nothing. */
public enum Reduction {
    /** Mean over the classes of each case, then over the cases that have one: one number. */
    MEAN,
    /** Sum over everything: one number. */
    SUM,
    /** Mean over cases: a number for each class. */
    MEAN_BATCH,
    /** Sum over cases: a number for each class. */
    SUM_BATCH,
    /** Mean over classes: a number for each case. */
    MEAN_CHANNEL,
    /** Sum over classes: a number for each case. */
    SUM_CHANNEL;

    /**
     * Reduces.
     *
     * @param values a row for each case, a column for each class, all rows of one length
     * @return one number, or one for each class or case
     * @throws IllegalArgumentException when there is no case or rows differ in length
     */
    public double[] of(double[]... values) {
        if (values.length == 0 || Arrays.stream(values).anyMatch(row -> row.length != values[0].length)) {
            throw new IllegalArgumentException("expected one row or more, all of one length");
        }
        return switch (this) {
            case MEAN ->
                new double[] {
                    mean(Arrays.stream(values)
                            .filter(row -> Arrays.stream(row).anyMatch(v -> !Double.isNaN(v)))
                            .mapToDouble(Reduction::mean)
                            .toArray())
                };
            case SUM ->
                new double[] {
                    sum(Arrays.stream(values).flatMapToDouble(Arrays::stream).toArray())
                };
            case MEAN_BATCH -> columns(values).mapToDouble(Reduction::mean).toArray();
            case SUM_BATCH -> columns(values).mapToDouble(Reduction::sum).toArray();
            case MEAN_CHANNEL ->
                Arrays.stream(values).mapToDouble(Reduction::mean).toArray();
            case SUM_CHANNEL ->
                Arrays.stream(values).mapToDouble(Reduction::sum).toArray();
        };
    }

    private static Stream<double[]> columns(double[]... values) {
        return IntStream.range(0, values[0].length)
                .mapToObj(c -> Arrays.stream(values).mapToDouble(row -> row[c]).toArray());
    }

    private static double mean(double... values) {
        return Arrays.stream(values).filter(v -> !Double.isNaN(v)).average().orElse(0);
    }

    private static double sum(double... values) {
        return Arrays.stream(values).filter(v -> !Double.isNaN(v)).sum();
    }
}
