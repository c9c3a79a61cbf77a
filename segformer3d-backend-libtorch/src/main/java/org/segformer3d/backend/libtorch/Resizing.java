package org.segformer3d.backend.libtorch;

import org.bytedeco.pytorch.Tensor;
import org.segformer3d.api.tensor.HostTensor;

/** Linear resizing along one axis as a product with a matrix; trilinear resizing is three of them. */
final class Resizing {
    private Resizing() {}

    /** Returns the matrix (to, from) of linear interpolation, align_corners=False. */
    static Tensor matrix(LibtorchBackend backend, int from, int to) {
        double[] matrix = new double[to * from];
        for (int i = 0; i < to; i++) {
            double position = Math.max((i + 0.5) * from / to - 0.5, 0);
            int low = (int) position;
            int high = Math.min(low + 1, from - 1);
            double t = position - low;
            matrix[i * from + low] += 1 - t;
            matrix[i * from + high] += t;
        }
        return backend.copyIn(HostTensor.of(matrix, to, from));
    }
}
