package org.segformer3d.train.parity;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Consumer;
import java.util.stream.Stream;
import org.segformer3d.train.config.ExperimentConfig;
import org.segformer3d.train.parity.Parity.ParityCase;

/** {@code *.yaml} at the top: official experiment files, which must be taken unmodified. */
final class ExperimentCases {
    private ExperimentCases() {}

    static List<ParityCase> in(ReferenceFolder folder) throws IOException {
        List<ParityCase> cases = new ArrayList<>();
        try (Stream<Path> files = Files.list(folder.root())) {
            files.filter(file -> file.getFileName().toString().matches(".+\\.ya?ml"))
                    .sorted()
                    .forEach(file -> cases.add(new Experiment(file.getFileName().toString(), file)));
        }
        return cases;
    }

    private record Experiment(String name, Path file) implements ParityCase {
        @Override
        public String module() {
            return "configuration";
        }

        /** Reading fails on an unknown key or a wrong value; what was read must survive being written and read again. */
        @Override
        public void run(Consumer<ParityLine> sink) throws IOException {
            ExperimentConfig read = ExperimentConfig.read(file);
            ExperimentConfig again = ExperimentConfig.parse(
                    read.toYaml(), file.toString(), file.toAbsolutePath().getParent());
            sink.accept(ParityLine.compared(name + " keys and values", module(), again.equals(read) ? 0 : 1, 0));
        }
    }
}
