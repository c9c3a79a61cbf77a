package org.segformer3d.backend.libtorch;

import org.bytedeco.pytorch.Generator;
import org.bytedeco.pytorch.GeneratorOptional;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorOptions;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;

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
        return x.mul(mask(Functional.shape(x), x.scalar_type(), p));
    }

    /** Returns 0 with probability p and 1/(1−p) otherwise, element by element. */
    Tensor mask(long[] shape, ScalarType type, double p) {
        Generator generator = torch.make_generator_cpu(seed);
        Tensor mask = torch.empty(shape, new TensorOptions(type), new org.bytedeco.pytorch.MemoryFormatOptional())
                .bernoulli_(1 - p, new GeneratorOptional(generator))
                .mul_(new Scalar(1 / (1 - p)));
        return backend.toDevice(mask);
    }
}
