package org.segformer3d.backend.libtorch;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.FloatBuffer;
import java.util.Objects;
import org.bytedeco.javacpp.BytePointer;
import org.bytedeco.javacpp.FloatPointer;
import org.bytedeco.pytorch.global.torch;
import org.segformer3d.api.tensor.DType;
import org.segformer3d.api.tensor.Device;
import org.segformer3d.api.tensor.HostTensor;
import org.segformer3d.api.tensor.Scope;
import org.segformer3d.api.tensor.Shapes;
import org.segformer3d.api.tensor.Tensor;

/** A handle on one libtorch tensor; closing it gives up one reference, views of the same memory stay valid. */
final class LibtorchTensor implements Tensor {
    private static final int COPY_ELEMENTS = 1 << 28;

    private final LibtorchBackend backend;
    private final org.bytedeco.pytorch.Tensor value;
    private final long[] shape;
    private final DType dtype;
    private LibtorchScope owner;
    private volatile boolean closed;

    LibtorchTensor(LibtorchBackend backend, org.bytedeco.pytorch.Tensor value, LibtorchScope owner) {
        this.backend = backend;
        this.value = value;
        this.owner = owner;
        this.shape = Functional.shape(value);
        this.dtype = DTypes.of(value.scalar_type());
    }

    /**
     * Returns the native tensor behind an open tensor of that backend.
     *
     * @throws IllegalStateException when it is closed
     * @throws IllegalArgumentException when it belongs to another backend
     */
    static org.bytedeco.pytorch.Tensor unwrap(LibtorchBackend backend, Tensor tensor) {
        Objects.requireNonNull(tensor, "tensor");
        if (!(tensor instanceof LibtorchTensor own) || own.backend != backend) {
            throw new IllegalArgumentException("the tensor belongs to another backend");
        }
        own.requireOpen();
        return own.value;
    }

    @Override
    public long[] shape() {
        requireOpen();
        return shape.clone();
    }

    @Override
    public DType dtype() {
        requireOpen();
        return dtype;
    }

    @Override
    public Device device() {
        requireOpen();
        return backend.device();
    }

    @Override
    public HostTensor toHost() {
        requireOpen();
        return backend.on(false, () -> backend.copyOut(value));
    }

    @Override
    public void copyTo(FloatBuffer target) {
        requireOpen();
        long elements = Shapes.elements(shape);
        if (target.remaining() < elements) {
            throw new IllegalArgumentException("the tensor " + Shapes.text(shape) + " has " + elements
                    + " elements, the buffer has room for " + target.remaining());
        }
        backend.on(
                false,
                () -> LibtorchBackend.scoped(() -> {
                    org.bytedeco.pytorch.Tensor host = backend.toCpu(
                                    value.detach().to(torch.ScalarType.Float))
                            .contiguous();
                    FloatPointer data = new FloatPointer(host.data_ptr());
                    for (long done = 0; done < elements; done += COPY_ELEMENTS) {
                        long part = Math.min(COPY_ELEMENTS, elements - done);
                        ByteBuffer bytes = new BytePointer(data.getPointer(done))
                                .capacity(part * Float.BYTES)
                                .asByteBuffer();
                        target.put(bytes.order(ByteOrder.nativeOrder()).asFloatBuffer());
                    }
                    return null;
                }));
    }

    @Override
    public Tensor moveTo(Scope scope) {
        requireOpen();
        LibtorchScope next = LibtorchScope.of(backend, scope);
        if (next != owner) {
            next.adopt(this);
            owner.forget(this);
            owner = next;
        }
        return this;
    }

    @Override
    public boolean isClosed() {
        return closed;
    }

    @Override
    public void close() {
        if (closed) {
            return;
        }
        closed = true;
        owner.forget(this);
        value.close();
    }

    private void requireOpen() {
        if (closed) {
            throw new IllegalStateException("the tensor is closed");
        }
        backend.requireOpen();
    }

    @Override
    public String toString() {
        return dtype + " " + Shapes.text(shape) + " on " + backend.device() + (closed ? ", closed" : "");
    }
}
