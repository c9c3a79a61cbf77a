package org.segformer3d.eval.inference;

import java.util.Optional;
import org.segformer3d.api.model.SegmentationModel;
import org.segformer3d.api.tensor.HostTensor;

/** A function from batches of windows to logits, for example {@code model::predict}. */
@FunctionalInterface
public interface Predictor {
    /**
     * Computes logits.
     *
     * @param batch float32 (B, C, D, H, W); its memory is used again after the call, so it must not be kept
     * @return floating-point logits (B, K, D, H, W) of the same batch and spatial size
     */
    HostTensor predict(HostTensor batch);

    /**
     * Computes logits and may put them where older ones are that nobody needs any more.
     *
     * @param batch as for {@link #predict(HostTensor)}
     * @param spent a result of an earlier call, or empty
     * @return as of {@link #predict(HostTensor)}
     */
    default HostTensor predict(HostTensor batch, Optional<HostTensor> spent) {
        return predict(batch);
    }

    /** Returns a predictor by a model that uses the memory of spent results again. */
    static Predictor of(SegmentationModel model) {
        return new Predictor() {
            @Override
            public HostTensor predict(HostTensor batch) {
                return model.predict(batch);
            }

            @Override
            public HostTensor predict(HostTensor batch, Optional<HostTensor> spent) {
                return model.predict(batch, spent);
            }
        };
    }
}
