package org.segformer3d.cli.command;

import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.Callable;
import org.segformer3d.data.dataset.DatasetReader;
import org.segformer3d.data.dataset.Split;
import org.segformer3d.eval.result.Json;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

/** Divides the cases of a data set. */
@Command(
        name = "split",
        description =
                "Divide the cases of a data set into training, validation and test, or into folds; writes split files.")
public final class SplitCommand implements Callable<Integer> {
    @Spec
    private CommandSpec spec;

    @Option(names = "--data", paramLabel = "DIR", required = true, description = "Data set with a dataset.json.")
    private Path data;

    @Option(
            names = "--output",
            paramLabel = "FILE",
            required = true,
            description = "Split file to write, in JSON; with --folds, _fold_K comes before its extension.")
    private Path output;

    @Option(
            names = "--test-fraction",
            paramLabel = "F",
            defaultValue = "0.2",
            description = "Share of the cases that nobody looks at before the end (default: ${DEFAULT-VALUE}).")
    private double testFraction;

    @Option(
            names = "--validation-fraction",
            paramLabel = "F",
            defaultValue = "0.1",
            description = "Share of the other cases that choose the best weights (default: ${DEFAULT-VALUE}).")
    private double validationFraction;

    @Option(
            names = "--folds",
            paramLabel = "K",
            description = "Write K splits for cross-validation instead; the fractions don't count then.")
    private Optional<Integer> folds = Optional.empty();

    @Option(
            names = "--seed",
            paramLabel = "N",
            defaultValue = "42",
            description = "Equal seeds give equal splits (default: ${DEFAULT-VALUE}).")
    private long seed;

    @Option(names = "--json", description = "Print what was written as JSON.")
    private boolean json;

    @Override
    public Integer call() throws IOException {
        checkFraction("--test-fraction", testFraction);
        checkFraction("--validation-fraction", validationFraction);
        if (folds.isPresent() && folds.get() < 2) {
            throw new ParameterException(
                    spec.commandLine(),
                    "Invalid value for option '--folds': found " + folds.get() + ", expected 2 or more");
        }
        List<String> ids = DatasetReader.read(data).ids();
        Map<Path, Split> splits = new LinkedHashMap<>();
        if (folds.isPresent()) {
            List<Split> all = Split.kFold(ids, folds.get(), seed);
            for (int fold = 0; fold < all.size(); fold++) {
                splits.put(foldFile(fold), all.get(fold));
            }
        } else {
            splits.put(output, draw(ids));
        }
        List<Map<String, Object>> written = new ArrayList<>();
        PrintWriter out = spec.commandLine().getOut();
        for (Map.Entry<Path, Split> split : splits.entrySet()) {
            split.getValue().write(split.getKey());
            written.add(describe(split.getKey(), split.getValue()));
            if (!json) {
                out.println(split.getKey() + ": " + split.getValue().train().size() + " to train on, "
                        + split.getValue().validation().size() + " to validate on, "
                        + split.getValue().test().size() + " to test on");
            }
        }
        if (json) {
            out.print(Json.pretty(Map.of("splits", written)));
        }
        return 0;
    }

    private Split draw(List<String> ids) {
        if (testFraction > 0 && validationFraction > 0) {
            return Split.trainValidationTest(ids, 1 - testFraction, validationFraction, seed);
        }
        if (testFraction > 0) {
            return Split.trainTest(ids, 1 - testFraction, seed);
        }
        if (validationFraction > 0) {
            Split split = Split.trainTest(ids, 1 - validationFraction, seed);
            return new Split(split.train(), split.test(), List.of());
        }
        return new Split(ids, List.of(), List.of());
    }

    private Path foldFile(int fold) {
        String name = output.getFileName().toString();
        int dot = name.lastIndexOf('.');
        String stem = dot > 0 ? name.substring(0, dot) : name;
        return output.resolveSibling(stem + "_fold_" + fold + (dot > 0 ? name.substring(dot) : ".json"));
    }

    private void checkFraction(String option, double fraction) {
        if (!(fraction >= 0 && fraction < 1)) {
            throw new ParameterException(
                    spec.commandLine(),
                    "Invalid value for option '" + option + "': found " + fraction + ", expected a fraction in [0, 1)");
        }
    }

    private static Map<String, Object> describe(Path file, Split split) {
        Map<String, Object> map = new LinkedHashMap<>();
        map.put("file", file.toString());
        map.put("train", split.train());
        map.put("validation", split.validation());
        map.put("test", split.test());
        return map;
    }
}
