package org.segformer3d.bench;

import java.util.Arrays;
import java.util.concurrent.TimeUnit;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Fork;
import org.openjdk.jmh.annotations.Measurement;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.Warmup;
import org.segformer3d.api.tensor.HostTensor;
import org.segformer3d.eval.metrics.SurfaceDistances;

/** HD95 of two masks of a BraTS scan's size, exact distance transforms included. */
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.MILLISECONDS)
@Warmup(iterations = 2, time = 3)
@Measurement(iterations = 3, time = 3)
@Fork(1)
@State(Scope.Benchmark)
public class SurfaceDistanceBenchmark {
    private static final int[] SIZE = {240, 240, 155};

    /**
     * What the masks are: {@code tumour}, two ellipsoids of a tumour's size that overlap; {@code head}, the same of the head's size;
     * {@code full}, every second voxel of the scan at random, which makes the most of surface that there can be.
     */
    @Param({"tumour", "head", "full"})
    public String masks;

    private HostTensor predicted;
    private HostTensor truth;

    /** Draws the masks. */
    @Setup
    public void make() {
        switch (masks) {
            case "tumour" -> {
                predicted = ellipsoid(0.52, 0.13);
                truth = ellipsoid(0.5, 0.15);
            }
            case "head" -> {
                predicted = ellipsoid(0.51, 0.45);
                truth = ellipsoid(0.5, 0.47);
            }
            case "full" -> {
                predicted = RandomTensors.masks(1, SIZE[0], SIZE[1], SIZE[2]);
                truth = RandomTensors.masks(2, SIZE[0], SIZE[1], SIZE[2]);
            }
            default -> throw new IllegalArgumentException("masks: found " + masks + ", expected tumour, head or full");
        }
    }

    /** Measures both directions and takes the percentile. */
    @Benchmark
    public double hd95() {
        return SurfaceDistances.between(predicted, truth, 1, 1, 1).hausdorff(95);
    }

    /** Returns an ellipsoid whose centre and radii are fractions of the scan's size. */
    private static HostTensor ellipsoid(double centre, double radius) {
        byte[] values = new byte[Arrays.stream(SIZE).reduce(1, (a, b) -> a * b)];
        int at = 0;
        for (int i = 0; i < SIZE[0]; i++) {
            for (int j = 0; j < SIZE[1]; j++) {
                for (int k = 0; k < SIZE[2]; k++) {
                    double distance =
                            square(i, 0, centre, radius) + square(j, 1, centre, radius) + square(k, 2, centre, radius);
                    values[at++] = (byte) (distance <= 1 ? 1 : 0);
                }
            }
        }
        return HostTensor.of(values, SIZE[0], SIZE[1], SIZE[2]);
    }

    private static double square(int position, int axis, double centre, double radius) {
        double scaled = (position - centre * SIZE[axis]) / (radius * SIZE[axis]);
        return scaled * scaled;
    }
}
