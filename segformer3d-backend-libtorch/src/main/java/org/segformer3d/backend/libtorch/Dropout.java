package org.segformer3d.backend.libtorch;

import java.util.Arrays;
import org.bytedeco.javacpp.FloatPointer;
import org.bytedeco.pytorch.MemoryFormatOptional;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorOptions;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.segformer3d.api.ops.Pass;
import org.segformer3d.api.ops.RandomMasks;

/** The masks of {@link RandomMasks} as native tensors. */
final class Dropout {
    private static final int CHUNK = 1 << 16;

    private Dropout() {}

    /**
     * Returns 0 or 1/(1−p), element by element.
     *
     * @param call how many masks were drawn before in the pass
     * @param shape whose first axis counts samples
     */
    static Tensor mask(LibtorchBackend backend, Pass pass, long call, long[] shape, ScalarType type, double p) {
        Tensor mask = torch.empty(shape, new TensorOptions(ScalarType.Float), new MemoryFormatOptional());
        FloatPointer data = new FloatPointer(mask.data_ptr());
        long each = Arrays.stream(shape).skip(1).reduce(1, (a, b) -> a * b);
        float[] chunk = new float[(int) Math.min(CHUNK, each)];
        for (long sample = 0; sample < shape[0]; sample++) {
            long key = RandomMasks.key(pass, call, sample);
            for (long from = 0; from < each; from += chunk.length) {
                int count = (int) Math.min(chunk.length, each - from);
                for (int i = 0; i < count; i++) {
                    chunk[i] = RandomMasks.keeps(key, from + i, p) ? 1 : 0;
                }
                data.position(sample * each + from).put(chunk, 0, count);
            }
        }
        return backend.toDevice(mask.to(type)).mul_(new Scalar(1 / (1 - p)));
    }
}
