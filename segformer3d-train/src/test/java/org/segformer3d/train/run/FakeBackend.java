package org.segformer3d.train.run;

import java.nio.FloatBuffer;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.LongToDoubleFunction;
import org.segformer3d.api.backend.Backend;
import org.segformer3d.api.backend.BackendOptions;
import org.segformer3d.api.block.Grid;
import org.segformer3d.api.config.SegFormer3DConfig;
import org.segformer3d.api.model.SegmentationModel;
import org.segformer3d.api.network.Network;
import org.segformer3d.api.network.SegFormer3DNetwork;
import org.segformer3d.api.tensor.DType;
import org.segformer3d.api.tensor.Device;
import org.segformer3d.api.tensor.HostTensor;
import org.segformer3d.api.tensor.Scope;
import org.segformer3d.api.tensor.Tensor;
import org.segformer3d.api.training.LossGradient;
import org.segformer3d.api.training.LossSpec;
import org.segformer3d.api.training.TrainingBatch;
import org.segformer3d.api.training.TrainingSession;
import org.segformer3d.api.training.TrainingSpec;
import org.segformer3d.api.weights.StateDict;

/**
 * A backend that trains nothing but keeps account: its only moving weight is the bias of the prediction, which every update moves by
 * the rate times what the batches since the last one add up to. Whatever the loop leaves out, repeats or reorders changes the result.
 */
final class FakeBackend implements Backend {
    private static final String BIAS = "segformer_decoder.linear_pred.bias";

    /** Learning rates of all updates. */
    final List<Double> rates = new ArrayList<>();

    /** Factors of all accumulations. */
    final List<Double> factors = new ArrayList<>();

    /** Specifications of all sessions. */
    final List<TrainingSpec> specs = new ArrayList<>();

    /** Masks of all batches that were trained on or whose loss was asked for. */
    final List<Optional<HostTensor>> masks = new ArrayList<>();

    /** Batches that were only looked at. */
    final List<TrainingBatch> observed = new ArrayList<>();

    /** The loss of the n-th batch, from 0; numbers that aren't finite stand for divergence. */
    LongToDoubleFunction loss = n -> 1.0 / (n + 1);

    /** The norm at the n-th update, from 0. */
    LongToDoubleFunction norm = n -> 1;

    /** Added to the bias by every update, so that predictions change as a test wants. */
    double drift;

    private long batches;
    private boolean closed;

    @Override
    public String name() {
        return "fake";
    }

    @Override
    public BackendOptions options() {
        return BackendOptions.defaults();
    }

    @Override
    public Map<String, String> versions() {
        return Map.of("fake", "1");
    }

    @Override
    public Scope newScope() {
        return new Scope() {
            private boolean scopeClosed;

            @Override
            public Tensor tensor(HostTensor host) {
                return new FakeTensor(host);
            }

            @Override
            public boolean isClosed() {
                return scopeClosed;
            }

            @Override
            public void close() {
                scopeClosed = true;
            }
        };
    }

    /** A host array that nobody needs to release. */
    private record FakeTensor(HostTensor toHost) implements Tensor {
        @Override
        public long[] shape() {
            return toHost.shape();
        }

        @Override
        public DType dtype() {
            return toHost.dtype();
        }

        @Override
        public Device device() {
            return Device.CPU;
        }

        @Override
        public void copyTo(FloatBuffer target) {
            target.put(toHost.toFloats());
        }

        @Override
        public Tensor moveTo(Scope scope) {
            return this;
        }

        @Override
        public boolean isClosed() {
            return false;
        }

        @Override
        public void close() {}
    }

    @Override
    public Tensor resizeCanvas(Scope scope, Tensor x, Grid size) {
        throw new UnsupportedOperationException();
    }

    @Override
    public SegmentationModel load(Network network, StateDict weights) {
        return new FakeModel(((SegFormer3DNetwork) network).config(), weights);
    }

    @Override
    public boolean supportsTraining() {
        return true;
    }

    @Override
    public TrainingSession train(TrainingSpec spec) {
        specs.add(spec);
        return new FakeSession(spec);
    }

    @Override
    public LossGradient loss(LossSpec spec, HostTensor logits, HostTensor target, Optional<HostTensor> mask) {
        masks.add(mask);
        double sum = 0;
        for (int n = 0; n < target.elements(); n++) {
            sum += Math.abs(target.get(n) - (logits.get(n) > 0 ? 1 : 0));
        }
        return new LossGradient(sum / target.elements(), logits);
    }

    @Override
    public boolean isClosed() {
        return closed;
    }

    @Override
    public void close() {
        closed = true;
    }

    private static StateDict with(StateDict weights, String name, float... values) {
        Map<String, HostTensor> tensors = new LinkedHashMap<>(weights.tensors());
        tensors.put(name, HostTensor.of(values, values.length));
        return StateDict.of(tensors);
    }

