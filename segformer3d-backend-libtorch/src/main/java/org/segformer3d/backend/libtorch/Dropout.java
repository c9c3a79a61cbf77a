package org.segformer3d.backend.libtorch;

import org.bytedeco.pytorch.Generator;
import org.bytedeco.pytorch.GeneratorOptional;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorOptions;
import org.bytedeco.pytorch.global.torch;

/** Element-wise dropout whose mask depends on nothing but the batch's seed: the same on every device and for every thread count. */
final class Dropout {
    private final LibtorchBackend backend;
    private long seed;

    Dropout(LibtorchBackend backend) {
        this.backend = backend;
    }

    /** Sets the seed of the masks that follow. */
    void seed(long newSeed) {
        seed = newSeed;
    }

    /** Drops elements with probability p and scales the others by 1/(1−p). */
    Tensor apply(Tensor x, double p) {
        if (p == 0) {
            return x;
        }
        Generator generator = torch.make_generator_cpu(seed);
        Tensor mask = torch.empty(
                        Functional.shape(x),
                        new TensorOptions(x.scalar_type()),
                        new org.bytedeco.pytorch.MemoryFormatOptional())
                .bernoulli_(1 - p, new GeneratorOptional(generator))
                .mul_(new Scalar(1 / (1 - p)));
        return x.mul(backend.toDevice(mask));
    }
}
