package org.segformer3d.data.loading;

import java.util.List;
import org.segformer3d.api.tensor.HostTensor;

/**
 * Some samples to train on together.
 *
 * @param input float32, (B,C,D,H,W)
 * @param target uint8 of 0 and 1, (B,K,D,H,W)
 * @param caseIds where each of the B samples comes from
 * @param index number of this batch in its epoch, from 0
 */
public record Batch(HostTensor input, HostTensor target, List<String> caseIds, int index) {
    /** Keeps a copy of the ids. */
    public Batch {
        caseIds = List.copyOf(caseIds);
    }

    /** Returns the number of samples B. */
    public int size() {
        return caseIds.size();
    }
}
