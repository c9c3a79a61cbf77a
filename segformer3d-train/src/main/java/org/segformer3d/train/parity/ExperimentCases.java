package org.segformer3d.train.parity;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Consumer;
import org.segformer3d.train.config.ExperimentConfig;
import org.segformer3d.train.parity.Parity.ParityCase;

/** {@code *.yaml}: official experiment files, which must be taken unmodified. */
final class ExperimentCases {
    private ExperimentCases() {}

    static List<ParityCase> in(ReferenceFolder folder) {
        List<ParityCase> cases = new ArrayList<>();
        for (Path file : folder.named(".+\\.ya?ml")) {
            folder.use(file);
            cases.add(new Experiment(folder.title(file), file));
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
