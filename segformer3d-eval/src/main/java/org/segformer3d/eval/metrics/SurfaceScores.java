package org.segformer3d.eval.metrics;

import java.util.Collection;
import java.util.Collections;
import java.util.EnumMap;
import java.util.HashSet;
import java.util.Map;
import java.util.Set;
import org.segformer3d.data.volume.Volume;

/**
 * The surface measures of one class in one case.
 *
 * @param values a number for each measure, NaN where it isn't defined
 */
public record SurfaceScores(Map<SurfaceMeasure, Double> values) {
    /** Copies the map. */
    public SurfaceScores {
        Map<SurfaceMeasure, Double> all = new EnumMap<>(SurfaceMeasure.class);
        for (SurfaceMeasure measure : SurfaceMeasure.values()) {
            all.put(measure, values.getOrDefault(measure, Double.NaN));
        }
        values = Collections.unmodifiableMap(all);
    }

    /** Returns the scores of a class that is nowhere: none is defined. */
    static SurfaceScores undefined() {
        return new SurfaceScores(Map.of());
    }

    /**
     * Measures a class.
     *
     * @param classValues the values that belong to the class
     * @param ignored true values whose voxels belong to neither mask
     */
    static SurfaceScores of(Volume predicted, Volume truth, Collection<Integer> classValues, Set<Integer> ignored) {
        Set<Integer> wanted = new HashSet<>(classValues);
        float[] p = predicted.values();
        float[] t = truth.values();
        byte[] predictedMask = new byte[p.length];
        byte[] truthMask = new byte[t.length];
        // Neighbours mostly have the same values, so the sets are asked once a run.
        float lastP = Float.NaN;
        float lastT = Float.NaN;
        byte inP = 0;
        byte inT = 0;
        for (int n = 0; n < t.length; n++) {
            if (p[n] != lastP || t[n] != lastT) {
                lastP = p[n];
                lastT = t[n];
                boolean counts = !ignored.contains((int) lastT);
                inP = (byte) (counts && wanted.contains((int) lastP) ? 1 : 0);
                inT = (byte) (counts && wanted.contains((int) lastT) ? 1 : 0);
            }
            predictedMask[n] = inP;
            truthMask[n] = inT;
        }
        SurfaceDistances distances = SurfaceDistances.between(
                predictedMask,
                truthMask,
                truth.geometry().size(),
                truth.geometry().spacing());
        Map<SurfaceMeasure, Double> values = new EnumMap<>(SurfaceMeasure.class);
        for (SurfaceMeasure measure : SurfaceMeasure.values()) {
            values.put(measure, measure.of(distances));
        }
        return new SurfaceScores(values);
    }

    /** Returns a measure, NaN where it isn't defined. */
    public double get(SurfaceMeasure measure) {
        return values.get(measure);
    }
}
