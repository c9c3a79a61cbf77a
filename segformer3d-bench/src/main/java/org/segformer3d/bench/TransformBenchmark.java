package org.segformer3d.bench;

import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
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
import org.segformer3d.data.transform.Augmentation;
import org.segformer3d.data.transform.RandomTransform;
import org.segformer3d.data.transform.Sample;

/** Random transforms of a sample of 96³ with one channel, each applied always. */
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.MILLISECONDS)
@Warmup(iterations = 2, time = 1)
@Measurement(iterations = 3, time = 1)
@Fork(1)
@State(Scope.Benchmark)
public class TransformBenchmark {
    private static final int EDGE = 96;

    /** The configuration's name of the transform. */
    @Param({
        "flip",
        "rotate90",
        "affine",
        "elastic",
        "intensity_scale",
        "contrast",
        "gamma",
        "gaussian_noise",
        "gaussian_smooth",
        "low_resolution",
        "gibbs_noise"
    })
    public String type;

    private RandomTransform transform;
    private SplittableRandom random;
    private float[] image;
    private short[] label;

    /** Makes the sample. */
    @Setup
    public void make() {
        transform = Augmentation.fromConfig(List.of(Map.of("type", type, "probability", 1.0)))
                .get(0);
        random = new SplittableRandom(1);
        image = new float[EDGE * EDGE * EDGE];
        label = new short[image.length];
        for (int n = 0; n < image.length; n++) {
            image[n] = (float) random.nextGaussian();
            label[n] = (short) random.nextInt(3);
        }
    }

    /** Changes a fresh copy, which is part of what is measured. */
    @Benchmark
    public Sample apply() {
        return transform.apply(new Sample(image.clone(), 1, label.clone(), RandomTensors.cube(EDGE)), random);
    }
}
