package org.segformer3d.train.parity;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.function.Consumer;
import org.segformer3d.api.weights.StateDict;
import org.segformer3d.data.weights.ForbiddenGlobalException;
import org.segformer3d.train.parity.Parity.ParityCase;

/**
 * {@code pipeline/checkpoint_*}: other forms that the weights of {@code checkpoint.safetensors} come in, which must read to the same
 * values; {@code pipeline/malicious*}: files that must be refused without running anything.
 */
final class WeightFileCases {
    private static final String MODULE = "weights";

    private WeightFileCases() {}

    static List<ParityCase> in(ReferenceFolder folder) throws IOException {
        List<ParityCase> cases = new ArrayList<>();
        Path reference = folder.root().resolve("pipeline").resolve("checkpoint.safetensors");
        for (Path file : folder.files("pipeline", "")) {
            String name = file.getFileName().toString();
            if (name.startsWith("checkpoint_") && Files.exists(reference)) {
                cases.add(new SameWeights("pipeline/" + name, file, reference));
            } else if (name.startsWith("malicious")) {
                cases.add(new Refused("pipeline/" + name, file));
            }
        }
        return cases;
    }

    private record SameWeights(String name, Path file, Path reference) implements ParityCase {
        @Override
        public String module() {
            return MODULE;
        }

        @Override
        public void run(Consumer<ParityLine> sink) throws IOException {
            StateDict expected = ReferenceFolder.weights(reference);
            StateDict actual = ReferenceFolder.weights(file);
            Set<String> different = new TreeSet<>(expected.names());
            different.addAll(actual.names());
            different.removeIf(
                    key -> expected.names().contains(key) && actual.names().contains(key));
            if (!different.isEmpty()) {
                sink.accept(ParityLine.failed(name, MODULE, "names on one side only: " + different));
                return;
            }
            sink.accept(ParityLine.compared(
                    name, MODULE, Differences.largest(actual.tensors(), expected.tensors(), key -> true), 0));
        }
    }

    private record Refused(String name, Path file) implements ParityCase {
        @Override
        public String module() {
            return MODULE;
        }

        @Override
        public void run(Consumer<ParityLine> sink) throws IOException {
            try {
                ReferenceFolder.weights(file);
            } catch (ForbiddenGlobalException e) {
                // The message names the forbidden global; showing it proves why the file was refused.
                sink.accept(new ParityLine(name, MODULE, 0, 0, ParityLine.Status.OK, "refused: " + e.getMessage()));
                return;
            }
            sink.accept(ParityLine.failed(name, MODULE, "was read, expected to be refused"));
        }
    }
}
