package org.segformer3d.backend.tck;

import java.nio.ByteBuffer;
import java.nio.FloatBuffer;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import org.segformer3d.api.block.BlockSpec;
import org.segformer3d.api.block.BlockSpec.TransformerBlockSpec;
import org.segformer3d.api.block.Grid;
import org.segformer3d.api.block.ParameterSpec;
import org.segformer3d.api.config.SegFormer3DConfig;
import org.segformer3d.api.model.ModelLayout;
import org.segformer3d.api.tensor.DType;
import org.segformer3d.api.tensor.HostTensor;
import org.segformer3d.api.weights.StateDict;

/** Seeded random tensors, weights, blocks and configurations; values are float32 so that every backend sees the same ones. */
final class Samples {
    private final SplittableRandom random;

    Samples(long seed) {
        this.random = new SplittableRandom(seed);
    }

    /** Returns a number in from…to, both included. */
    int between(int from, int to) {
        return random.nextInt(from, to + 1);
    }

    /** Returns one of some values. */
    @SafeVarargs
    final <T> T oneOf(T... values) {
        return values[random.nextInt(values.length)];
    }

    /** Returns standard normal values in float32. */
    HostTensor normal(long... shape) {
        HostTensor tensor = HostTensor.zeros(DType.FLOAT32, shape);
        FloatBuffer values = tensor.floatBuffer();
        while (values.hasRemaining()) {
            values.put((float) random.nextGaussian());
        }
        return tensor;
    }

    /** Returns small values that the element type holds exactly: eighths for a floating type, integers for the others. */
    HostTensor typed(DType type, long... shape) {
        HostTensor tensor = HostTensor.zeros(type, shape);
        ByteBuffer bytes = tensor.bytes();
        while (bytes.hasRemaining()) {
            int value = type == DType.BOOL ? between(0, 1) : type == DType.UINT8 ? between(0, 255) : between(-128, 127);
            switch (type) {
                case FLOAT64 -> bytes.putDouble(value / 8.0);
                case FLOAT32 -> bytes.putFloat(value / 8f);
                case FLOAT16 -> bytes.putShort(HalfPrecision.float16(value / 8f));
                case BFLOAT16 -> bytes.putShort(HalfPrecision.bfloat16(value / 8f));
                case INT64 -> bytes.putLong(value);
                case INT32 -> bytes.putInt(value);
                case INT16 -> bytes.putShort((short) value);
                case INT8, UINT8, BOOL -> bytes.put((byte) value);
            }
        }
        return tensor;
    }

    /** Returns standard normal values in float64. */
    double[] normals(int count) {
        double[] values = new double[count];
        for (int i = 0; i < count; i++) {
            values[i] = random.nextGaussian();
        }
        return values;
    }

    /** Returns a box with edges in from…to. */
    Grid grid(int from, int to) {
        return new Grid(between(from, to), between(from, to), between(from, to));
    }

    /** Returns weights for one block, none of them trivial. */
    StateDict weights(BlockSpec spec) {
        return weights(parameters(spec));
    }

    /** Returns weights for a model of the paper's layers. */
    StateDict weights(SegFormer3DConfig config) {
        return weights(ModelLayout.of(config).parameters());
    }

    /** Returns weights for these entries. */
    StateDict weights(List<ParameterSpec> parameters) {
        Map<String, HostTensor> tensors = new LinkedHashMap<>();
        for (ParameterSpec parameter : parameters) {
            tensors.put(parameter.name(), weight(parameter));
        }
        return StateDict.of(tensors);
    }

    /** Returns every entry of a block, with those of a transformer block's parts under {@code attention.} and {@code mlp.}. */
    static List<ParameterSpec> parameters(BlockSpec spec) {
        List<ParameterSpec> all = new ArrayList<>(spec.parameters());
        if (spec instanceof TransformerBlockSpec block) {
            block.attention().parameters().forEach(p -> all.add(p.prefixed("attention.")));
            block.feedForward().parameters().forEach(p -> all.add(p.prefixed("mlp.")));
        }
        return all;
    }

    private HostTensor weight(ParameterSpec spec) {
        long[] shape = spec.dims();
        if (spec.role() == ParameterSpec.Role.BATCHES_TRACKED) {
            return HostTensor.of(new long[] {between(1, 9)}, shape);
        }
        HostTensor tensor = HostTensor.zeros(DType.FLOAT32, shape);
        FloatBuffer values = tensor.floatBuffer();
        // spread of a sum over the inputs of one output stays near 1, so no layer saturates the next
        double spread = 1 / Math.sqrt(Math.max(1, spec.elements() / (double) Math.max(1, first(shape))));
        while (values.hasRemaining()) {
            double normal = random.nextGaussian();
            values.put((float)
                    switch (spec.role()) {
                        case LINEAR_WEIGHT, CONV_WEIGHT, DEPTHWISE_CONV_WEIGHT -> spread * normal;
                        case NORM_WEIGHT -> 1 + 0.2 * normal;
                        case RUNNING_VARIANCE -> 0.5 + random.nextDouble();
                        default -> 0.3 * normal;
                    });
        }
        return tensor;
    }

    private static long first(long[] shape) {
        return shape.length == 0 ? 1 : shape[0];
    }

    /** Returns a small random network. */
    SegFormer3DConfig config() {
        List<Integer> heads = List.of(oneOf(1, 2), oneOf(1, 2, 3), oneOf(1, 2, 5), oneOf(2, 4));
        boolean overlapping = between(0, 3) > 0;
        Map<String, Object> map = new LinkedHashMap<>();
        map.put("in_channels", between(1, 4));
        map.put("num_classes", between(1, 4));
        map.put("num_heads", heads);
        // widths of 8 and more: a LayerNorm over fewer values can meet a variance near 0, which amplifies rounding
        map.put(
                "embed_dims",
                heads.stream().map(h -> h * (7 / h + between(1, 3))).toList());
        map.put("sr_ratios", oneOf(List.of(4, 2, 1, 1), List.of(2, 2, 1, 1), List.of(2, 1, 2, 1)));
        map.put("depths", List.of(between(1, 2), 1, between(1, 2), 1));
        map.put("mlp_ratios", List.of(between(1, 4), between(1, 4), between(1, 4), between(1, 4)));
        map.put("patch_kernel_size", overlapping ? List.of(7, 3, 3, 3) : List.of(3, 3, 2, 3));
        map.put("patch_stride", overlapping ? List.of(4, 2, 2, 2) : List.of(2, 2, 2, 1));
        map.put("patch_padding", overlapping ? List.of(3, 1, 1, 1) : List.of(1, 1, 0, 1));
        map.put("decoder_head_embedding_dim", between(8, 24));
        return SegFormer3DConfig.fromMap(map);
    }
}
