package org.segformer3d.eval.metrics;

import java.util.Locale;
import java.util.function.ToDoubleFunction;

/** The measures of {@link SurfaceDistances} that an evaluation reports. */
public enum SurfaceMeasure {
    /** 95th percentile of the Hausdorff distance in mm, the larger of both directions. */
    HD95_MM(distances -> distances.hausdorff(95)),
    /** Average symmetric surface distance in mm. */
    ASSD_MM(SurfaceDistances::averageSymmetricSurfaceDistance),
    /** Normalised surface Dice at 1 mm. */
    NSD_1MM(distances -> distances.surfaceDice(1)),
    /** Normalised surface Dice at 2 mm. */
    NSD_2MM(distances -> distances.surfaceDice(2));

    private final ToDoubleFunction<SurfaceDistances> function;

    SurfaceMeasure(ToDoubleFunction<SurfaceDistances> function) {
        this.function = function;
    }

    /** Returns the measure's value, NaN where it isn't defined or, because one mask is empty, infinite. */
    public double of(SurfaceDistances distances) {
        double value = function.applyAsDouble(distances);
        return Double.isFinite(value) ? value : Double.NaN;
    }

    /** Returns the name in files, for example {@code hd95_mm}. */
    public String key() {
        return name().toLowerCase(Locale.ROOT);
    }
}
