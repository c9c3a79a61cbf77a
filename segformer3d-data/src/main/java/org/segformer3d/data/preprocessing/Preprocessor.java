package org.segformer3d.data.preprocessing;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import java.util.stream.IntStream;
import org.segformer3d.api.block.Grid;
import org.segformer3d.api.tensor.DType;
import org.segformer3d.api.tensor.HostTensor;
import org.segformer3d.data.io.Remarks;
import org.segformer3d.data.labels.LabelValues;
import org.segformer3d.data.volume.Geometry;
import org.segformer3d.data.volume.GridMatch;
import org.segformer3d.data.volume.Orientation;
import org.segformer3d.data.volume.Volume;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Turns scans into what a network sees: orientation, cropping, normalisation, resampling, in this order.
 *
 * <p>Resampling gives an axis of n voxels of s mm round(n·s/t) voxels, at least one, for a target of t mm; the box stays the same, so the
 * real spacing may differ from t by up to half a voxel over the whole length. Along an axis whose voxels are more than three times as
 * long as the shortest ones, in the scan or in the target, images are never interpolated by cubics, which through slices far apart
 * invent structure between them, but as {@link PreprocessingSpec#betweenSlices} says; labels likewise.
 *
 * <p>A preprocessor is immutable and safe for use by several threads; the volumes given aren't changed.
 */
public final class Preprocessor {
    /** To be raised whenever the same specification gives other values, so that nobody takes old ones out of a cache. */
    public static final int VERSION = 1;

    private static final Logger LOG = LoggerFactory.getLogger(Preprocessor.class);
    private static final double ANISOTROPIC = 3;

    private final PreprocessingSpec spec;

    /** Creates a preprocessor. */
    public Preprocessor(PreprocessingSpec spec) {
        this.spec = Objects.requireNonNull(spec, "spec");
    }

    /** Returns what is done. */
    public PreprocessingSpec spec() {
        return spec;
    }

    /** Prepares a scan without labels, {@code scan} being its name in messages. */
    public PreparedCase prepare(List<Volume> channels) {
        return prepare("scan", channels, Optional.empty());
    }

    /** Prepares a scan with its labels, {@code scan} being its name in messages. */
    public PreparedCase prepare(List<Volume> channels, Volume label) {
        return prepare("scan", channels, Optional.of(label));
    }

    /**
     * Prepares a scan.
     *
     * @param name what messages call it, a case or file
     * @param channels at least one volume; volumes of several channels count as that many
     * @param label whole numbers, one channel, the same voxels as the scan
     * @throws InvalidCaseException when the volumes don't match in size or place, values aren't finite, or labels aren't whole numbers
     */
    public PreparedCase prepare(String name, List<Volume> channels, Optional<Volume> label) {
        requireSamePlace(name, channels);
        for (int v = 0; v < channels.size(); v++) {
            requireFinite(name, "channel volume " + (v + 1), channels.get(v));
        }
        Way way = way(name, channels);
        Grid inputSize = way.inputSize();
        Grid size = way.size();
        int count = channels.stream().mapToInt(Volume::channels).sum();
        HostTensor image = HostTensor.zeros(DType.FLOAT32, count, size.depth(), size.height(), size.width());
        int channel = 0;
        for (Volume volume : channels) {
            for (int c = 0; c < volume.channels(); c++, channel++) {
                // Cutting before orienting and one channel at a time: a BraTS scan is 143 MB, and this needs a quarter
                // more of it.
                boolean slices = spec.normalization().isOfSlices(channel);
                float[] values = way.inputBox()
                        .cut(
                                slices ? sliced(volume, c) : volume.values(),
                                slices ? 0 : c * inputSize.tokens(),
                                inputSize);
                values = way.oriented(values);
                normalize(values, 0, values.length, channel);
                image.floatBuffer().put(channel * size.tokens(), way.resampler().apply(values));
            }
        }
        Optional<HostTensor> labels = label.map(volume -> prepareLabel(name, volume, way));
        return new PreparedCase(image, labels, way.restoration());
    }

    /**
     * Prepares a scan without labels in the volumes' own arrays wherever that can be done, so that a large one is in memory once. The
     * values are those of {@link #prepare(String, List, Optional)}. Channels are prepared by several threads.
     *
     * @param name what messages call it, a case or file
     * @param channels at least one volume; their arrays are the preparer's from now on
     * @throws InvalidCaseException as {@link #prepare(String, List, Optional)} does
     */
    public PreparedScan prepareInPlace(String name, List<Volume> channels) {
        requireSamePlace(name, channels);
        IntStream.range(0, channels.size())
                .parallel()
                .forEach(v -> requireFinite(name, "channel volume " + (v + 1), channels.get(v)));
        Way way = way(name, channels);
        Grid inputSize = way.inputSize();
        List<PreparedScan.Channel> inputs = new ArrayList<>();
        for (Volume volume : channels) {
            for (int c = 0; c < volume.channels(); c++) {
                inputs.add(new PreparedScan.Channel(volume.values(), c * inputSize.tokens()));
            }
        }
        PreparedScan.Channel[] prepared = new PreparedScan.Channel[inputs.size()];
        IntStream.range(0, prepared.length).parallel().forEach(channel -> {
            float[] values = inputs.get(channel).values();
            int from = inputs.get(channel).offset();
            if (spec.normalization().isOfSlices(channel)) {
                Normalization.applyToSlices(values, from, inputSize.tokens(), inputSize.width());
            }
            boolean whole = way.inputBox().equals(Box.whole(inputSize));
            int count = way.inputBox().size().tokens();
            if (whole && way.orientation().isFlip()) {
                way.orientation().flip(values, from, inputSize);
            } else {
                values = way.oriented(
                        whole && values.length == count
                                ? values
                                : way.inputBox().cut(values, from, inputSize));
                from = 0;
            }
            normalize(values, from, count, channel);
            if (!way.crop().size().equals(way.size())) {
                float[] alone = values.length == count ? values : Arrays.copyOfRange(values, from, from + count);
                values = way.resampler().apply(alone);
                from = 0;
            }
            prepared[channel] = new PreparedScan.Channel(values, from);
        });
        return new PreparedScan(Arrays.asList(prepared), way.restoration());
    }

    /** Returns a copy of one channel with its slices normalised. */
    private static float[] sliced(Volume volume, int channel) {
        Grid size = volume.geometry().size();
        float[] values = Arrays.copyOfRange(volume.values(), channel * size.tokens(), (channel + 1) * size.tokens());
        Normalization.applyToSlices(values, 0, values.length, size.width());
        return values;
    }

    private void normalize(float[] values, int from, int count, int channel) {
        if (!spec.normalization().isOfSlices(channel)) {
            spec.normalization().apply(values, from, count, channel);
        }
    }

    /** Returns the size a scan is prepared to when nothing is cropped. */
    public Grid sizeUncropped(Geometry input) {
        return targetSize(orientation(input).apply(input));
    }

    /** The steps between a scan and what is made of it. */
    private record Way(
            Orientation orientation,
            Box inputBox,
            Box crop,
            Resampler resampler,
            Resampler labelResampler,
            Restoration restoration) {
        Grid inputSize() {
            return restoration.inputGeometry().size();
        }

        Grid size() {
            return restoration.preparedGeometry().size();
        }

        /** Returns the values of the input box in their new order. */
        float[] oriented(float[] values) {
            return orientation.isIdentity() ? values : orientation.apply(values, 1, inputBox.size());
        }
    }

    private Orientation orientation(Geometry input) {
        Orientation oriented = spec.orientation() == PreprocessingSpec.Orienting.RAS
                ? Orientation.toRas(input.affine())
                : Orientation.IDENTITY;
        int[] source = new int[3];
        boolean[] flipped = new boolean[3];
        for (int axis = 0; axis < 3; axis++) {
            source[axis] = oriented.source(spec.axes().get(axis));
            flipped[axis] = oriented.flipped(spec.axes().get(axis));
        }
        return Orientation.of(source, flipped);
    }

    private Way way(String name, List<Volume> channels) {
        Geometry input = channels.get(0).geometry();
        Orientation orientation = orientation(input);
        Box inputBox = spec.cropping() == PreprocessingSpec.Cropping.NONZERO
                ? nonzeroBox(channels, input.size())
                : Box.whole(input.size());
        Box crop = inputBox.oriented(orientation, input.size());
        Geometry cropped = orientation.apply(input).cropped(crop.d(), crop.h(), crop.w(), crop.size());
        Grid size = targetSize(cropped);
        return new Way(
                orientation,
                inputBox,
                crop,
                new Resampler(crop.size(), size, perAxis(cropped, spec.interpolation())),
                new Resampler(crop.size(), size, perAxis(cropped, Interpolation.LINEAR)),
                new Restoration(input, orientation, crop, cropped.resampled(size)));
    }

    private HostTensor prepareLabel(String name, Volume label, Way way) {
        Geometry input = way.restoration().inputGeometry();
        Grid size = way.size();
        requireLabelPlace(name, label, input);
        requireFinite(name, "label", label);
        float[] values = way.oriented(way.inputBox().cut(label.values(), 0, input.size()));
        short[] labels = new short[values.length];
        for (int n = 0; n < labels.length; n++) {
            int rounded = Math.round(values[n]);
            labels[n] = (short) rounded;
            if (Math.abs(values[n] - rounded) > 1e-3f || labels[n] != rounded) {
                throw new InvalidCaseException(
                        name, "found label value " + values[n] + ", expected whole numbers of -32768…32767");
            }
        }
        short[] resampled = way.labelResampler().applyLabels(labels);
        return LabelValues.tensor(resampled, size.depth(), size.height(), size.width());
    }

    private static void requireSamePlace(String name, List<Volume> channels) {
        if (channels.isEmpty()) {
            throw new InvalidCaseException(name, "found no channels, expected at least one volume");
        }
        for (int v = 1; v < channels.size(); v++) {
            requireSamePlace(
                    name,
                    "channel volume " + (v + 1),
                    channels.get(v),
                    channels.get(0).geometry(),
                    "the first channel");
        }
    }

    private static void requireSamePlace(String name, String what, Volume volume, Geometry grid, String ofWhat) {
        GridMatch match = new GridMatch(volume.geometry(), grid);
        if (!match.matches()) {
            throw new InvalidCaseException(
                    name, what + ": " + match.difference(ofWhat) + "; register or resample them first");
        }
        match.remark(name + ", " + what, ofWhat).ifPresent(remark -> Remarks.once(LOG, remark));
    }

    private static void requireLabelPlace(String name, Volume label, Geometry input) {
        if (label.channels() != 1) {
            throw new InvalidCaseException(name, "found " + label.channels() + " label channels, expected one");
        }
        requireSamePlace(name, "the label", label, input, "the scan");
    }

    private static void requireFinite(String name, String what, Volume volume) {
        int strange = 0;
        int first = -1;
        float[] values = volume.values();
        for (int n = 0; n < values.length; n++) {
            if (!Float.isFinite(values[n])) {
                first = strange == 0 ? n : first;
                strange++;
            }
        }
        if (strange > 0) {
            Grid size = volume.geometry().size();
            int voxel = first % size.tokens();
            throw new InvalidCaseException(
                    name,
                    what + " has " + strange + " of " + values.length + " values that aren't finite numbers, the first "
                            + values[first] + " at voxel (" + voxel / size.width() / size.height() + ", "
                            + voxel / size.width() % size.height() + ", " + voxel % size.width()
                            + "); replace them before use");
        }
    }

    /** Returns the smallest box around what isn't 0 in every channel; the whole grid where all is 0. */
    private static Box nonzeroBox(List<Volume> channels, Grid size) {
        int[] low = {size.depth(), size.height(), size.width()};
        int[] high = {-1, -1, -1};
        for (Volume volume : channels) {
            float[] values = volume.values();
            int row = 0;
            for (int c = 0; c < volume.channels(); c++) {
                for (int d = 0; d < size.depth(); d++) {
                    for (int h = 0; h < size.height(); h++, row += size.width()) {
                        int first = 0;
                        while (first < size.width() && values[row + first] == 0) {
                            first++;
                        }
                        if (first == size.width()) {
                            continue;
                        }
                        int last = size.width() - 1;
                        while (values[row + last] == 0) {
                            last--;
                        }
                        low[0] = Math.min(low[0], d);
                        low[1] = Math.min(low[1], h);
                        low[2] = Math.min(low[2], first);
                        high[0] = Math.max(high[0], d);
                        high[1] = Math.max(high[1], h);
                        high[2] = Math.max(high[2], last);
                    }
                }
            }
        }
        if (high[0] < 0) {
            return Box.whole(size);
        }
        return new Box(
                low[0], low[1], low[2], new Grid(high[0] - low[0] + 1, high[1] - low[1] + 1, high[2] - low[2] + 1));
    }

    private Grid targetSize(Geometry cropped) {
        if (spec.spacing().isEmpty()) {
            return cropped.size();
        }
        List<Double> target = spec.spacing().get();
        double[] spacing = cropped.spacing();
        int[] size = new int[3];
        for (int axis = 0; axis < 3; axis++) {
            size[axis] = (int) Math.max(1, Math.round(cropped.size().size(axis) * spacing[axis] / target.get(axis)));
        }
        return new Grid(size[0], size[1], size[2]);
    }

    /** Returns how to interpolate along each axis: as given within slices, as the specification says between slices far apart. */
    private List<Interpolation> perAxis(Geometry cropped, Interpolation within) {
        double[] spacing = cropped.spacing();
        Interpolation between = spec.betweenSlices() == PreprocessingSpec.BetweenSlices.NEAREST
                ? Interpolation.NEAREST
                : Interpolation.LINEAR;
        List<Interpolation> perAxis = new ArrayList<>();
        for (int axis = 0; axis < 3; axis++) {
            boolean farApart = isFarApart(spacing, axis);
            if (spec.spacing().isPresent()) {
                double[] target = spec.spacing().get().stream()
                        .mapToDouble(Double::doubleValue)
                        .toArray();
                farApart |= isFarApart(target, axis);
            }
            perAxis.add(farApart ? between : within);
        }
        return perAxis;
    }

    private static boolean isFarApart(double[] spacing, int axis) {
        return spacing[axis] > ANISOTROPIC * Math.min(spacing[0], Math.min(spacing[1], spacing[2]));
    }
}
