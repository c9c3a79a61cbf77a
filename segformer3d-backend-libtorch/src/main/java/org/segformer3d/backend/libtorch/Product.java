package org.segformer3d.backend.libtorch;

import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorOptional;
import org.bytedeco.pytorch.global.torch;

/**
 * x Wᵀ + b over the rows of x.
 *
 * @param weight (k,c)
 * @param bias (k), or {@code null}
 * @param kernel the weight as a (k,c,1,1) kernel where oneDNN computes the product, or {@code null}
 */
record Product(Tensor weight, Tensor bias, Tensor kernel) {
    /**
     * Makes a product.
     *
     * @param oneDnn whether to compute it as a convolution by oneDNN (float32 on the CPU only): for these narrow matrices it is up to
     *     twice as fast as the BLAS
     */
    static Product of(Tensor weight, Tensor bias, boolean oneDnn) {
        return new Product(weight, bias, oneDnn ? weight.view(weight.size(0), weight.size(1), 1, 1) : null);
    }

    /** Returns (n,k) for a contiguous (n,c). */
    Tensor apply(Tensor x) {
        TensorOptional addend = bias == null ? new TensorOptional() : Functional.some(bias);
        return kernel == null ? torch.linear(x, weight, addend) : Products.convolved(x, kernel, addend);
    }
}
