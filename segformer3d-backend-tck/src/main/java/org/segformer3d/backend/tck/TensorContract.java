package org.segformer3d.backend.tck;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.FloatBuffer;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.segformer3d.api.backend.Backend;
import org.segformer3d.api.block.Grid;
import org.segformer3d.api.tensor.DType;
import org.segformer3d.api.tensor.HostTensor;
import org.segformer3d.api.tensor.Scope;
import org.segformer3d.api.tensor.Tensor;

abstract class TensorContract extends Contract {
    TensorContract(BackendContract subject) {
        super(subject);
    }

    @ParameterizedTest
    @EnumSource(DType.class)
    void bringsBackTheValuesOfEveryElementType(DType type) {
        HostTensor host = new Samples(3).typed(type, 2, 3, 4);
        try (Scope scope = backend().newScope()) {
            Tensor tensor = scope.tensor(host);
            assertThat(tensor.shape()).containsExactly(2, 3, 4);
            assertThat(tensor.device()).isEqualTo(backend().device());
            if (type.isFloating()) {
                assertThat(tensor.dtype()).isEqualTo(backend().computeType());
            } else {
                assertThat(tensor.dtype()).isIn(type, backend().computeType());
            }
            HostTensor back = tensor.toHost();
            assertThat(back.dtype()).isEqualTo(tensor.dtype());
            assertThat(back.shape()).containsExactly(2, 3, 4);
            assertThat(back.toDoubles()).isEqualTo(host.toDoubles());
        }
    }

    @Test
    void roundsFloat64ToItsComputeType() {
        HostTensor host = HostTensor.of(new double[] {Math.PI, -1e-3, 1 / 3.0}, 3);
        try (Scope scope = backend().newScope()) {
            HostTensor back = scope.tensor(host).toHost();
            if (backend().computeType() == DType.FLOAT64) {
                assertThat(back).isEqualTo(host);
            } else {
                assertThat(back).isEqualTo(host.toFloat32());
            }
        }
    }

    @Test
    void takesScalarsAndPartsOfHeapBuffers() {
        ByteBuffer heap = ByteBuffer.allocate(20).order(ByteOrder.LITTLE_ENDIAN);
        heap.putFloat(4, 1.5f).putFloat(8, -2.5f);
        HostTensor part = HostTensor.wrap(DType.FLOAT32, heap.slice(4, 8), 2);
        try (Scope scope = backend().newScope()) {
            assertThat(scope.tensor(part).toHost().toDoubles()).containsExactly(1.5, -2.5);
            Tensor scalar = scope.tensor(HostTensor.of(new float[] {7}));
            assertThat(scalar.shape()).isEmpty();
            assertThat(scalar.toHost().toDoubles()).containsExactly(7);
        }
    }

    @Test
    void copiesInsteadOfSharing() {
        HostTensor host = HostTensor.of(new float[] {1, 2}, 2);
        try (Scope scope = backend().newScope()) {
            Tensor tensor = scope.tensor(host);
            host.floatBuffer().put(0, 9);
            HostTensor first = tensor.toHost();
            assertThat(first.toDoubles()).containsExactly(1, 2);
            first.bytes().put(0, (byte) 1).put(3, (byte) 1);
            assertThat(tensor.toHost().toDoubles()).containsExactly(1, 2);
            tensor.shape()[0] = 5;
            assertThat(tensor.shape()).containsExactly(2);
        }
    }

    @Test
    void copiesToABufferFromItsPositionOn() {
        FloatBuffer buffer = FloatBuffer.allocate(5);
        buffer.position(1);
        FloatBuffer direct =
                ByteBuffer.allocateDirect(20).order(ByteOrder.nativeOrder()).asFloatBuffer();
        direct.position(2);
        try (Scope scope = backend().newScope()) {
            Tensor tensor = scope.tensor(HostTensor.of(new double[] {1, 2, 3}, 3));
            tensor.copyTo(buffer);
            tensor.copyTo(direct);
        }
        assertThat(buffer.array()).containsExactly(0, 1, 2, 3, 0);
        assertThat(buffer.position()).isEqualTo(4);
        assertThat(direct.position()).isEqualTo(5);
        assertThat(direct.get(2)).isEqualTo(1);
        assertThat(direct.get(4)).isEqualTo(3);
    }

    @Test
    void refusesABufferThatIsTooShortAndLeavesItAlone() {
        FloatBuffer buffer = FloatBuffer.allocate(4);
        buffer.limit(2);
        try (Scope scope = backend().newScope()) {
            Tensor tensor = scope.tensor(HostTensor.of(new float[] {1, 2, 3}, 3));
            assertThatThrownBy(() -> tensor.copyTo(buffer)).isInstanceOf(IllegalArgumentException.class);
            assertThat(buffer.position()).isZero();
            assertThat(buffer.array()).containsOnly(0);
            assertThat(tensor.toHost().toDoubles()).containsExactly(1, 2, 3);
        }
    }

