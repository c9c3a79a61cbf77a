package org.segformer3d.backend.libtorch;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.bytedeco.pytorch.MemoryFormatOptional;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorOptions;
import org.bytedeco.pytorch.global.torch;

/**
 * What a part of the network keeps from its forward pass for its backward pass; several threads may add to it.
 *
 * <p>Large results are written to places that stay from one pass to the next. Tensors of all sizes that come and go between ones that
 * stay for half a step leave the heap in pieces: the process would grow to half as much again as is ever in use.
 */
final class Kept implements AutoCloseable {
    private final List<Tensor> tensors = new ArrayList<>();
    private final List<Tensor> places = new ArrayList<>();
    private int next;

    /** Keeps a tensor alive beyond the open pointer scope, until {@link #forget}. */
    synchronized Tensor keep(Tensor tensor) {
        tensor.retainReference();
        tensors.add(tensor);
        return tensor;
    }

    /**
     * Returns a tensor of any content that is this pass's until {@link #forget}: the one the last pass had if that asked for the same
     * in the same order. To be called by one thread.
     */
    Tensor place(TensorOptions options, long... shape) {
        int index = next++;
        if (index < places.size()) {
            Tensor place = places.get(index);
            if (Arrays.equals(Functional.shape(place), shape)) {
                return place;
            }
            // other sizes from here on
            List<Tensor> old = places.subList(index, places.size());
            old.forEach(Tensor::close);
            old.clear();
        }
        Tensor place = torch.empty(shape, options, new MemoryFormatOptional());
        place.retainReference();
        places.add(place);
        return place;
    }

    /** Gives back what was kept; places stay. */
    synchronized void forget() {
        tensors.forEach(Tensor::close);
        tensors.clear();
        next = 0;
    }

    /** Gives everything back; more may be kept afterwards. */
    @Override
    public synchronized void close() {
        forget();
        places.forEach(Tensor::close);
        places.clear();
    }
}
