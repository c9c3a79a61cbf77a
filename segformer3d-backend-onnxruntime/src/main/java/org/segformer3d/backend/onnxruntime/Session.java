package org.segformer3d.backend.onnxruntime;

import ai.onnxruntime.OnnxTensor;
import ai.onnxruntime.OrtException;
import ai.onnxruntime.OrtSession;
import java.nio.FloatBuffer;
import java.nio.LongBuffer;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.segformer3d.api.backend.BackendException;
import org.segformer3d.api.block.Grid;
import org.segformer3d.api.export.NetworkExporter;
import org.segformer3d.api.tensor.DType;
import org.segformer3d.api.tensor.HostTensor;
import org.segformer3d.onnx.OnnxBlock;

/** A loaded graph. Safe for concurrent use. */
final class Session implements AutoCloseable {
    private final OnnxRuntimeBackend backend;
    private final OrtSession session;

    /** Loads a graph. */
    Session(OnnxRuntimeBackend backend, byte[] model) {
        this.backend = backend;
        try (OrtSession.SessionOptions options = new OrtSession.SessionOptions()) {
            options.setIntraOpNumThreads(backend.options().threads());
            options.setInterOpNumThreads(1);
            // Threads that spin while they wait slow everything else down.
            options.addConfigEntry("session.intra_op.allow_spinning", "0");
            // An arena keeps the most that any shape ever took, for every shape there was.
            options.setCPUArenaAllocator(false);
            options.setMemoryPatternOptimization(false);
            this.session = backend.environment().createSession(model, options);
        } catch (OrtException e) {
            throw new BackendException("ONNX Runtime refuses the network: " + e.getMessage(), e);
        }
    }

    /**
     * Computes with a whole network.
     *
     * @param input float32
     * @param outputs which results, in which order
     */
    List<HostTensor> run(HostTensor input, List<String> outputs) {
        FloatBuffer values = input.floatBuffer().duplicate();
        values.rewind();
        try (OnnxTensor tensor = OnnxTensor.createTensor(backend.environment(), values, input.shape());
                OrtSession.Result result = session.run(Map.of(NetworkExporter.INPUT, tensor))) {
            List<HostTensor> found = new ArrayList<>();
            for (String output : outputs) {
                found.add(host((OnnxTensor) result.get(output).orElseThrow()));
            }
            return found;
        } catch (OrtException e) {
            throw new BackendException("ONNX Runtime failed: " + e.getMessage(), e);
        }
    }

    private static HostTensor host(OnnxTensor found) {
        HostTensor host = HostTensor.zeros(DType.FLOAT32, found.getInfo().getShape());
        FloatBuffer values = found.getFloatBuffer();
        host.floatBuffer().put(0, values, 0, values.remaining());
        return host;
    }

    /**
     * Computes.
     *
     * @param inputs float32, by name
     * @param grid for the input {@code grid} of graphs that have one
     * @param output which result
     */
    HostTensor run(Map<String, HostTensor> inputs, Optional<Grid> grid, String output) {
        Map<String, OnnxTensor> tensors = new LinkedHashMap<>();
        try {
            for (Map.Entry<String, HostTensor> input : inputs.entrySet()) {
                FloatBuffer values = input.getValue().floatBuffer().duplicate();
                values.rewind();
                tensors.put(
                        input.getKey(),
                        OnnxTensor.createTensor(
                                backend.environment(), values, input.getValue().shape()));
            }
            if (grid.isPresent() && session.getInputNames().contains(OnnxBlock.GRID)) {
                Grid g = grid.get();
                tensors.put(
                        OnnxBlock.GRID,
                        OnnxTensor.createTensor(
                                backend.environment(),
                                LongBuffer.wrap(new long[] {g.depth(), g.height(), g.width()}),
                                new long[] {3}));
            }
            try (OrtSession.Result result = session.run(tensors)) {
                return host((OnnxTensor) result.get(output).orElseThrow());
            }
        } catch (OrtException e) {
            throw new BackendException("ONNX Runtime failed: " + e.getMessage(), e);
        } finally {
            tensors.values().forEach(OnnxTensor::close);
        }
    }

    @Override
    public void close() {
        try {
            session.close();
        } catch (OrtException e) {
            throw new BackendException("ONNX Runtime can't release the network: " + e.getMessage(), e);
        }
    }
}