    @Test
    void refusesUseOfAClosedTensor() {
        try (Scope scope = backend().newScope();
                Scope other = backend().newScope()) {
            Tensor tensor = scope.tensor(HostTensor.of(new float[] {1}, 1));
            assertThat(tensor.isClosed()).isFalse();
            tensor.close();
            tensor.close();
            assertThat(tensor.isClosed()).isTrue();
            assertUnusable(tensor, other);
        }
    }

    @Test
    void closesATensorWithItsScope() {
        Scope scope = backend().newScope();
        Tensor tensor = scope.tensor(HostTensor.of(new float[] {1}, 1));
        assertThat(scope.isClosed()).isFalse();
        scope.close();
        scope.close();
        assertThat(scope.isClosed()).isTrue();
        assertThat(tensor.isClosed()).isTrue();
        tensor.close();
        try (Scope other = backend().newScope()) {
            assertUnusable(tensor, other);
        }
        assertThatThrownBy(() -> scope.tensor(HostTensor.of(new float[] {1}, 1)))
                .isInstanceOf(IllegalStateException.class);
    }

    private static void assertUnusable(Tensor tensor, Scope openScope) {
        assertThatThrownBy(tensor::shape).isInstanceOf(IllegalStateException.class);
        assertThatThrownBy(tensor::dtype).isInstanceOf(IllegalStateException.class);
        assertThatThrownBy(tensor::device).isInstanceOf(IllegalStateException.class);
        assertThatThrownBy(tensor::toHost).isInstanceOf(IllegalStateException.class);
        assertThatThrownBy(() -> tensor.copyTo(FloatBuffer.allocate(1))).isInstanceOf(IllegalStateException.class);
        assertThatThrownBy(() -> tensor.moveTo(openScope)).isInstanceOf(IllegalStateException.class);
    }

    @Test
    void keepsAMovedTensorAliveAfterItsFirstScope() {
        Scope outer = backend().newScope();
        Tensor tensor;
        try (Scope inner = backend().newScope()) {
            tensor = inner.tensor(HostTensor.of(new float[] {1, 2}, 2));
            assertThat(tensor.moveTo(outer)).isSameAs(tensor);
            assertThat(tensor.moveTo(outer)).isSameAs(tensor);
        }
        assertThat(tensor.isClosed()).isFalse();
        assertThat(tensor.toHost().toDoubles()).containsExactly(1, 2);
        outer.close();
        assertThat(tensor.isClosed()).isTrue();
    }

    @Test
    void refusesToMoveToAClosedScopeOrAnotherBackend() {
        try (Backend second = subject().provider().open(subject().options());
                Scope scope = backend().newScope();
                Scope foreign = second.newScope();
                Scope reference = oracle().newScope()) {
            Tensor tensor = scope.tensor(HostTensor.of(new float[] {1}, 1));
            Scope closed = backend().newScope();
            closed.close();
            assertThatThrownBy(() -> tensor.moveTo(closed)).isInstanceOf(IllegalStateException.class);
            assertThatThrownBy(() -> tensor.moveTo(foreign)).isInstanceOf(IllegalArgumentException.class);
            assertThatThrownBy(() -> tensor.moveTo(reference)).isInstanceOf(IllegalArgumentException.class);
            assertThat(tensor.toHost().toDoubles()).containsExactly(1);
        }
    }

    @Test
    void resizesTheCanvasAtTheFarEnd() {
        HostTensor host = new Samples(4).normal(2, 3, 4, 5, 6);
        for (Grid size : new Grid[] {new Grid(4, 5, 6), new Grid(7, 8, 9), new Grid(2, 1, 3), new Grid(6, 3, 6)}) {
            try (Scope scope = backend().newScope()) {
                Tensor x = scope.tensor(host);
                Tensor resized = backend().resizeCanvas(scope, x, size);
                x.close();
                HostTensor actual = resized.toHost();
                assertThat(actual.shape()).containsExactly(2, 3, size.depth(), size.height(), size.width());
                assertThat(actual.toDoubles()).isEqualTo(canvas(host, size));
            }
        }
    }

    private static double[] canvas(HostTensor host, Grid size) {
        Grid from = Grid.of(host.shape());
        int maps = (int) (host.size(0) * host.size(1));
        double[] expected = new double[maps * size.tokens()];
        for (int i = 0; i < expected.length; i++) {
            int w = i % size.width();
            int h = i / size.width() % size.height();
            int d = i / size.width() / size.height() % size.depth();
            int map = i / size.tokens();
            if (w < from.width() && h < from.height() && d < from.depth()) {
                expected[i] = host.get(((map * from.depth() + d) * from.height() + h) * from.width() + w);
            }
        }
        return expected;
    }
}
