package org.segformer3d.backend.libtorch;

import java.util.ArrayList;
import java.util.Collections;
import java.util.IdentityHashMap;
import java.util.Objects;
import java.util.Set;
import org.segformer3d.api.tensor.HostTensor;
import org.segformer3d.api.tensor.Scope;
import org.segformer3d.api.tensor.Tensor;

/** Owner of libtorch tensors. */
final class LibtorchScope implements Scope {
    private final LibtorchBackend backend;
    private final Set<LibtorchTensor> tensors = Collections.newSetFromMap(new IdentityHashMap<>());
    private volatile boolean closed;

    LibtorchScope(LibtorchBackend backend) {
        this.backend = backend;
    }

    /**
     * Returns an open scope of that backend.
     *
     * @throws IllegalStateException when it is closed
     * @throws IllegalArgumentException when it belongs to another backend
     */
    static LibtorchScope of(LibtorchBackend backend, Scope scope) {
        Objects.requireNonNull(scope, "scope");
        if (!(scope instanceof LibtorchScope own) || own.backend != backend) {
            throw new IllegalArgumentException("the scope belongs to another backend");
        }
        own.requireOpen();
        return own;
    }

    @Override
    public Tensor tensor(HostTensor host) {
        Objects.requireNonNull(host, "host");
        requireOpen();
        return backend.compute(this, false, () -> backend.copyIn(host));
    }

    /** Takes a native tensor, whose reference now belongs to the returned handle. */
    LibtorchTensor own(org.bytedeco.pytorch.Tensor value) {
        LibtorchTensor tensor = new LibtorchTensor(backend, value, this);
        tensors.add(tensor);
        return tensor;
    }

    void adopt(LibtorchTensor tensor) {
        requireOpen();
        tensors.add(tensor);
    }

    void forget(LibtorchTensor tensor) {
        tensors.remove(tensor);
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
        for (LibtorchTensor tensor : new ArrayList<>(tensors)) {
            tensor.close();
        }
        tensors.clear();
    }

    private void requireOpen() {
        if (closed) {
            throw new IllegalStateException("the scope is closed");
        }
        backend.requireOpen();
    }
}
