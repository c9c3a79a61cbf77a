package org.segformer3d.train.run;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.FloatBuffer;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CancellationException;
import java.util.function.BooleanSupplier;
import org.segformer3d.api.model.SegmentationModel;
import org.segformer3d.api.tensor.DType;
import org.segformer3d.api.tensor.HostTensor;
import org.segformer3d.data.labels.LabelSpec;
import org.segformer3d.data.loading.CaseSource;
import org.segformer3d.data.preprocessing.PreparedCase;
import org.segformer3d.eval.inference.InferenceSpec;
import org.segformer3d.eval.inference.WindowListener;
import org.segformer3d.eval.metrics.DiceAccumulator;
import org.segformer3d.train.run.ProgressListener.Validating;

/**
 * Validates a model as the official run does: sliding window over each prepared case, Dice per channel, mean over cases whose truth has
 * the channel, mean over the channels that any truth has. (The official run counts a channel without truth as 0, as MONAI does.)
 *
 * <p>Of exclusive classes the background is left out.
 *
 * @param cases the cases, all with labels
 * @param labels what the channels mean
 * @param inference the window
 */
record Validation(CaseSource cases, LabelSpec labels, InferenceSpec inference) {
    /**
     * What a validation found.
     *
     * @param mean mean over the channels that any case has, NaN where no case has one
     * @param perClass mean over cases by name, NaN where no case has the class
     */
    record Result(double mean, Map<String, Double> perClass) {}

    /**
     * Validates a model.
     *
     * @param stop asked after every batch of windows: a case may take longer than a person waits
     * @return {@code null} when it was told to stop
     */
    Result run(SegmentationModel model, ProgressListener listener, BooleanSupplier stop) throws IOException {
        int first = labels.mode() == LabelSpec.Mode.SOFTMAX ? 1 : 0;
        List<String> names = labels.names().subList(first, labels.channels());
        DiceAccumulator dice = new DiceAccumulator(names);
        for (int n = 0; n < cases.size(); n++) {
            PreparedCase one = cases.load(n);
            String id = cases.id(n);
            HostTensor label =
                    one.label().orElseThrow(() -> new IllegalArgumentException(id + ": no label to validate with"));
            HostTensor truth = labels.encode(label, id);
            HostTensor logits;
            try {
                logits = inference.window().infer(inference.around(model::predict), one.image(), stopping(stop));
            } catch (CancellationException e) {
                return null;
            }
            HostTensor predicted = masks(logits, first == 1);
            // Of a voxel that is to be ignored the truth has no channel; neither must the prediction have one.
            labels.mask(label, id).ifPresent(mask -> clear(predicted, mask));
            dice.add(id, foreground(predicted, first), foreground(truth, first));
            listener.validating(new Validating(id, n + 1, cases.size(), false));
        }
        Map<String, Double> perClass = new LinkedHashMap<>();
        for (int c = 0; c < names.size(); c++) {
            perClass.put(names.get(c), dice.spreads().get(c).mean());
        }
        return new Result(dice.mean(), perClass);
    }

    /** Returns a listener that ends the inference with a {@link CancellationException} when it is told to stop. */
    static WindowListener stopping(BooleanSupplier stop) {
        return (done, total) -> {
            if (stop.getAsBoolean()) {
                throw new CancellationException("stopped");
            }
        };
    }

    /** Returns 1 where a channel is predicted: its logit is positive, or the largest, the first of equals. */
    private static HostTensor masks(HostTensor logits, boolean exclusive) {
        long[] shape = logits.shape();
        int channels = (int) shape[0];
        int voxels = Math.toIntExact(shape[1] * shape[2] * shape[3]);
        HostTensor masks = HostTensor.zeros(DType.UINT8, shape);
        ByteBuffer target = masks.bytes();
        FloatBuffer values = logits.floatBuffer();
        if (!exclusive) {
            for (int n = 0; n < channels * voxels; n++) {
                target.put(n, values.get(n) > 0 ? (byte) 1 : 0);
            }
            return masks;
        }
        for (int v = 0; v < voxels; v++) {
            int largest = 0;
            for (int c = 1; c < channels; c++) {
                if (values.get(c * voxels + v) > values.get(largest * voxels + v)) {
                    largest = c;
                }
            }
            target.put(largest * voxels + v, (byte) 1);
        }
        return masks;
    }

    /** Sets all channels to 0 where a mask is 0. */
    private static void clear(HostTensor channels, HostTensor mask) {
        ByteBuffer values = channels.bytes();
        ByteBuffer counts = mask.bytes();
        int voxels = counts.limit();
        for (int n = 0; n < values.limit(); n++) {
            if (counts.get(n % voxels) == 0) {
                values.put(n, (byte) 0);
            }
        }
    }

    private static HostTensor foreground(HostTensor masks, int first) {
        if (first == 0) {
            return masks;
        }
        long[] shape = masks.shape();
        int channel = Math.toIntExact(shape[1] * shape[2] * shape[3]);
        ByteBuffer bytes = masks.bytes();
        long[] rest = Arrays.copyOf(shape, 4);
        rest[0] -= first;
        return HostTensor.wrap(DType.UINT8, bytes.slice(first * channel, bytes.limit() - first * channel), rest);
    }
}
