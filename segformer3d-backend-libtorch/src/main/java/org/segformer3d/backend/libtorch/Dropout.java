package org.segformer3d.backend.libtorch;

import java.util.SplittableRandom;
import org.bytedeco.pytorch.GeneratorOptional;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorOptions;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.segformer3d.api.training.TrainingBatch;

/**
 * Element-wise dropout whose mask depends on nothing but the batch's seed and the sample's number in it: the same on every device, for
 * every thread count, and wherever a sample is computed.
 */
final class Dropout {
    /** Keeps the seeds of a batch's samples apart. */
    private static final long GOLDEN_GAMMA = 0x9e3779b97f4a7c15L;

    private final LibtorchBackend backend;
    private long seed;
    private long first;

    Dropout(LibtorchBackend backend) {
        this.backend = backend;
    }

    /** Sets the seed of the masks that follow, and the number of their first sample. */
    void seed(TrainingBatch batch) {
        seed = batch.seed();
        first = batch.first();
    }

    /** Drops elements with probability p and scales the others by 1/(1−p). */
    Tensor apply(Tensor x, double p) {
        if (p == 0) {
            return x;
        }
        return x.mul(mask(Functional.shape(x), x.scalar_type(), p));
    }

    /** Returns 0 with probability p and 1/(1−p) otherwise, element by element; the first axis counts samples. */
    Tensor mask(long[] shape, ScalarType type, double p) {
        Tensor mask = torch.empty(shape, new TensorOptions(type), new org.bytedeco.pytorch.MemoryFormatOptional());
        for (long b = 0; b < shape[0]; b++) {
            long own = new SplittableRandom(seed + GOLDEN_GAMMA * (first + b)).nextLong();
            mask.select(0, b).bernoulli_(1 - p, new GeneratorOptional(torch.make_generator_cpu(own)));
        }
        return backend.toDevice(mask.mul_(new Scalar(1 / (1 - p))));
    }
}
