package org.segformer3d.data.loading;

import java.util.List;
import java.util.Optional;
import org.segformer3d.api.tensor.HostTensor;

/**
 * Some samples to train on together.
 *
 * @param input float32, (B,C,D,H,W)
 * @param target uint8 of 0 and 1, (B,K,D,H,W)
 * @param mask uint8, (B,1,D,H,W): 1 where a voxel counts, 0 where its label is to be ignored; empty when all count
 * @param caseIds where each of the B samples comes from
 * @param index number of this batch in its epoch, from 0
 */
public record Batch(HostTensor input, HostTensor target, Optional<HostTensor> mask, List<String> caseIds, int index) {
    /** Keeps a copy of the ids. */
    public Batch {
        caseIds = List.copyOf(caseIds);
    }

    /** Returns the number of samples B. */
    public int size() {
        return caseIds.size();
    }
}
