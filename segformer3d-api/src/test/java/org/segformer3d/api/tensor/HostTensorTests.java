package org.segformer3d.api.tensor;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;

class HostTensorTests {
    @Test
    void wrapsLittleEndianBytesWhateverTheBuffersOrder() {
        ByteBuffer bytes = ByteBuffer.allocate(8)
                .order(ByteOrder.LITTLE_ENDIAN)
                .putFloat(1.5f)
                .putFloat(-2)
                .flip();
        HostTensor tensor = HostTensor.wrap(DType.FLOAT32, bytes.order(ByteOrder.BIG_ENDIAN), 2);
        assertThat(tensor.toFloats()).containsExactly(1.5f, -2);
    }

    @Test
    void refusesABufferThatDoesNotFit() {
        assertThatThrownBy(() -> HostTensor.wrap(DType.FLOAT32, ByteBuffer.allocate(7), 2))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("needs 8 bytes, found 7");
    }

    @Test
    void refusesShapesThatOverflow() {
        assertThatThrownBy(() -> HostTensor.zeros(DType.UINT8, Long.MAX_VALUE, 3))
                .isInstanceOf(IllegalArgumentException.class);
        assertThatThrownBy(() -> HostTensor.zeros(DType.FLOAT32, 1 << 20, 1 << 20))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("2 GiB");
        assertThatThrownBy(() -> Shapes.elements(3, -1)).isInstanceOf(IllegalArgumentException.class);
    }

    @ParameterizedTest
    @CsvSource({
        "15360, 1",
        "50176, -4",
        "16384, 2",
        "48128, -1",
        "1, 5.9604645e-8",
        "31743, 65504",
        "31744, Infinity",
        "64512, -Infinity",
        "13653, 0.333251953125"
    })
    void readsHalfPrecision(int bits, String expected) {
        HostTensor tensor = HostTensor.zeros(DType.FLOAT16, 1);
        tensor.bytes().putShort((short) bits);
        assertThat((float) tensor.get(0)).isEqualTo(Float.parseFloat(expected));
    }

    @Test
    void readsBfloat16AndUnsignedBytes() {
        HostTensor brain = HostTensor.zeros(DType.BFLOAT16, 1);
        brain.bytes().putShort((short) 0x3fc0);
        assertThat(brain.get(0)).isEqualTo(1.5);
        assertThat(HostTensor.of(new byte[] {(byte) 200}, 1).get(0)).isEqualTo(200);
    }

    @ParameterizedTest
    @EnumSource
    void zerosAreZeroInEveryType(DType dtype) {
        HostTensor tensor = HostTensor.zeros(dtype, 2, 3);
        assertThat(tensor.toDoubles()).containsOnly(0).hasSize(6);
        assertThat(tensor.bytes().remaining()).isEqualTo(6 * dtype.bytes());
        assertThat(tensor).isEqualTo(tensor.copy());
    }

    @Test
    void reshapingSharesTheData() {
        HostTensor tensor = HostTensor.of(new float[] {1, 2, 3, 4}, 4);
        tensor.reshape(2, 2).floatBuffer().put(3, 9);
        assertThat(tensor.get(3)).isEqualTo(9);
        assertThatThrownBy(() -> tensor.reshape(3)).isInstanceOf(IllegalArgumentException.class);
    }

    @Test
    void devicesParse() {
        assertThat(Device.parse("CPU")).isEqualTo(Device.CPU);
        assertThat(Device.parse("cuda:3"))
                .isEqualTo(new Device(Device.Type.CUDA, 3))
                .hasToString("cuda:3");
        assertThatThrownBy(() -> Device.parse("gpu")).hasMessageContaining("expected cpu, cuda or cuda:N");
    }
}
