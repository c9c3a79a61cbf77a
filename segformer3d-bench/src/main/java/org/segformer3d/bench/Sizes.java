package org.segformer3d.bench;

import java.util.Arrays;
import java.util.List;
import java.util.Map;
import org.segformer3d.api.block.Grid;
import org.segformer3d.api.config.SegFormer3DConfig;

/** Reads the parameters of benchmarks. */
final class Sizes {
    private Sizes() {}

    /** Reads {@code 96} as a cube and {@code 80x96x64} as a box. */
    static Grid grid(String text) {
        int[] sizes = Arrays.stream(text.split("x")).mapToInt(Integer::parseInt).toArray();
        return switch (sizes.length) {
            case 1 -> new Grid(sizes[0], sizes[0], sizes[0]);
            case 3 -> new Grid(sizes[0], sizes[1], sizes[2]);
            default ->
                throw new IllegalArgumentException("size: found " + text + ", expected for example 96 or 80x96x64");
        };
    }

    /** Returns the published network with other depths, for example {@code 2-2-6-2}. */
    static SegFormer3DConfig withDepths(String text) {
        List<Integer> depths =
                Arrays.stream(text.split("-")).map(Integer::valueOf).toList();
        return SegFormer3DConfig.fromMap(Map.of("depths", depths));
    }
}
