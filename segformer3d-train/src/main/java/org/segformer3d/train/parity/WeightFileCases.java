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
import org.segformer3d.data.io.FileFormatException;
import org.segformer3d.data.weights.WeightFiles;
import org.segformer3d.train.parity.Parity.ParityCase;

/**
 * {@code pipeline/checkpoint_*}: other forms that the weights of {@code checkpoint.safetensors} come in, which must read to the same
 * values; {@code pipeline/malicious*}: files that must be refused without running anything.
 */
final class WeightFileCases {
    private static final String MODULE = "weights";

    private WeightFileCases() {}

    static List<ParityCase> in(ReferenceFolder folder) {
        List<ParityCase> cases = new ArrayList<>();
        for (Path file : folder.named("checkpoint_.+")) {
            Path reference = file.resolveSibling("checkpoint.safetensors");
            folder.use(file, reference);
            cases.add(new SameWeights(folder.title(file), file, reference));
        }
        for (Path file : folder.named("malicious.*")) {
            folder.use(file);
            cases.add(new Refused(folder.title(file), file));
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
            if (!Files.exists(reference)) {
                sink.accept(ParityLine.skipped(name, MODULE, "there is no " + reference + " to compare it with"));
                return;
            }
            StateDict expected = WeightFiles.read(reference);
            StateDict actual = WeightFiles.read(file);
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
                WeightFiles.read(file);
            } catch (FileFormatException e) {
                // Mostly a ForbiddenGlobalException, but anything but reading it is right; the message shows why it was
                // refused.
                sink.accept(new ParityLine(name, MODULE, 0, 0, ParityLine.Status.OK, "refused: " + e.getMessage()));
                return;
            }
            sink.accept(ParityLine.failed(name, MODULE, "was read, expected to be refused"));
        }
    }
}
