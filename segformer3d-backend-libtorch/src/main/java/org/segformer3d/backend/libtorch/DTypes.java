package org.segformer3d.backend.libtorch;

import org.bytedeco.pytorch.global.torch.ScalarType;
import org.segformer3d.api.tensor.DType;

/** The element types under their names here and in libtorch. */
final class DTypes {
    private DTypes() {}

    static ScalarType of(DType dtype) {
        return switch (dtype) {
            case FLOAT64 -> ScalarType.Double;
            case FLOAT32 -> ScalarType.Float;
            case FLOAT16 -> ScalarType.Half;
            case BFLOAT16 -> ScalarType.BFloat16;
            case INT64 -> ScalarType.Long;
            case INT32 -> ScalarType.Int;
            case INT16 -> ScalarType.Short;
            case INT8 -> ScalarType.Char;
            case UINT8 -> ScalarType.Byte;
            case BOOL -> ScalarType.Bool;
        };
    }

    static DType of(ScalarType type) {
        for (DType dtype : DType.values()) {
            if (of(dtype).value == type.value) {
                return dtype;
            }
        }
        throw new IllegalStateException("a tensor of type " + type + " has no counterpart here");
    }
}
