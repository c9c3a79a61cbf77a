package org.segformer3d.data.weights;

import java.util.HashMap;
import java.util.Map;
import java.util.Optional;
import org.segformer3d.api.tensor.DType;

/** How elements are stored in PyTorch and NumPy files: every type whose size is known, with the type that holds its values exactly. */
enum ElementType {
    FLOAT64(8, DType.FLOAT64),
    FLOAT32(4, DType.FLOAT32),
    FLOAT16(2, DType.FLOAT16),
    BFLOAT16(2, DType.BFLOAT16),
    INT64(8, DType.INT64),
    INT32(4, DType.INT32),
    INT16(2, DType.INT16),
    INT8(1, DType.INT8),
    UINT8(1, DType.UINT8),
    BOOL(1, DType.BOOL),
    /** Widened: there is no unsigned 16-bit type here. */
    UINT16(2, DType.INT32),
    /** Widened: there is no unsigned 32-bit type here. */
    UINT32(4, DType.INT64),
    UINT64(8, null),
    COMPLEX32(4, null),
    COMPLEX64(8, null),
    COMPLEX128(16, null),
    FLOAT8(1, null),
    QUANTIZED8(1, null),
    QUANTIZED32(4, null);

    private static final Map<String, ElementType> STORAGES = new HashMap<>();
    private static final Map<String, ElementType> TORCH = new HashMap<>();
    private static final Map<String, ElementType> NUMPY = new HashMap<>();

    static {
        Object[][] table = {
            {"Double", FLOAT64, "float64 double", "f8"},
            {"Float", FLOAT32, "float32 float", "f4"},
            {"Half", FLOAT16, "float16 half", "f2"},
            {"BFloat16", BFLOAT16, "bfloat16", ""},
            {"Long", INT64, "int64 long", "i8"},
            {"Int", INT32, "int32 int", "i4"},
            {"Short", INT16, "int16 short", "i2"},
            {"Char", INT8, "int8", "i1"},
            {"Byte", UINT8, "uint8", "u1"},
            {"Untyped", UINT8, "", ""},
            {"Bool", BOOL, "bool", "b1"},
            {"", UINT16, "uint16", "u2"},
            {"", UINT32, "uint32", "u4"},
            {"", UINT64, "uint64", "u8"},
            {"", COMPLEX32, "complex32 chalf", ""},
            {"ComplexFloat", COMPLEX64, "complex64 cfloat", "c8"},
            {"ComplexDouble", COMPLEX128, "complex128 cdouble", "c16"},
            {"", FLOAT8, "float8_e4m3fn float8_e5m2 float8_e4m3fnuz float8_e5m2fnuz float8_e8m0fnu", ""},
            {"QInt8", QUANTIZED8, "qint8", ""},
            {"QUInt8", QUANTIZED8, "quint8", ""},
            {"QInt32", QUANTIZED32, "qint32", ""},
        };
        for (Object[] row : table) {
            ElementType type = (ElementType) row[1];
            if (!row[0].equals("")) {
                STORAGES.put(row[0] + "Storage", type);
            }
            for (String name : ((String) row[2]).split(" ")) {
                TORCH.put(name, type);
            }
            NUMPY.put((String) row[3], type);
        }
        TORCH.remove("");
        NUMPY.remove("");
    }

    private final int bytes;
    private final DType dtype;

    ElementType(int bytes, DType dtype) {
        this.bytes = bytes;
        this.dtype = dtype;
    }

    /** Returns the size of one stored element in bytes. */
    int bytes() {
        return bytes;
    }

    /** Returns the type that holds the values exactly, or empty when there is none. */
    Optional<DType> dtype() {
        return Optional.ofNullable(dtype);
    }

    /** Returns the type of a storage class such as {@code FloatStorage}, or {@code null}. */
    static ElementType ofStorage(String className) {
        return STORAGES.get(className);
    }

    /** Returns the type of a name in module {@code torch} such as {@code float32}, or {@code null}. */
    static ElementType ofTorch(String name) {
        return TORCH.get(name);
    }

    /** Returns the type of a NumPy code without its byte order, such as {@code f4}, or {@code null}. */
    static ElementType ofNumpy(String code) {
        return NUMPY.get(code);
    }
}
