package org.segformer3d.cli.command;

import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.concurrent.Callable;
import org.segformer3d.data.dataset.CaseTable;
import org.segformer3d.data.dataset.CaseTable.Row;
import org.segformer3d.data.dataset.DatasetException;
import org.segformer3d.data.dataset.DatasetLayout;
import org.segformer3d.data.dataset.OfficialPairs;
import org.segformer3d.data.dataset.SegmentationDataset;
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
                "Divide the cases of a data set into training, validation and test, or into folds; writes split files in JSON, or for a"
                        + " folder of official pairs (NAME_modalities.pt, NAME_label.pt) lists in CSV: train.csv and validation.csv,"
                        + " with --folds train_fold_1.csv, validation_fold_1.csv and so on.")
public final class SplitCommand implements Callable<Integer> {
    @Spec
    private CommandSpec spec;

    @Option(
            names = "--data",
            paramLabel = "DIR",
            required = true,
            description = "Data set with a dataset.json, or a folder of official pairs.")
    private Path data;

    @Option(
            names = "--output",
            paramLabel = "FILE",
            description =
                    "Split file to write, in JSON; with --folds, _fold_K comes before its extension. For official pairs the folder"
                            + " for the lists (default: that of --data).")
    private Optional<Path> output = Optional.empty();

    @Option(
            names = "--test-fraction",
            paramLabel = "F",
            description =
                    "Share of the cases that nobody looks at before the end (default: 0.2; 0 for official pairs).")
    private Optional<Double> testShare = Optional.empty();

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

    @Option(
            names = "--skip-incomplete",
            description = "Leave cases out, naming them, that lack a file; without this nothing is written.")
    private boolean skipIncomplete;

    @Option(names = "--json", description = "Print what was written as JSON.")
    private boolean json;

    @Override
    public Integer call() throws IOException {
        TreeMap<String, Path> pairs = pairs();
        boolean official = !pairs.isEmpty();
        if (official && skipIncomplete) {
            throw new ParameterException(
                    spec.commandLine(),
                    "--skip-incomplete is for data sets of scans, and " + data
                            + " holds pairs of prepared files; remove it");
        }
        testFraction = testShare.orElse(official ? 0 : 0.2);
        checkFraction("--test-fraction", testFraction);
        checkFraction("--validation-fraction", validationFraction);
        if (folds.isPresent() && folds.get() < 2) {
            throw new ParameterException(
                    spec.commandLine(),
                    "Invalid value for option '--folds': found " + folds.get() + ", expected 2 or more");
        }
        try {
            return official ? lists(pairs) : files();
        } catch (IllegalArgumentException e) {
            throw new DatasetException(data, e.getMessage(), e);
        }
    }

    /** Writes split files. */
    private int files() throws IOException {
        Path file = output.orElseThrow(() -> new ParameterException(
                spec.commandLine(), "Missing required option: '--output=FILE', the split file to write"));
        DatasetLayout layout = DatasetLayout.of(data);
        SegmentationDataset dataset = skipIncomplete ? layout.readComplete(data) : layout.read(data);
        List<String> ids = dataset.ids();
        // What is drawn are patients where the data set tells whose each case is.
        List<String> groups = Split.groups(ids, dataset::groupOf);
        Map<Path, Split> splits = new LinkedHashMap<>();
        if (folds.isPresent()) {
            List<Split> all = Split.kFold(groups, folds.get(), seed);
            for (int fold = 0; fold < all.size(); fold++) {
                splits.put(foldFile(file, fold), all.get(fold).members(ids, dataset::groupOf));
            }
        } else {
            splits.put(file, draw(groups).members(ids, dataset::groupOf));
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

    /** Returns the folders of official pairs by name; none where the data set has another layout. */
    private TreeMap<String, Path> pairs() throws IOException {
        boolean other = !Files.isDirectory(data)
                || Files.isRegularFile(data.resolve("dataset.json"))
                || Files.isDirectory(data.resolve("imagesTr"));
        return other ? new TreeMap<>() : OfficialPairs.find(data);
    }

    /** Writes official lists; the folds count from 1, as theirs do. */
    private int lists(TreeMap<String, Path> pairs) throws IOException {
        Map<Path, List<String>> lists = new LinkedHashMap<>();
        Path folder = output.orElse(data);
        List<Split> splits = folds.isPresent()
                ? Split.kFold(pairs.keySet(), folds.get(), seed)
                : List.of(draw(List.copyOf(pairs.keySet())));
        for (int n = 0; n < splits.size(); n++) {
            String ending = folds.isPresent() ? "_fold_" + (n + 1) + ".csv" : ".csv";
            lists.put(folder.resolve("train" + ending), splits.get(n).train());
            lists.put(folder.resolve("validation" + ending), splits.get(n).validation());
            lists.put(folder.resolve("test" + ending), splits.get(n).test());
        }
        // Nothing to list, nothing to write: the official reader wants at least one case.
        lists.values().removeIf(List::isEmpty);
        Files.createDirectories(folder);
        List<Map<String, Object>> written = new ArrayList<>();
        for (Map.Entry<Path, List<String>> list : lists.entrySet()) {
            List<Row> rows = list.getValue().stream()
                    .map(id ->
                            new Row(pairs.get(id).toAbsolutePath().normalize().toString(), id))
                    .toList();
            new CaseTable(rows).write(list.getKey());
            written.add(Map.of("file", list.getKey().toString(), "cases", list.getValue()));
            if (!json) {
                spec.commandLine()
                        .getOut()
                        .println(list.getKey() + ": " + rows.size() + (rows.size() == 1 ? " case" : " cases"));
            }
        }
        if (json) {
            spec.commandLine().getOut().print(Json.pretty(Map.of("lists", written)));
        }
        return 0;
    }

    private static Path foldFile(Path output, int fold) {
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
