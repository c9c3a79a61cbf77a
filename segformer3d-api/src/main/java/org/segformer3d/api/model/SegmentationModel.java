package org.segformer3d.api.model;

import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import org.segformer3d.api.backend.Backend;
import org.segformer3d.api.config.SegFormer3DConfig;
import org.segformer3d.api.network.Network;
import org.segformer3d.api.network.SegFormer3DNetwork;
import org.segformer3d.api.tensor.DType;
import org.segformer3d.api.tensor.HostTensor;
import org.segformer3d.api.tensor.Scope;
import org.segformer3d.api.tensor.Tensor;

/**
 * A network with its weights, ready to predict: immutable and safe for concurrent use, each thread with its own scope.
 */
public interface SegmentationModel extends AutoCloseable {
    /** Returns the configuration. */
    SegFormer3DConfig config();

    /** Returns the network. */
    default Network network() {
        return SegFormer3DNetwork.of(config());
    }

    /** Returns the backend that computes. */
    Backend backend();

    /** Returns which form of the network computes, for example {@code plain} or {@code fused}. */
    String implementation();

    /**
     * Computes logits.
     *
     * @param scope owner of the result
     * @param input (B,C,D,H,W) of any spatial size, see {@link InputGeometry}
     * @return logits (B,classes,D,H,W) at the input's own size
     * @throws IllegalArgumentException when the rank or the channel count is another
     * @throws IllegalStateException when the model, the input or the scope is closed
     */
    Tensor forward(Scope scope, Tensor input);

    /**
     * Computes the encoder's feature maps c1…c4.
     *
     * @param scope owner of the results
     * @param input (B,C,D,H,W) of any spatial size
     * @return four feature maps, finest first
     */
    List<Tensor> encode(Scope scope, Tensor input);

    /**
     * Computes logits from and to the Java process.
     *
     * @param input (B,C,D,H,W), any element type
     * @return logits (B,classes,D,H,W) in the backend's compute type
     */
    default HostTensor predict(HostTensor input) {
        try (Scope scope = backend().newScope()) {
            return forward(scope, scope.tensor(input)).toHost();
        }
    }

    /**
     * Computes logits from and to the Java process, into memory that is there already where its type and shape fit.
     *
     * <p>What the collector frees can pile up while it has no reason to look: a result of 14 classes at 128³ is 117 MB.
     *
     * @param input (B,C,D,H,W), any element type
     * @param spent an earlier result that nobody needs any more, or empty
     * @return logits (B,classes,D,H,W) in the backend's compute type, perhaps {@code spent} itself
     */
    default HostTensor predict(HostTensor input, Optional<HostTensor> spent) {
        try (Scope scope = backend().newScope()) {
            Tensor logits = forward(scope, scope.tensor(input));
            if (logits.dtype() != DType.FLOAT32
                    || spent.isEmpty()
                    || spent.get().dtype() != DType.FLOAT32
                    || !Arrays.equals(spent.get().shape(), logits.shape())) {
                return logits.toHost();
            }
            logits.copyTo(spent.get().floatBuffer());
            return spent.get();
        }
    }

    /** Returns whether the model was closed. */
    boolean isClosed();

    /** Releases the weights. Has no effect on a closed model. */
    @Override
    void close();
}
