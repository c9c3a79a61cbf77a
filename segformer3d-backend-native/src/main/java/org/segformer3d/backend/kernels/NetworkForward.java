package org.segformer3d.backend.kernels;

import java.util.ArrayDeque;
import java.util.Deque;
import java.util.List;
import org.segformer3d.api.block.Grid;
import org.segformer3d.api.config.SegFormer3DConfig;
import org.segformer3d.api.model.InputGeometry;
import org.segformer3d.api.weights.StateDict;

/**
 * A folded network and the memory its forwards work in: one workspace for each call that runs at the same time, kept for the next.
 *
 * <p>Works on addresses of float32 values in C order; who calls keeps the memory behind them alive. Safe for concurrent use; equal calls give
 * equal bits, whatever else runs and however many threads there are.
 */
final class NetworkForward implements AutoCloseable {
    private final SegFormer3DConfig config;
    private final Pool pool;
    private final PackedNetwork network;
    private final Deque<Memory> workspaces = new ArrayDeque<>();
    private boolean closed;

    /**
     * Folds the weights.
     *
     * @param weights that fit the configuration
     */
    NetworkForward(SegFormer3DConfig config, StateDict weights, Pool pool) {
        this.config = config;
        this.pool = pool;
        this.network = PackedNetwork.of(config, weights);
    }

    /**
     * Computes logits.
     *
     * @param batch number of samples
     * @param geometry of the input
     * @param input (batch,in,D,H,W)
     * @param logits (batch,classes,D,H,W), written
     */
    void logits(long batch, InputGeometry geometry, long input, long logits) {
        run(batch, geometry, input, logits, 0);
    }

    /**
     * Computes the four feature maps.
     *
     * @param maps addresses of (batch,width,D,H,W) of each stage, written
     */
    void features(long batch, InputGeometry geometry, long input, List<Long> maps) {
        try (Memory addresses = new Memory(64)) {
            for (int stage = 0; stage < maps.size(); stage++) {
                addresses.asBytes().putLong(8 * stage, maps.get(stage));
            }
            run(batch, geometry, input, 0, addresses.address());
        }
    }

    private void run(long batch, InputGeometry geometry, long input, long logits, long maps) {
        Grid size = geometry.input();
        Grid padded = geometry.padded();
        pool.call((address, slot) -> {
            Memory workspace = workspace(Kernels.forwardBytes(
                    network.address(),
                    size.depth(),
                    size.height(),
                    size.width(),
                    padded.depth(),
                    padded.height(),
                    padded.width(),
                    pool.threads()));
            try {
                Kernels.forward(
                        network.address(),
                        address,
                        slot,
                        workspace.address(),
                        batch,
                        size.depth(),
                        size.height(),
                        size.width(),
                        padded.depth(),
                        padded.height(),
                        padded.width(),
                        input,
                        logits,
                        maps);
            } finally {
                giveBack(workspace);
            }
        });
    }

    /** Takes a workspace of a call that is over; where it is too small, a larger one takes its place. */
    private Memory workspace(long bytes) {
        Memory kept;
        synchronized (workspaces) {
            kept = workspaces.poll();
        }
        if (kept != null && kept.bytes() >= bytes) {
            return kept;
        }
        if (kept != null) {
            kept.close();
        }
        return new Memory(bytes);
    }

    private void giveBack(Memory workspace) {
        synchronized (workspaces) {
            if (!closed) {
                workspaces.push(workspace);
                return;
            }
        }
        workspace.close();
    }

    /** Gives all memory back; no call may be running. Has no effect when it was closed. */
    @Override
    public void close() {
        synchronized (workspaces) {
            if (closed) {
                return;
            }
            closed = true;
            workspaces.forEach(Memory::close);
            workspaces.clear();
        }
        network.close();
    }
}
