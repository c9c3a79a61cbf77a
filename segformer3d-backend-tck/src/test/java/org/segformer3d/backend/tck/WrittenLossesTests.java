package org.segformer3d.backend.tck;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.segformer3d.api.tensor.HostTensor;
import org.segformer3d.api.training.LossSpec;
import org.segformer3d.api.training.LossSpec.Activation;
import org.segformer3d.api.training.LossSpec.Kind;
import org.segformer3d.data.weights.Safetensors;

/** The losses that backends are held to, against MONAI's values in float64. */
class WrittenLossesTests {
    @ParameterizedTest
    @CsvSource({
        "c1, dice, DICE, SIGMOID, true, false",
        "c1, binarycrossentropy, BINARY_CROSS_ENTROPY, SIGMOID, true, false",
        "c3, dice, DICE, SIGMOID, true, false",
        "c3, binarycrossentropy, BINARY_CROSS_ENTROPY, SIGMOID, true, false",
        "c3, crossentropy, CROSS_ENTROPY, SIGMOID, true, false",
        "c3, diceCE, DICE_CROSS_ENTROPY, SIGMOID, true, false",
        "softmax, dice, DICE, SOFTMAX, true, false",
        "softmax, dice_nobg, DICE, SOFTMAX, false, false",
        "softmax, dice_batch_squared, DICE, SOFTMAX, true, true",
        "softmax, diceCE, DICE_CROSS_ENTROPY, SOFTMAX, true, false",
        "softmax, diceFocal, DICE_FOCAL, SOFTMAX, true, false",
        "softmax, generalizedDice, GENERALIZED_DICE, SOFTMAX, true, false"
    })
    void areMonaisOnes(
            String group, String name, Kind kind, Activation activation, boolean background, boolean batchSquared)
            throws IOException {
        Path file =
                Path.of(System.getProperty("segformer3d.shared", "../shared"), "reference/pipeline/losses.safetensors");
        assumeTrue(Files.exists(file), () -> "no reference values at " + file);
        Map<String, HostTensor> values = Safetensors.read(file).tensors();
        HostTensor logits = values.get(group + ".pred");
        double[] target = channels(values.get(group + ".target"), logits.shape());
        LossSpec loss = LossSpec.of(kind, activation).with(batchSquared, batchSquared);
        double value = WrittenLosses.value(
                background ? loss : loss.withoutBackground(), logits.toDoubles(), target, logits.shape());
        // MONAI's focal loss goes through float32
        double tolerance = kind == Kind.DICE_FOCAL ? 1e-7 : 1e-12;
        assertThat(value).isCloseTo(values.get(group + "." + name + ".loss").get(0), within(tolerance));
    }

    /** Returns one-hot channels of a class map, and channels as they are. */
    private static double[] channels(HostTensor target, long[] shape) {
        double[] values = target.toDoubles();
        if (target.size(1) == shape[1]) {
            return values;
        }
        int classes = (int) shape[1];
        int voxels = values.length / (int) shape[0];
        double[] channels = new double[values.length * classes];
        for (int i = 0; i < values.length; i++) {
            channels[(i / voxels * classes + (int) values[i]) * voxels + i % voxels] = 1;
        }
        return channels;
    }
}
