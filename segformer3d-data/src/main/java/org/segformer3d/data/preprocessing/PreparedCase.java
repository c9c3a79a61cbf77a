package org.segformer3d.data.preprocessing;

import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.ConcurrentHashMap;
import org.segformer3d.api.block.Grid;
import org.segformer3d.api.tensor.HostTensor;
import org.segformer3d.api.tensor.Shapes;
import org.segformer3d.data.labels.LabelValues;

/** A scan as a network sees it, its labels where they are known, and the way back. Immutable; its tensors are to be read only. */
public final class PreparedCase {
    private final HostTensor image;
    private final Optional<HostTensor> label;
    private final Restoration restoration;
    private volatile Set<Integer> values;
    private final Map<Set<Integer>, ForegroundVoxels> found = new ConcurrentHashMap<>();

    /**
     * Creates a prepared case.
     *
     * @param image float32, (C,D,H,W), never {@code null}
     * @param label uint8 or int16, (D,H,W), or empty
     * @param restoration the way back, never {@code null}
     * @throws IllegalArgumentException when the shapes don't agree
     */
    public PreparedCase(HostTensor image, Optional<HostTensor> label, Restoration restoration) {
        long[] shape = image.shape();
        if (shape.length != 4) {
            throw new IllegalArgumentException("image: found shape " + Shapes.text(shape) + ", expected C×D×H×W");
        }
        this.image = image.toFloat32();
        this.label = label;
        this.restoration = Objects.requireNonNull(restoration, "restoration");
        label.ifPresent(l -> {
            if (!Shapes.text(l.shape()).equals(Shapes.text(shape[1], shape[2], shape[3]))) {
                throw new IllegalArgumentException(
                        "label: found shape " + Shapes.text(l.shape()) + " with an image of " + Shapes.text(shape));
            }
        });
    }

    /** Returns the image: float32, (C,D,H,W). */
    public HostTensor image() {
        return image;
    }

    /** Returns the labels: uint8 or int16, (D,H,W); empty for a case to predict. */
    public Optional<HostTensor> label() {
        return label;
    }

    /** Returns the way back to the scan's own geometry. */
    public Restoration restoration() {
        return restoration;
    }

    /** Returns the number of channels C. */
    public int channels() {
        return (int) image.size(0);
    }

    /** Returns the spatial size D×H×W. */
    public Grid size() {
        return new Grid((int) image.size(1), (int) image.size(2), (int) image.size(3));
    }

    /** Returns how many bytes the tensors take. */
    public long bytes() {
        return image.bytes().remaining()
                + label.map(l -> (long) l.bytes().remaining()).orElse(0L);
    }

    /** Returns the label values that occur, found once and kept; none when there are no labels. */
    public Set<Integer> labelValues() {
        Set<Integer> known = values;
        if (known == null) {
            Set<Integer> all = new TreeSet<>();
            label.ifPresent(l -> {
                short[] labels = LabelValues.of(l, "label");
                for (int n = 0; n < labels.length; n++) {
                    // Neighbours are mostly equal, so the set is rarely asked.
                    if (n == 0 || labels[n] != labels[n - 1]) {
                        all.add((int) labels[n]);
                    }
                }
            });
            known = Set.copyOf(all);
            values = known;
        }
        return known;
    }

    /** Returns where the labels other than 0 are, found once and kept; none when there are no labels. */
    public ForegroundVoxels foreground() {
        return voxelsExcept(Set.of(0));
    }

    /**
     * Returns where labels are that are none of some values, found once and kept; none when there are no labels.
     *
     * @param others the values to leave out, never {@code null}
     */
    public ForegroundVoxels voxelsExcept(Set<Integer> others) {
        return found.computeIfAbsent(
                Set.copyOf(others),
                values -> label.map(l -> ForegroundVoxels.except(LabelValues.of(l, "label"), values))
                        .orElse(ForegroundVoxels.NONE));
    }
}
