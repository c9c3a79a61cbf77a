package org.segformer3d.data.planning;

import java.io.IOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.function.IntConsumer;
import org.segformer3d.api.block.Grid;
import org.segformer3d.api.tensor.HostTensor;
import org.segformer3d.data.dataset.Case;
import org.segformer3d.data.dataset.CaseReader;
import org.segformer3d.data.dataset.DatasetException;
import org.segformer3d.data.labels.LabelValues;
import org.segformer3d.data.preprocessing.Normalization;
import org.segformer3d.data.preprocessing.PreparedCase;
import org.segformer3d.data.preprocessing.PreprocessingSpec;
import org.segformer3d.data.preprocessing.Preprocessor;
import org.segformer3d.data.volume.Volume;

/**
 * What a plan needs to know of a data set: the extent and spacing of every training case, and how bright its labelled voxels are.
 *
 * <p>Cases are looked at with their axes brought to RAS+ and with empty (zero) borders cut off. Of each case at most {@value
 * #VOXELS_PER_CASE} labelled voxels, evenly spread over all of them, enter the intensities, so that a case with a large organ doesn't
 * outweigh the others.
 *
 * @param channels names of the channels
 * @param cases one for each case looked at, in order of id
 * @param intensities one for each channel; empty when no voxel is labelled
 * @param labels how many cases have a voxel of each label value other than 0
 */
