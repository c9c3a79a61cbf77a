package org.segformer3d.eval.inference;

import org.segformer3d.api.tensor.HostTensor;

/**
 * Takes the logits of a volume block by block: strip by strip along the second spatial axis, each slice by slice along the first one, in
 * order and without gaps. Without strips a block is a slab of whole slices.
 */
@FunctionalInterface
public interface SlabConsumer {
    /**
     * Takes one block. Not necessarily called by the thread that started the stream, but never by two at once.
     *
     * @param start index of the block's first slice along the first spatial axis
     * @param row index of its first row along the second one; 0 without strips
     * @param logits float32 (K, d, h, W); its memory is used again after the call, so it must not be kept
     */
    void accept(int start, int row, HostTensor logits);
}
