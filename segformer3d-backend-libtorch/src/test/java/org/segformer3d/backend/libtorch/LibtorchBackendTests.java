package org.segformer3d.backend.libtorch;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;

import java.nio.FloatBuffer;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Test;
import org.segformer3d.api.backend.Backend;
import org.segformer3d.api.backend.BackendOptions;
import org.segformer3d.api.backend.Backends;
import org.segformer3d.api.block.Grid;
import org.segformer3d.api.tensor.DType;
import org.segformer3d.api.tensor.HostTensor;
import org.segformer3d.api.tensor.Scope;
import org.segformer3d.api.tensor.Tensor;

class LibtorchBackendTests {
    private Backend backend;

    @BeforeEach
    void open() {
        backend = Backends.provider("libtorch").open(BackendOptions.defaults());
    }

    @AfterEach
    void close() {
        backend.close();
    }

    @Nested
    class Tensors {
        @Test
        void keepIntegersAndConvertFloatingTypes() {
            try (Scope scope = backend.newScope()) {
                HostTensor longs = HostTensor.of(new long[] {1, -2, 3}, 3);
                HostTensor doubles = HostTensor.of(new double[] {0.5, -2}, 2);
                assertThat(scope.tensor(longs).toHost()).isEqualTo(longs);
                assertThat(scope.tensor(doubles).dtype()).isEqualTo(DType.FLOAT32);
                assertThat(scope.tensor(doubles).toHost().toDoubles()).containsExactly(0.5, -2);
            }
        }

        @Test
        void holdScalarsAndNothing() {
            try (Scope scope = backend.newScope()) {
                HostTensor scalar = HostTensor.of(new float[] {7});
                HostTensor empty = HostTensor.zeros(DType.FLOAT32, 0, 3);
                assertThat(scope.tensor(scalar).toHost()).isEqualTo(scalar);
                assertThat(scope.tensor(empty).toHost()).isEqualTo(empty);
            }
        }

        @Test
        void copyToABufferFromItsPosition() {
            try (Scope scope = backend.newScope()) {
                Tensor tensor = scope.tensor(HostTensor.of(new long[] {4, 5}, 2));
                FloatBuffer target = FloatBuffer.allocate(4).position(1);
                tensor.copyTo(target);
                assertThat(target.position()).isEqualTo(3);
                assertThat(target.array()).containsExactly(0, 4, 5, 0);
                assertThatIllegalArgumentException().isThrownBy(() -> tensor.copyTo(target));
            }
        }

        @Test
        void outliveTheirScopeOnlyWhenMoved() {
            try (Scope outer = backend.newScope()) {
                Tensor moved;
                Tensor left;
                try (Scope inner = backend.newScope()) {
                    moved = inner.tensor(HostTensor.of(new float[] {1}, 1)).moveTo(outer);
                    left = inner.tensor(HostTensor.of(new float[] {1}, 1));
                }
                assertThat(moved.toHost().get(0)).isEqualTo(1);
                assertThat(left.isClosed()).isTrue();
                assertThatIllegalStateException().isThrownBy(left::shape);
            }
        }

        @Test
        void belongToOneBackend() {
            try (Backend other = Backends.provider("libtorch").open(BackendOptions.defaults());
                    Scope here = backend.newScope();
                    Scope there = other.newScope()) {
                Tensor tensor = here.tensor(HostTensor.of(new float[] {1}, 1));
                assertThatIllegalArgumentException().isThrownBy(() -> tensor.moveTo(there));
            }
        }
    }

    @Nested
    class Canvas {
        @Test
        void padsAndCropsAtTheFarEnd() {
            try (Scope scope = backend.newScope()) {
                Tensor x = scope.tensor(HostTensor.of(new float[] {1, 2, 3, 4, 5, 6}, 1, 1, 1, 2, 3));
                Tensor y = backend.resizeCanvas(scope, x, new Grid(2, 1, 4));
                assertThat(y.toHost().toDoubles()).containsExactly(1, 2, 3, 0, 0, 0, 0, 0);
                x.close();
                assertThat(y.toHost().get(1)).isEqualTo(2);
            }
        }

        @Test
        void ofTheSameSizeIsATensorOfItsOwn() {
            try (Scope scope = backend.newScope()) {
                Tensor x = scope.tensor(HostTensor.of(new float[] {1, 2}, 1, 1, 1, 1, 2));
                Tensor y = backend.resizeCanvas(scope, x, new Grid(1, 1, 2));
                x.close();
                assertThat(y.toHost().toDoubles()).containsExactly(1, 2);
            }
        }
    }

    @Test
    void aClosedBackendRefusesWork() {
        backend.close();
        backend.close();
        assertThat(backend.isClosed()).isTrue();
        assertThatIllegalStateException().isThrownBy(backend::newScope);
    }

    @Test
    void namesItsLibraries() {
        assertThat(backend.versions())
                .containsEntry("libtorch", "2.10.0-1.5.13")
                .containsKeys("openblas", "cpu");
        assertThat(backend.options().threads()).isEqualTo(Runtime.getRuntime().availableProcessors());
    }
}
