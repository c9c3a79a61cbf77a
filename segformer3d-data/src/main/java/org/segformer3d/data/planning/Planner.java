package org.segformer3d.data.planning;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import org.segformer3d.api.block.Grid;
import org.segformer3d.api.block.PerAxis;
import org.segformer3d.api.config.ConfigException;
import org.segformer3d.api.config.SegFormer3DConfig;
import org.segformer3d.api.model.InputGeometry;
import org.segformer3d.data.preprocessing.Interpolation;
import org.segformer3d.data.preprocessing.Normalization;
import org.segformer3d.data.preprocessing.Normalization.Kind;
import org.segformer3d.data.preprocessing.Normalization.Rule;
import org.segformer3d.data.preprocessing.PreprocessingSpec;
import org.segformer3d.data.preprocessing.PreprocessingSpec.BetweenSlices;
import org.segformer3d.data.preprocessing.PreprocessingSpec.Cropping;
import org.segformer3d.data.preprocessing.PreprocessingSpec.Orienting;

/**
 * Decides how a data set is prepared, by the rules that nnU-Net (Isensee et al. 2021) found to serve many data sets.
 *
 * <ul>
 *   <li>Axes: RAS+, the one with the thickest voxels first.
 *   <li>Spacing: the median along each axis; where the thickest voxels are more than three times as thick as the others and that axis has
 *       fewer than a third of the others' voxels, the 10th percentile along it, but not finer than the coarsest of the others. Where the
 *       median scan has fewer slices than the product of the network's strides (32), it is divided by the first one. nnU-Net doesn't:
 *       its network computes at full resolution; this one's logits have a plane every stride voxels, and its deepest stage would have a
 *       single one.
 *   <li>Resampling: cubic for images, linear masks for labels; slices by themselves where they are far apart.
 *   <li>Normalisation: each channel by its name. CT is clipped to the 0.5th and 99.5th percentile of the labelled voxels and scaled by their
 *       mean and deviation; {@code noNorm}, {@code rescale_to_0_1} and {@code rgb_to_0_1} say it themselves; all others by each scan's
 *       own figures, over nonzero voxels where cutting off empty borders removes a quarter or more.
 *   <li>Patch: as large as the median scan, at most (and at least what the network pads its input to); the axis that covers most of it shrinks until two patches fit the memory.
 *   <li>Batch: what fits, at least 2, at most what holds a twentieth of all training voxels.
 * </ul>
 */
public final class Planner {
    private static final List<String> DIRECTIONS =
            List.of("left to right", "posterior to anterior", "inferior to superior");
    private static final double ANISOTROPIC = 3;
    private static final double CROPPING_MATTERS = 0.75;
    private static final int SMALLEST_BATCH = 2;
    private static final double MOST_OF_THE_DATA = 0.05;
    /** Sizes from here on are multiples of it, so that all but the last stage divide evenly. */
    private static final int STEP = 16;

    private final SegFormer3DConfig model;
    private final long memory;

    /**
     * Creates a planner.
     *
     * @param model the network, never {@code null}
     * @param memory bytes that a training step may take, positive
     */
    public Planner(SegFormer3DConfig model, long memory) {
        this.model = Objects.requireNonNull(model, "model");
        this.memory = memory;
        if (memory < 1) {
            throw ConfigException.of("memory", memory, "a positive number of bytes");
        }
    }

