package org.segformer3d.bench;

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
import org.segformer3d.eval.inference.Blend;
import org.segformer3d.eval.inference.SlidingWindow;

/** Everything about a sliding window but the network, which here returns its first three channels. */
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.MILLISECONDS)
@Warmup(iterations = 2, time = 3)
@Measurement(iterations = 3, time = 3)
@Fork(1)
@State(Scope.Benchmark)
public class SlidingWindowBenchmark {
    /** How windows are blended. */
    @Param({"CONSTANT", "GAUSSIAN"})
    public Blend blend;

    private SlidingWindow window;
    private HostTensor image;
    private HostTensor logits;

    /** Makes an image of a BraTS scan's size. */
    @Setup
    public void make() {
        window = new SlidingWindow(RandomTensors.cube(128), 0.5, blend, 1);
        image = RandomTensors.normal(1, 4, 240, 240, 155);
        logits = RandomTensors.normal(2, 1, 3, 128, 128, 128);
    }

    /** Covers the image. */
    @Benchmark
    public HostTensor cover() {
        return window.infer(batch -> logits, image);
    }
}
