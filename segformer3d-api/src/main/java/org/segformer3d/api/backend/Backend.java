package org.segformer3d.api.backend;

import java.util.Map;
import java.util.Optional;
import org.segformer3d.api.backend.BackendOptions.Implementation;
import org.segformer3d.api.block.Grid;
import org.segformer3d.api.config.SegFormer3DConfig;
import org.segformer3d.api.model.SegmentationModel;
import org.segformer3d.api.network.Network;
import org.segformer3d.api.network.SegFormer3DNetwork;
import org.segformer3d.api.ops.Ops;
import org.segformer3d.api.ops.Pass;
import org.segformer3d.api.tensor.DType;
import org.segformer3d.api.tensor.Device;
import org.segformer3d.api.tensor.HostTensor;
import org.segformer3d.api.tensor.Scope;
import org.segformer3d.api.tensor.Tensor;
import org.segformer3d.api.training.DataParallel;
import org.segformer3d.api.training.LossGradient;
import org.segformer3d.api.training.LossSpec;
import org.segformer3d.api.training.TrainingSession;
import org.segformer3d.api.training.TrainingSpec;
import org.segformer3d.api.weights.StateDict;

/**
 * An open backend on one device: makes tensors, blocks and models. Safe for concurrent use.
 *
 * <p>Rules, checked by the contract in segformer3d-backend-tck:
 * <ul>
 *   <li>Every block equals the reference backend's up to rounding, on cubes and boxes, odd sizes and batches.
 *   <li>Using a closed tensor, scope, model or backend throws {@link IllegalStateException}; closing twice has no effect.
 *   <li>Shapes that don't fit throw {@link IllegalArgumentException} and leave everything usable.
 *   <li>Concurrent calls of one model give the same bits as calls one after the other.
 *   <li>Memory is given back when scopes close.
 * </ul>
 */
public interface Backend extends AutoCloseable {
    /** Returns the provider's name. */
    String name();

    /** Returns the options it was opened with, {@code threads} being the resolved number. */
    BackendOptions options();

    /** Returns the device it computes on. */
    default Device device() {
        return options().device();
    }

    /** Returns the floating-point type it computes in. */
    default DType computeType() {
        return options().isReducedPrecision() ? DType.FLOAT32 : options().computeType();
    }

    /** Returns names and versions of the libraries it computes with, for provenance. */
    Map<String, String> versions();

    /** Returns a new scope. */
    Scope newScope();

    /**
     * Returns the operations of a pass, without a record of gradients.
     *
     * @param scope owner of results
     * @param pass never {@code null}
     * @throws UnsupportedOperationException when the backend has no operations
     */
    default Ops ops(Scope scope, Pass pass) {
        throw new UnsupportedOperationException("backend '" + name() + "' has no operations");
    }

    /**
     * Returns the tensor at another spatial size: zero-padded or cropped at the far end of each axis.
     *
     * @param scope owner of the result
     * @param x (B,C,D,H,W)
     * @param size new spatial size
     * @return (B,C,size), sharing no state that closing x would break
     */
    Tensor resizeCanvas(Scope scope, Tensor x, Grid size);

    /**
     * Makes a model of a network: its operations one after the other, or a faster form of the same function where the backend has one and
     * the options allow it.
     *
     * @param network never {@code null}
     * @param weights under the network's names, never {@code null}
     * @throws org.segformer3d.api.weights.StateDictMismatchException when the weights don't fit
     */
    default SegmentationModel load(Network network, StateDict weights) {
        return options().implementation() == Implementation.FOLDED && network instanceof SegFormer3DNetwork segformer
                ? NetworkModel.folded(this, segformer, weights)
                : NetworkModel.load(this, network, weights);
    }

    /** Makes a model of SegFormer3D; see {@link #load(Network, StateDict)}. */
    default SegmentationModel load(SegFormer3DConfig config, StateDict weights) {
        return load(SegFormer3DNetwork.of(config), weights);
    }

    /** Returns whether {@link #train} works. */
    default boolean supportsTraining() {
        return false;
    }

    /**
     * Starts training.
     *
     * @param spec network, initial weights, loss, optimizer
     * @throws UnsupportedOperationException when {@link #supportsTraining()} is false
     */
    default TrainingSession train(TrainingSpec spec) {
        throw new UnsupportedOperationException(
                "backend '" + name() + "' can't train; choose one that can, such as libtorch");
    }

    /**
     * Starts training on several processes, of which this is one.
     *
     * @param spec network, initial weights, loss, optimizer
     * @param parallel the processes
     * @throws UnsupportedOperationException when the backend can't
     * @throws BackendException when the processes can't be connected here
     */
    default TrainingSession train(TrainingSpec spec, DataParallel parallel) {
        if (parallel.group().size() == 1) {
            return train(spec);
        }
        throw new UnsupportedOperationException("backend '" + name() + "' can't train on several processes");
    }

    /**
     * Returns a loss and its gradient with respect to the logits, for checking.
     *
     * @param loss which loss
     * @param logits (B,K,D,H,W)
     * @param target channels (B,K,D,H,W)
     * @param mask (B,1,D,H,W), 1 where a voxel counts and 0 where it is left out; empty when all count
     * @throws UnsupportedOperationException when {@link #supportsTraining()} is false
     */
    default LossGradient loss(LossSpec loss, HostTensor logits, HostTensor target, Optional<HostTensor> mask) {
        throw new UnsupportedOperationException("backend '" + name() + "' computes no losses");
    }

    /** Returns a loss for which every voxel counts, and its gradient; see {@link #loss(LossSpec, HostTensor, HostTensor, Optional)}. */
    default LossGradient loss(LossSpec loss, HostTensor logits, HostTensor target) {
        return loss(loss, logits, target, Optional.empty());
    }

    /** Returns whether the backend was closed. */
    boolean isClosed();

    /** Releases the backend; its models and scopes must be closed before. Has no effect on a closed backend. */
    @Override
    void close();
}
