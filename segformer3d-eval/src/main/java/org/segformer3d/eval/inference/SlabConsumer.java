package org.segformer3d.eval.inference;

import org.segformer3d.api.tensor.HostTensor;

/** Takes the logits of a volume slab by slab along its first spatial axis, in order and without gaps. */
@FunctionalInterface
public interface SlabConsumer {
    /**
     * Takes one slab.
     *
     * @param start index of the slab's first slice along the first spatial axis
     * @param logits float32 (K, d, H, W), the slices start … start+d−1; the consumer may keep it
     */
    void accept(int start, HostTensor logits);
}
