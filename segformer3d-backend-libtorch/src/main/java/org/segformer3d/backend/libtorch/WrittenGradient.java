package org.segformer3d.backend.libtorch;

import java.util.List;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorBase;
import org.bytedeco.pytorch.TensorTensorHook;

/**
 * An operation that autograd records with a gradient written out here, where libtorch's own is wrong or slow.
 *
 * <p>Functions of one's own can't be made from Java, hooks can. So the result gets a summand that is 0, a sum over no elements of each
 * input, which is all that autograd sees of how they are connected. The result's hook computes the inputs' gradients; each input's hook
 * puts its own in place of the zeros that come back to it.
 */
final class WrittenGradient {
    private WrittenGradient() {}

    /** Computes gradients. */
    interface Backward {
        /** Returns gradients at the inputs, in their order, for the one at the result; autograd is off. */
        List<Tensor> of(Tensor gradient);
    }

    /**
     * Connects a result with its inputs.
     *
     * @param recording keeps what autograd calls
     * @param result computed without a record and not yet used elsewhere; overwritten
     * @param inputs of at least one axis each, of which one at least wants its gradient
     * @param saved what the backward pass needs, given back after it
     * @return the result
     */
    static Tensor record(
            Recording recording, Tensor result, List<Tensor> inputs, List<Tensor> saved, Backward backward) {
        Found found = recording.keep(new Found(backward, saved));
        saved.forEach(Tensor::retainReference);
        Tensor link = null;
        for (int i = 0; i < inputs.size(); i++) {
            Tensor input = inputs.get(i);
            if (!input.requires_grad()) {
                continue;
            }
            // a name of its own: whatever else is computed from the input has nothing to do with the hook
            Tensor own = input.view_as(input);
            own.register_hook(recording.keep(new Put(recording, found, i)));
            Tensor nothing = own.narrow(0, 0, 0).sum();
            link = link == null ? nothing : link.add(nothing);
        }
        Tensor y = result.add_(link);
        y.register_hook(found);
        return y;
    }

    /** Sees the gradient at the result. */
    private static final class Found extends TensorTensorHook {
        private final Backward backward;
        private final List<Tensor> saved;
        private List<Tensor> gradients;

        Found(Backward backward, List<Tensor> saved) {
            this.backward = backward;
            this.saved = saved;
        }

        @Override
        public TensorBase call(TensorBase gradient) {
            gradients = LibtorchBackend.scoped(() -> {
                List<Tensor> made = backward.of(new Tensor(gradient));
                made.forEach(Tensor::retainReference);
                return made;
            });
            release();
            return gradient;
        }

        private void release() {
            saved.forEach(Tensor::close);
        }

        /** Also where no backward pass came. */
        @Override
        public void close() {
            release();
            super.close();
        }
    }

    /** Gives an input its gradient. */
    private static final class Put extends TensorTensorHook {
        private final Recording recording;
        private final Found found;
        private final int index;

        Put(Recording recording, Found found, int index) {
            this.recording = recording;
            this.found = found;
            this.index = index;
        }

        @Override
        public TensorBase call(TensorBase zeros) {
            Tensor gradient = found.gradients.get(index);
            // autograd has taken hold of it by the time the next one is returned
            recording.returned(gradient);
            return gradient;
        }
    }
}
