package org.segformer3d.data.preprocessing;

import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Collectors;
import org.segformer3d.api.block.Grid;
import org.segformer3d.api.tensor.HostTensor;
import org.segformer3d.data.volume.Affine;
import org.segformer3d.data.volume.Geometry;
import org.segformer3d.data.volume.Orientation;
import org.segformer3d.data.weights.TensorFile;

/**
 * Prepared cases as named tensors and texts, and back.
 *
 * <p>Everything comes back but the {@linkplain Geometry#source() header} that the scan came with: a label map restored through a stored
 * case has the scan's size and affine, and a fresh header.
 */
public final class StoredCase {
    private static final String IMAGE = "image";
    private static final String LABEL = "label";

    private StoredCase() {}

    /** Returns a case as tensors {@code image} and {@code label}, and texts about its geometry. */
    public static TensorFile of(PreparedCase prepared) {
        Map<String, HostTensor> tensors = new LinkedHashMap<>();
        tensors.put(IMAGE, prepared.image());
        prepared.label().ifPresent(label -> tensors.put(LABEL, label));
        Restoration way = prepared.restoration();
        Orientation orientation = way.orientation();
        Box crop = way.crop();
        Map<String, String> texts = new LinkedHashMap<>();
        texts.put("input.size", text(way.inputGeometry().size()));
        texts.put("input.affine", text(way.inputGeometry().affine()));
        texts.put(
                "orientation.axes", orientation.source(0) + " " + orientation.source(1) + " " + orientation.source(2));
        texts.put(
                "orientation.flipped",
                orientation.flipped(0) + " " + orientation.flipped(1) + " " + orientation.flipped(2));
        texts.put("crop.start", crop.d() + " " + crop.h() + " " + crop.w());
        texts.put("crop.size", text(crop.size()));
        texts.put("prepared.size", text(way.preparedGeometry().size()));
        texts.put("prepared.affine", text(way.preparedGeometry().affine()));
        return new TensorFile(tensors, texts);
    }

    /**
     * Returns the case that was stored.
     *
     * @throws IllegalArgumentException when the tensors or texts aren't those of a case
     */
    public static PreparedCase read(TensorFile stored) {
        Map<String, String> texts = stored.metadata();
        int[] axes = integers(texts, "orientation.axes");
        boolean[] flipped = new boolean[3];
        String[] flips = words(texts, "orientation.flipped", 3);
        for (int axis = 0; axis < 3; axis++) {
            flipped[axis] = Boolean.parseBoolean(flips[axis]);
        }
        int[] start = integers(texts, "crop.start");
        Restoration way = new Restoration(
                geometry(texts, "input"),
                Orientation.of(axes, flipped),
                new Box(start[0], start[1], start[2], grid(texts, "crop.size")),
                geometry(texts, "prepared"));
        return new PreparedCase(
                stored.get(IMAGE), Optional.ofNullable(stored.tensors().get(LABEL)), way);
    }

    private static Geometry geometry(Map<String, String> texts, String name) {
        double[] rows = Arrays.stream(words(texts, name + ".affine", 16))
                .mapToDouble(Double::parseDouble)
                .toArray();
        return Geometry.of(grid(texts, name + ".size"), Affine.ofRows(rows));
    }

    private static Grid grid(Map<String, String> texts, String name) {
        int[] sizes = integers(texts, name);
        return new Grid(sizes[0], sizes[1], sizes[2]);
    }

    private static int[] integers(Map<String, String> texts, String name) {
        return Arrays.stream(words(texts, name, 3)).mapToInt(Integer::parseInt).toArray();
    }

    private static String[] words(Map<String, String> texts, String name, int count) {
        String text = texts.get(name);
        String[] words = text == null ? new String[0] : text.split(" ");
        if (words.length != count) {
            throw new IllegalArgumentException(name + ": found " + text + ", expected " + count + " values");
        }
        return words;
    }

    private static String text(Grid size) {
        return size.depth() + " " + size.height() + " " + size.width();
    }

    private static String text(Affine affine) {
        return Arrays.stream(affine.toArray()).mapToObj(Double::toString).collect(Collectors.joining(" "));
    }
}
