package org.segformer3d.bench;

import java.util.SplittableRandom;
import org.segformer3d.api.block.Grid;
import org.segformer3d.api.tensor.HostTensor;
import org.segformer3d.api.tensor.Shapes;

/** Seeded inputs of benchmarks. */
final class RandomTensors {
    private RandomTensors() {}

    /** Returns standard normal values. */
    static HostTensor normal(long seed, long... shape) {
        SplittableRandom random = new SplittableRandom(seed);
        float[] values = new float[Math.toIntExact(Shapes.elements(shape))];
        for (int i = 0; i < values.length; i++) {
            values[i] = (float) random.nextGaussian();
        }
        return HostTensor.of(values, shape);
    }

    /** Returns channels of 0 and 1. */
    static HostTensor masks(long seed, long... shape) {
        SplittableRandom random = new SplittableRandom(seed);
        byte[] values = new byte[Math.toIntExact(Shapes.elements(shape))];
        for (int i = 0; i < values.length; i++) {
            values[i] = (byte) random.nextInt(2);
        }
        return HostTensor.of(values, shape);
    }

    /** Returns a cube. */
    static Grid cube(int edge) {
        return new Grid(edge, edge, edge);
    }
}