    /**
     * Returns the plan for a data set.
     *
     * @param dataset its name
     * @param fingerprint what is known of its training cases
     * @throws ConfigException when not even the smallest patches fit the memory
     */
    public Plan plan(String dataset, Fingerprint fingerprint) {
        Map<String, Object> reasons = new LinkedHashMap<>();
        int[] axes = axes(fingerprint, reasons);
        double[] spacing = spacing(fingerprint, axes, reasons);
        Normalization normalization = normalization(fingerprint, reasons);
        boolean slices = spread(spacing) > ANISOTROPIC;
        for (Fingerprint.CaseExtent one : fingerprint.cases()) {
            slices |= spread(one.spacing().stream()
                            .mapToDouble(Double::doubleValue)
                            .toArray())
                    > ANISOTROPIC;
        }
        reasons.put(
                "between_slices",
                slices ? "slices far apart are resampled one by one, the nearest one counting" : "no slices far apart");
        PreprocessingSpec preprocessing = PreprocessingSpec.of(normalization)
                .withOrientation(Orienting.RAS)
                .withAxes(axes[0], axes[1], axes[2])
                .withSpacing(Interpolation.CUBIC, spacing[0], spacing[1], spacing[2])
                .withCropping(Cropping.NONZERO)
                .withBetweenSlices(slices ? BetweenSlices.NEAREST : BetweenSlices.LINEAR);
        double[] median = new double[3];
        double voxels = 0;
        for (int axis = 0; axis < 3; axis++) {
            median[axis] = fingerprint.medianSize(axes[axis], spacing[axis]);
        }
        for (Fingerprint.CaseExtent one : fingerprint.cases()) {
            double of = 1;
            for (int axis = 0; axis < 3; axis++) {
                of *= one.size().size(axes[axis]) * one.spacing().get(axes[axis]) / spacing[axis];
            }
            voxels += of;
        }
        Grid patch = patch(median);
        int batch = batch(patch, voxels);
        reasons.put(
                "patch_size",
                String.format(
                        Locale.ROOT,
                        "the median scan has %.0f×%.0f×%.0f voxels; %d patches take about %s of %s",
                        median[0],
                        median[1],
                        median[2],
                        batch,
                        gib(TrainingMemory.bytes(model, patch, batch)),
                        gib(memory)));
        return new Plan(dataset, preprocessing, patch, batch, reasons, fingerprint.toMap());
    }

    private static int[] axes(Fingerprint fingerprint, Map<String, Object> reasons) {
        int thickest = 0;
        double thinnest = Double.POSITIVE_INFINITY;
        for (int axis = 0; axis < 3; axis++) {
            if (fingerprint.spacing(axis, 50) > fingerprint.spacing(thickest, 50) * 1.001) {
                thickest = axis;
            }
            thinnest = Math.min(thinnest, fingerprint.spacing(axis, 50));
        }
        if (fingerprint.spacing(thickest, 50) <= thinnest * 1.001) {
            reasons.put("axes", "voxels are equally long along all axes, so their order stays");
            return new int[] {0, 1, 2};
        }
        reasons.put("axes", "the axis with the thickest voxels, " + DIRECTIONS.get(thickest) + ", comes first");
        return switch (thickest) {
            case 0 -> new int[] {0, 2, 1};
            case 1 -> new int[] {1, 2, 0};
            default -> new int[] {2, 1, 0};
        };
    }

    private double[] spacing(Fingerprint fingerprint, int[] axes, Map<String, Object> reasons) {
        double[] spacing = new double[3];
        double[] size = new double[3];
        for (int axis = 0; axis < 3; axis++) {
            spacing[axis] = fingerprint.spacing(axes[axis], 50);
            size[axis] = fingerprint.medianSize(axes[axis], spacing[axis]);
        }
        double others = Math.max(spacing[1], spacing[2]);
        boolean thick = spacing[0] > ANISOTROPIC * others;
        boolean few = size[0] * ANISOTROPIC < Math.min(size[1], size[2]);
        if (thick && few) {
            int stride = model.patchStride().get(0).depth();
            int deepest = model.patchStride().stream().mapToInt(PerAxis::depth).reduce(1, Math::multiplyExact);
            boolean vanish = size[0] < deepest;
            double finer = Math.max(fingerprint.spacing(axes[0], 10) / (vanish ? stride : 1), others);
            // Nearly the coarsest of the others would make voxels that aren't thick any more.
            spacing[0] = finer < others * 1.001 ? others : finer;
            reasons.put(
                    "spacing",
                    "medians; the 10th percentile along the first axis, whose slices are thick and few"
                            + (vanish
                                    ? ", divided by the first stride, " + stride
                                            + ", so that the logits have a plane for each slice"
                                    : ""));
        } else {
            reasons.put("spacing", "medians along each axis");
        }
        for (int axis = 0; axis < 3; axis++) {
            // Six digits hold every header's precision and keep float32 headers' tails out of the file.
            spacing[axis] = Double.parseDouble(String.format(Locale.ROOT, "%.6g", spacing[axis]));
        }
        return spacing;
    }

