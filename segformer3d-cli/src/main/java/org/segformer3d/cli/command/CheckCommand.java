package org.segformer3d.cli.command;

import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.Callable;
import java.util.concurrent.CancellationException;
import java.util.stream.Collectors;
import org.segformer3d.cli.console.Interruption;
import org.segformer3d.cli.console.Progress;
import org.segformer3d.cli.console.Table;
import org.segformer3d.data.check.CaseCheck;
import org.segformer3d.data.check.CheckReport;
import org.segformer3d.data.check.DatasetCheck;
import org.segformer3d.data.dataset.BratsReader;
import org.segformer3d.data.dataset.DatasetLayout;
import org.segformer3d.data.dataset.IncompleteCases;
import org.segformer3d.data.dataset.SegmentationDataset;
import org.segformer3d.eval.result.Json;
import org.segformer3d.train.config.ExperimentConfig;
import org.segformer3d.train.run.DataCheck;
import picocli.CommandLine.Command;
import picocli.CommandLine.ExitCode;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** Looks at a whole data set. */
@Command(
        name = "check",
        description =
                "Look at a whole data set before anything is trained on it: opens every file, compares the places of channels and"
                        + " labels, and finds missing files, unknown label values, scans among label maps, NaN, empty label maps and"
                        + " scans that are there twice. Exit code 1 where something is wrong.")
public final class CheckCommand implements Callable<Integer> {
    private static final int VALUES = 12;

    @Spec
    private CommandSpec spec;

    @Parameters(
            paramLabel = "DATASET|CONFIG",
            description =
                    "The data set's folder or its dataset.json, or an experiment in YAML, whose label values and split then"
                            + " count.")
    private Path path;

    @Option(
            names = "--set",
            paramLabel = "KEY=VALUE",
            description = "With an experiment: use another value for a key; may be repeated.")
    private List<String> assignments = new ArrayList<>();

    @Option(names = "--quiet", description = "Show no progress.")
    private boolean quiet;

    @Option(names = "--json", description = "Print JSON.")
    private boolean json;

    @Override
    public Integer call() throws IOException {
        PrintWriter err = spec.commandLine().getErr();
        DataCheck check = check();
        CheckReport report;
        try (Interruption interruption = new Interruption();
                Progress progress = Progress.start(
                        quiet ? Progress.Kind.NONE : Progress.Kind.detect(), err, "checking cases", check.cases())) {
            report = check.full(done -> {
                progress.at(done, "");
                if (interruption.isRequested()) {
                    throw new CancellationException(
                            "stopped after " + done + " of " + check.cases() + " cases; nothing was written");
                }
            });
        } catch (CancellationException e) {
            err.println("segformer3d: " + e.getMessage());
            err.flush();
            return ExitCode.SOFTWARE;
        }
        PrintWriter out = spec.commandLine().getOut();
        if (json) {
            out.print(Json.pretty(report.toMap()));
        } else {
            print(report, out);
        }
        out.flush();
        return report.problems().isEmpty() ? ExitCode.OK : ExitCode.SOFTWARE;
    }

    private DataCheck check() throws IOException {
        boolean isDataset = Files.isDirectory(path) || path.toString().endsWith(".json");
        if (!isDataset) {
            return DataCheck.of(ExperimentConfig.read(path).withOverrides(assignments));
        }
        if (!assignments.isEmpty()) {
            throw new ParameterException(
                    spec.commandLine(), "--set changes an experiment, and " + path + " is a data set; remove it");
        }
        IncompleteCases incomplete = new IncompleteCases();
        return new DataCheck(new DatasetCheck(dataset(incomplete)), incomplete, Map.of());
    }

    private SegmentationDataset dataset(IncompleteCases incomplete) throws IOException {
        boolean isBrats =
                Files.isDirectory(path) && DatasetLayout.detect(path).isEmpty() && BratsReader.isPresent(path);
        return isBrats
                ? BratsReader.read(path, incomplete).dataset()
                : DatasetLayout.of(path).read(path, incomplete);
    }

    private static void print(CheckReport report, PrintWriter out) {
        boolean divided = !report.parts().isEmpty();
        List<String> headings = new ArrayList<>(List.of("case", "size", "spacing mm", "axes", "label values", ""));
        if (divided) {
            headings.add(1, "for");
        }
        Table table = new Table(headings.toArray(String[]::new));
        for (CaseCheck one : report.cases()) {
            List<String> row = new ArrayList<>();
            row.add(one.id());
            if (divided) {
                row.add(report.parts().getOrDefault(one.id(), "-"));
            }
            row.add(one.geometry().map(place -> place.size().toString()).orElse("-"));
            row.add(one.geometry().map(place -> spacing(place.spacing())).orElse("-"));
            row.add(one.geometry().map(place -> place.orientationCodes()).orElse("-"));
            row.add(values(one.labels()));
            row.add(!one.problems().isEmpty() ? "problem" : one.remarks().isEmpty() ? "ok" : "remark");
            table.row(row.toArray(String[]::new));
        }
        table.lines().forEach(out::println);
        List<String> problems = report.problems();
        List<String> remarks = report.remarks();
        if (!problems.isEmpty() || !remarks.isEmpty()) {
            out.println();
        }
        problems.forEach(problem -> out.println("problem  " + problem));
        remarks.forEach(remark -> out.println("remark   " + remark));
        out.println();
        out.println(count(report.cases().size(), "case") + " with "
                + count(report.dataset().channels().size(), "channel")
                + " (" + String.join(", ", report.dataset().channels()) + "): " + count(problems.size(), "problem")
                + ", "
                + count(remarks.size(), "remark"));
    }

    private static String count(int number, String what) {
        return number + " " + what + (number == 1 ? "" : "s");
    }

    private static String spacing(double[] spacing) {
        List<String> texts = new ArrayList<>();
        for (double size : spacing) {
            texts.add(String.format(Locale.ROOT, "%.3g", size));
        }
        return String.join("×", texts);
    }

    private static String values(Map<Integer, Long> labels) {
        String text = new TreeMap<>(labels)
                .keySet().stream().limit(VALUES).map(String::valueOf).collect(Collectors.joining(" "));
        return labels.isEmpty() ? "-" : text + (labels.size() > VALUES ? " … (" + labels.size() + ")" : "");
    }
}