    private final class FakeSession implements TrainingSession {
        private final TrainingSpec spec;
        private StateDict weights;
        private Optional<StateDict> averaged;
        private double momentum;
        private double gradient;
        private long updates;

        FakeSession(TrainingSpec spec) {
            this.spec = spec;
            this.weights = spec.initialWeights();
            this.averaged = spec.emaDecay().isPresent() ? Optional.of(weights) : Optional.empty();
        }

        @Override
        public TrainingSpec spec() {
            return spec;
        }

        @Override
        public double accumulate(TrainingBatch batch, double weight) {
            factors.add(weight);
            masks.add(batch.mask());
            double sum = batch.seed() % 1000 * 1e-3;
            HostTensor input = batch.input();
            for (int n = 0; n < input.elements(); n += 97) {
                sum += input.get(n);
            }
            HostTensor target = batch.target();
            for (int n = 0; n < target.elements(); n += 89) {
                sum += target.get(n);
            }
            gradient += weight * sum;
            return loss.applyAsDouble(batches++);
        }

        @Override
        public double update(double learningRate) {
            double found = norm.applyAsDouble(updates);
            if (!Double.isFinite(found)) {
                return found;
            }
            rates.add(learningRate);
            momentum = 0.9 * momentum + gradient;
            float[] bias = weights.get(BIAS).toFloats();
            for (int k = 0; k < bias.length; k++) {
                bias[k] += (float) (learningRate * momentum * (k + 1) + drift);
            }
            weights = with(weights, BIAS, bias);
            averaged = averaged.map(a -> {
                float[] mean = a.get(BIAS).toFloats();
                float decay = (float) spec.emaDecay().getAsDouble();
                for (int k = 0; k < mean.length; k++) {
                    mean[k] = decay * mean[k] + (1 - decay) * bias[k];
                }
                return with(a, BIAS, mean);
            });
            gradient = 0;
            updates++;
            return found;
        }

        @Override
        public void observe(TrainingBatch batch) {
            observed.add(batch);
        }

        @Override
        public TrainingPass pass(TrainingBatch batch) {
            throw new UnsupportedOperationException();
        }

        @Override
        public StateDict weights() {
            return weights;
        }

        @Override
        public Optional<StateDict> averagedWeights() {
            return averaged;
        }

        @Override
        public TrainingState state() {
            return new TrainingState(
                    weights,
                    StateDict.of(Map.of("momentum", HostTensor.of(new double[] {momentum}, 1))),
                    averaged,
                    updates);
        }

        @Override
        public void restore(TrainingState state) {
            weights = state.weights();
            averaged = state.averaged();
            momentum = state.optimizer().get("momentum").get(0);
            updates = state.updates();
            gradient = 0;
        }

        @Override
        public SegmentationModel snapshot(boolean average) {
            return new FakeModel(spec.config(), average ? averaged.orElseThrow() : weights);
        }

        @Override
        public void close() {}
    }

    /** Predicts channel k where the input exceeds k less the channel's bias; channel 0 of several classes is the background at 0.5. */
    private final class FakeModel implements SegmentationModel {
        private final SegFormer3DConfig config;
        private final float[] bias;
        private boolean modelClosed;

        FakeModel(SegFormer3DConfig config, StateDict weights) {
            this.config = config;
            this.bias = weights.get(BIAS).toFloats();
        }

        @Override
        public SegFormer3DConfig config() {
            return config;
        }

        @Override
        public Backend backend() {
            return FakeBackend.this;
        }

        @Override
        public String implementation() {
            return "fake";
        }

        @Override
        public HostTensor predict(HostTensor input, Optional<HostTensor> spent) {
            return predict(input);
        }

        @Override
        public HostTensor predict(HostTensor input) {
            int batch = (int) input.size(0);
            int voxels = (int) (input.size(2) * input.size(3) * input.size(4));
            int channels = (int) input.size(1);
            float[] x = input.toFloats();
            float[] logits = new float[batch * bias.length * voxels];
            for (int b = 0; b < batch; b++) {
                for (int k = 0; k < bias.length; k++) {
                    for (int v = 0; v < voxels; v++) {
                        logits[(b * bias.length + k) * voxels + v] =
                                k == 0 ? 0.5f : k * (x[b * channels * voxels + v] - k) + bias[k];
                    }
                }
            }
            return HostTensor.of(logits, batch, bias.length, input.size(2), input.size(3), input.size(4));
        }

        @Override
        public Tensor forward(Scope scope, Tensor input) {
            return scope.tensor(predict(input.toHost()));
        }

        @Override
        public List<Tensor> encode(Scope scope, Tensor input) {
            throw new UnsupportedOperationException();
        }

        @Override
        public boolean isClosed() {
            return modelClosed;
        }

        @Override
        public void close() {
            modelClosed = true;
        }
    }
}
