package org.segformer3d.backend.libtorch;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Set;
import org.bytedeco.pytorch.BoolOptional;
import org.bytedeco.pytorch.TensorVector;
import org.bytedeco.pytorch.global.torch;
import org.segformer3d.api.ops.Ops;
import org.segformer3d.api.ops.Pass;
import org.segformer3d.api.ops.Tape;
import org.segformer3d.api.tensor.Scope;
import org.segformer3d.api.tensor.Shapes;
import org.segformer3d.api.tensor.Tensor;

/** libtorch's autograd as a tape: it records by itself what is computed from tensors that want gradients. */
final class LibtorchTape implements Tape {
    private final LibtorchBackend backend;
    private final Scope scope;
    private final Recording recording;
    private final Ops ops;
    private final Set<Tensor> variables = Collections.newSetFromMap(new IdentityHashMap<>());
    private boolean played;
    private boolean closed;

    LibtorchTape(LibtorchBackend backend, Pass pass) {
        this.backend = backend;
        this.scope = backend.newScope();
        this.recording = new Recording(pass, true, null);
        this.ops = new LibtorchOps(backend, scope, recording);
    }

    @Override
    public Ops ops() {
        requireOpen();
        return ops;
    }

    @Override
    public Tensor variable(Tensor value) {
        requireOpen();
        org.bytedeco.pytorch.Tensor source = LibtorchTensor.unwrap(backend, value);
        LibtorchTensor variable = backend.compute(scope, false, () -> {
            org.bytedeco.pytorch.Tensor leaf = source.detach();
            leaf.set_requires_grad(true);
            return leaf;
        });
        variables.add(variable);
        return variable;
    }

    @Override
    public List<Tensor> gradients(Scope target, Tensor output, Tensor cotangent, List<Tensor> wanted) {
        requireOpen();
        LibtorchScope owner = LibtorchScope.of(backend, target);
        for (Tensor variable : wanted) {
            if (!variables.contains(variable)) {
                throw new IllegalArgumentException("gradients: found a tensor " + Shapes.text(variable.shape())
                        + " that is no variable of this tape");
            }
        }
        long[] shape = output.shape();
        if (cotangent == null ? Shapes.elements(shape) != 1 : !Arrays.equals(cotangent.shape(), shape)) {
            throw new IllegalArgumentException("gradients: found "
                    + (cotangent == null ? "no cotangent" : "a cotangent " + Shapes.text(cotangent.shape()))
                    + " for an output " + Shapes.text(shape) + ", expected "
                    + (cotangent == null ? "one, or an output of one element" : "equal shapes"));
        }
        org.bytedeco.pytorch.Tensor last = LibtorchTensor.unwrap(backend, output);
        org.bytedeco.pytorch.Tensor direction = cotangent == null ? null : LibtorchTensor.unwrap(backend, cotangent);
        org.bytedeco.pytorch.Tensor[] leaves = wanted.stream()
                .map(variable -> LibtorchTensor.unwrap(backend, variable))
                .toArray(org.bytedeco.pytorch.Tensor[]::new);
        played = true;
        List<Tensor> gradients = new ArrayList<>();
        backend.on(
                false,
                () -> LibtorchBackend.scoped(() -> {
                    TensorVector found = last.requires_grad() && leaves.length > 0
                            ? torch.grad(
                                    new TensorVector(last),
                                    new TensorVector(leaves),
                                    direction == null ? new TensorVector() : new TensorVector(direction),
                                    new BoolOptional(false),
                                    false,
                                    true)
                            : null;
                    for (int i = 0; i < leaves.length; i++) {
                        org.bytedeco.pytorch.Tensor own = found == null ? null : found.get(i);
                        org.bytedeco.pytorch.Tensor gradient = own != null && own.defined()
                                ? own.contiguous()
                                : torch.zeros(Functional.shape(leaves[i]), leaves[i].options());
                        gradient.retainReference();
                        gradients.add(owner.own(gradient));
                    }
                    return null;
                }));
        return gradients;
    }

    private void requireOpen() {
        if (closed) {
            throw new IllegalStateException("the tape is closed");
        }
        if (played) {
            throw new IllegalStateException("the tape was played; what comes after needs a new one");
        }
    }

    @Override
    public void close() {
        closed = true;
        scope.close();
        recording.close();
        variables.clear();
    }
}
