package org.segformer3d.train.run;

import java.io.IOException;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.OptionalDouble;
import java.util.function.BooleanSupplier;
import org.segformer3d.api.backend.Backend;
import org.segformer3d.api.block.BlockSpec;
import org.segformer3d.api.block.ParameterSpec;
import org.segformer3d.api.block.ParameterSpec.Role;
import org.segformer3d.api.tensor.HostTensor;
import org.segformer3d.api.training.TrainingBatch;
import org.segformer3d.api.training.TrainingSession;
import org.segformer3d.api.training.TrainingSpec;
import org.segformer3d.api.weights.StateDict;
import org.segformer3d.data.loading.Batch;

/**
 * BatchNorm statistics for averaged weights, as the official run has them: no network ever computed with these weights, so their
 * statistics are the means of those of every batch of a pass through the training data (PyTorch's {@code swa_utils.update_bn}).
 */
final class AveragedStatistics {
    private AveragedStatistics() {}

    /**
     * Returns averaged weights with recomputed statistics.
     *
     * @param spec what is being trained
     * @param averaged the averaged weights
     * @param batches the pass
     * @param stop asked before every batch
     * @return {@code null} when it was told to stop
     */
    static StateDict recompute(
            Backend backend, TrainingSpec spec, StateDict averaged, Iterable<Batch> batches, BooleanSupplier stop)
            throws IOException {
        List<ParameterSpec> running = new ArrayList<>();
        Map<String, HostTensor> start = new LinkedHashMap<>(averaged.tensors());
        for (ParameterSpec parameter : spec.network().parameters()) {
            if (parameter.role() == Role.RUNNING_MEAN || parameter.role() == Role.RUNNING_VARIANCE) {
                running.add(parameter);
                start.put(
                        parameter.name(),
                        HostTensor.of(new float[(int) parameter.dims()[0]], parameter.dims()));
            }
        }
        if (running.isEmpty()) {
            return averaged;
        }
        TrainingSpec alone = new TrainingSpec(
                spec.network(),
                StateDict.of(start),
                spec.loss(),
                spec.optimizer(),
                OptionalDouble.empty(),
                OptionalDouble.empty());
        double momentum = BlockSpec.BATCH_NORM_MOMENTUM;
        Map<String, double[]> sums = new LinkedHashMap<>();
        StateDict last = alone.initialWeights();
        int count = 0;
        try (TrainingSession session = backend.train(alone)) {
            for (Batch batch : batches) {
                if (stop.getAsBoolean()) {
                    return null;
                }
                session.observe(new TrainingBatch(batch.input(), batch.target(), 0));
                // A batch moves each statistic from s to (1 − m)·s + m·b, which gives its own value b.
                StateDict now = session.weights();
                for (ParameterSpec parameter : running) {
                    double[] before = last.get(parameter.name()).toDoubles();
                    double[] after = now.get(parameter.name()).toDoubles();
                    double[] sum = sums.computeIfAbsent(parameter.name(), name -> new double[after.length]);
                    for (int n = 0; n < sum.length; n++) {
                        sum[n] += (after[n] - (1 - momentum) * before[n]) / momentum;
                    }
                }
                last = now;
                count++;
            }
        }
        Map<String, HostTensor> result = new LinkedHashMap<>(averaged.tensors());
        for (ParameterSpec parameter : spec.network().parameters()) {
            double[] sum = sums.get(parameter.name());
            if (sum != null) {
                for (int n = 0; n < sum.length; n++) {
                    sum[n] /= count;
                }
                HostTensor mean = HostTensor.of(sum, parameter.dims());
                boolean isDouble = averaged.get(parameter.name()).dtype() == mean.dtype();
                result.put(parameter.name(), isDouble ? mean : mean.toFloat32());
            } else if (parameter.role() == Role.BATCHES_TRACKED && result.containsKey(parameter.name())) {
                result.put(parameter.name(), HostTensor.of(new long[] {count}, parameter.dims()));
            }
        }
        return StateDict.of(result);
    }
}