public record Fingerprint(
        List<String> channels, List<CaseExtent> cases, List<Intensities> intensities, Map<Integer, Integer> labels) {
    /** Most voxels of a case that enter the intensities. */
    public static final int VOXELS_PER_CASE = 10_000;

    private static final Preprocessor LOOK = new Preprocessor(PreprocessingSpec.of(Normalization.none())
            .withOrientation(PreprocessingSpec.Orienting.RAS)
            .withCropping(PreprocessingSpec.Cropping.NONZERO));

    /**
     * One case.
     *
     * @param id its id
     * @param size voxels along the three RAS+ axes, empty borders cut off
     * @param spacing distances of voxel centres in mm along these axes
     * @param kept share of the voxels that cutting kept, 0 to 1
     */
    public record CaseExtent(String id, Grid size, List<Double> spacing, double kept) {
        /** Copies the spacing. */
        public CaseExtent {
            Objects.requireNonNull(size, "size");
            spacing = List.copyOf(spacing);
        }
    }

    /** Copies the lists. */
    public Fingerprint {
        channels = List.copyOf(channels);
        cases = List.copyOf(cases);
        intensities = List.copyOf(intensities);
        labels = java.util.Collections.unmodifiableMap(new TreeMap<>(labels));
        if (cases.isEmpty()) {
            throw new IllegalArgumentException("found no cases, expected at least one to take a fingerprint of");
        }
    }

    /**
     * Reads cases and takes their fingerprint.
     *
     * @param channels names of the channels that each case must have
     * @param cases labelled cases, the training ones so that nothing is learned from those kept for the end
     * @param ignored label values of voxels that nobody labelled
     * @param done called with the number of cases looked at so far
     * @throws DatasetException when a case can't be used
     * @throws IOException when reading fails
     */
    public static Fingerprint of(List<String> channels, List<Case> cases, Set<Integer> ignored, IntConsumer done)
            throws IOException {
        List<CaseExtent> extents = new ArrayList<>();
        List<List<float[]>> values = new ArrayList<>();
        channels.forEach(channel -> values.add(new ArrayList<>()));
        Map<Integer, Integer> labels = new TreeMap<>();
        for (Case one : cases) {
            Volume image = CaseReader.readImage(one, channels.size());
            Optional<Volume> label = one.label().isPresent()
                    ? Optional.of(CaseReader.readLabel(one, image.geometry()))
                    : Optional.empty();
            PreparedCase seen = LOOK.prepare(one.images().get(0).toString(), List.of(image), label);
            double[] spacing = seen.restoration().preparedGeometry().spacing();
            extents.add(new CaseExtent(
                    one.id(),
                    seen.size(),
                    Arrays.stream(spacing).boxed().toList(),
                    (double) seen.size().tokens() / image.geometry().size().tokens()));
            if (seen.label().isPresent()) {
                short[] found = LabelValues.of(seen.label().get(), "label");
                for (int n = 0; n < found.length; n++) {
                    // Here they only have to be no foreground.
                    found[n] = ignored.contains((int) found[n]) ? 0 : found[n];
                }
                count(found, labels);
                sample(seen.image(), found, values);
            }
            done.accept(extents.size());
        }
        List<Intensities> intensities = new ArrayList<>();
        for (List<float[]> channel : values) {
            float[] all = joined(channel);
            if (all.length > 0) {
                intensities.add(Intensities.of(all));
            }
        }
        return new Fingerprint(channels, extents, intensities, labels);
    }

    private static void count(short[] found, Map<Integer, Integer> labels) {
        TreeMap<Integer, Integer> here = new TreeMap<>();
        short last = 0;
        for (short value : found) {
            if (value != last && value != 0) {
                here.put((int) value, 1);
            }
            last = value;
        }
        here.forEach((value, one) -> labels.merge(value, one, Integer::sum));
    }

    private static void sample(HostTensor image, short[] labels, List<List<float[]>> values) {
        int foreground = 0;
        for (short label : labels) {
            foreground += label > 0 ? 1 : 0;
        }
        int taken = Math.min(foreground, VOXELS_PER_CASE);
        int[] positions = new int[taken];
        int seen = 0;
        int filled = 0;
        for (int n = 0; n < labels.length && filled < taken; n++) {
            if (labels[n] > 0) {
                if ((long) seen * taken >= (long) filled * foreground) {
                    positions[filled++] = n;
                }
                seen++;
            }
        }
        for (int c = 0; c < values.size(); c++) {
            float[] channel = new float[taken];
            for (int n = 0; n < taken; n++) {
                channel[n] = image.floatBuffer().get(c * labels.length + positions[n]);
            }
            values.get(c).add(channel);
        }
    }

    private static float[] joined(List<float[]> parts) {
        float[] all = new float[parts.stream().mapToInt(part -> part.length).sum()];
        int at = 0;
        for (float[] part : parts) {
            System.arraycopy(part, 0, all, at, part.length);
            at += part.length;
        }
        return all;
    }

    /** Returns a percentile of the spacings along a RAS+ axis, in mm. */
    public double spacing(int axis, double percent) {
        return percentile(cases.stream().mapToDouble(one -> one.spacing().get(axis)), percent);
    }

    /** Returns the median number of voxels along a RAS+ axis at the cases' own spacing. */
    public double medianSize(int axis) {
        return percentile(cases.stream().mapToDouble(one -> one.size().size(axis)), 50);
    }

    /** Returns the median number of voxels along a RAS+ axis once every case is resampled to a distance in mm. */
    public double medianSize(int axis, double spacing) {
        return percentile(
                cases.stream()
                        .mapToDouble(one -> Math.max(
                                1,
                                Math.round(one.size().size(axis) * one.spacing().get(axis) / spacing))),
                50);
    }

    /** Returns the median share of voxels that cutting off empty borders keeps. */
    public double medianKept() {
        return percentile(cases.stream().mapToDouble(CaseExtent::kept), 50);
    }

    private static double percentile(java.util.stream.DoubleStream values, double percent) {
        double[] sorted = values.sorted().toArray();
        double at = percent / 100 * (sorted.length - 1);
        int below = (int) Math.floor(at);
        int above = Math.min(sorted.length - 1, below + 1);
        return sorted[below] + (at - below) * (sorted[above] - sorted[below]);
    }

    /** Returns the summary that a plan shows: counts, medians and intensities. */
    public Map<String, Object> toMap() {
        Map<String, Object> map = new LinkedHashMap<>();
        map.put("cases", cases.size());
        map.put("channels", channels);
        List<Double> median = new ArrayList<>();
        List<Double> least = new ArrayList<>();
        List<Double> most = new ArrayList<>();
        List<Double> size = new ArrayList<>();
        for (int axis = 0; axis < 3; axis++) {
            median.add(spacing(axis, 50));
            least.add(spacing(axis, 0));
            most.add(spacing(axis, 100));
            size.add(medianSize(axis));
        }
        map.put("median_size", size);
        map.put("median_spacing", median);
        map.put("smallest_spacing", least);
        map.put("largest_spacing", most);
        map.put("median_share_kept_by_cropping", medianKept());
        Map<String, Object> found = new LinkedHashMap<>();
        labels.forEach((value, count) -> found.put(String.valueOf(value), count));
        map.put("cases_with_label", found);
        Map<String, Object> bright = new LinkedHashMap<>();
        for (int c = 0; c < intensities.size(); c++) {
            bright.put(channels.get(c), intensities.get(c).toMap());
        }
        map.put("foreground_intensities", bright);
        return map;
    }
}
