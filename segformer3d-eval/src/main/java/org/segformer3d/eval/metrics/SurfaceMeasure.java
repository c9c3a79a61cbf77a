package org.segformer3d.eval.metrics;

import java.util.List;
import java.util.Locale;
import java.util.function.ToDoubleFunction;

/** The measures of {@link SurfaceDistances} that an evaluation reports. */
public enum SurfaceMeasure implements Score {
    /** Hausdorff distance in mm. */
    HD_MM("HD mm", SurfaceDistances::hausdorff),
    /** 95th percentile of the Hausdorff distance in mm, the larger of both directions. */
    HD95_MM("HD95 mm", distances -> distances.hausdorff(95)),
    /** 95th percentile of the distance from the predicted surface to the true one in mm. */
    HD95_DIRECTED_MM("HD95 directed mm", distances -> distances.directedHausdorff(95)),
    /** Average distance from the predicted surface to the true one in mm. */
    ASD_MM("ASD mm", SurfaceDistances::averageSurfaceDistance),
    /** Average symmetric surface distance in mm. */
    ASSD_MM("ASSD mm", SurfaceDistances::averageSymmetricSurfaceDistance),
    /** Normalised surface Dice at 1 mm. */
    NSD_1MM("NSD 1 mm", distances -> distances.surfaceDice(1)),
    /** Normalised surface Dice at 2 mm. */
    NSD_2MM("NSD 2 mm", distances -> distances.surfaceDice(2));

    private final String title;
    private final ToDoubleFunction<SurfaceDistances> function;

    SurfaceMeasure(String title, ToDoubleFunction<SurfaceDistances> function) {
        this.title = title;
        this.function = function;
    }

    /** Returns the measure's value, NaN where it isn't defined or, because one mask is empty, infinite. */
    public double of(SurfaceDistances distances) {
        double value = function.applyAsDouble(distances);
        return Double.isFinite(value) ? value : Double.NaN;
    }

    @Override
    public double of(CaseScores scores, int classIndex) {
        return scores.surfaces().get(classIndex).get(this);
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
    public int infinite(List<CaseScores> cases, int classIndex) {
        return (int) cases.stream()
                .filter(one -> Double.isNaN(of(one, classIndex)))
                .filter(one -> {
                    OverlapCounts counts = one.counts().get(classIndex);
                    return (counts.truth() == 0) != (counts.predicted() == 0);
                })
                .count();
    }

    @Override
    public boolean isBestHigh() {
        return this == NSD_1MM || this == NSD_2MM;
    }
}