    /** Chooses each channel's rule by its name, as nnU-Net does. */
    private static Normalization normalization(Fingerprint fingerprint, Map<String, Object> reasons) {
        boolean cropped = fingerprint.medianKept() < CROPPING_MATTERS;
        List<Rule> rules = new ArrayList<>();
        Map<String, Object> why = new LinkedHashMap<>();
        for (int c = 0; c < fingerprint.channels().size(); c++) {
            String name = fingerprint.channels().get(c);
            Optional<Kind> named = ChannelNames.kind(name);
            boolean known = !fingerprint.intensities().isEmpty();
            Kind kind = named.filter(one -> known || one != Kind.CLIP_Z_SCORE)
                    .orElse(cropped ? Kind.Z_SCORE_NONZERO : Kind.Z_SCORE);
            rules.add(new Rule(
                    kind,
                    kind == Kind.CLIP_Z_SCORE
                            ? Optional.of(fingerprint.intensities().get(c).clipRange())
                            : Optional.empty()));
            why.put(
                    c + " " + name.strip(),
                    reason(kind) + (named.isPresent() && named.get() != kind ? ", as no voxel is labelled" : ""));
        }
        reasons.put("normalization", why);
        return new Normalization(rules);
    }

    private static String reason(Kind kind) {
        return switch (kind) {
            case CLIP_Z_SCORE -> "clipped to the 0.5th and 99.5th percentile of labelled voxels, then z-scored";
            case Z_SCORE_NONZERO -> "each scan by itself, nonzero voxels only, as cutting off empty borders matters";
            case Z_SCORE -> "each scan by its own mean and deviation";
            case NONE -> "left as it is, as its name says";
            case MIN_MAX, MIN_MAX_SLICES -> "each scan to 0 … 1, as its name says";
            case RGB_TO_0_1 -> "divided by 255, as its name says";
        };
    }

    private Grid patch(double[] median) {
        int[] size = new int[3];
        Grid least = InputGeometry.smallest(model);
        for (int axis = 0; axis < 3; axis++) {
            size[axis] = rounded(median[axis], least.size(axis));
        }
        while (TrainingMemory.bytes(model, grid(size), SMALLEST_BATCH) > memory) {
            int widest = -1;
            for (int axis = 0; axis < 3; axis++) {
                if (size[axis] > STEP && (widest < 0 || size[axis] / median[axis] > size[widest] / median[widest])) {
                    widest = axis;
                }
            }
            if (widest < 0) {
                throw new ConfigException("memory: found " + gib(memory) + ", expected at least "
                        + gib(TrainingMemory.bytes(model, grid(size), SMALLEST_BATCH)) + " for two patches of "
                        + grid(size));
            }
            size[widest] -= STEP;
        }
        return grid(size);
    }

    /** Returns the nearest multiple of the step; below it, of 4, rounded up; at least what the network pads its input to anyway. */
    private static int rounded(double size, int least) {
        int rounded = size < STEP ? (int) Math.ceil(size / 4) * 4 : (int) Math.round(size / STEP) * STEP;
        return Math.max(least, rounded);
    }

    private int batch(Grid patch, double voxels) {
        int most = (int) Math.max(SMALLEST_BATCH, Math.min(1024, voxels * MOST_OF_THE_DATA / patch.tokens()));
        int batch = SMALLEST_BATCH;
        while (batch < most && TrainingMemory.bytes(model, patch, batch + 1) <= memory) {
            batch++;
        }
        return batch;
    }

    private static Grid grid(int[] size) {
        return new Grid(size[0], size[1], size[2]);
    }

    private static double spread(double[] spacing) {
        double least = Math.min(spacing[0], Math.min(spacing[1], spacing[2]));
        return Math.max(spacing[0], Math.max(spacing[1], spacing[2])) / least;
    }

    private static String gib(long bytes) {
        return String.format(Locale.ROOT, "%.1f GiB", bytes / (double) (1L << 30));
    }
}
