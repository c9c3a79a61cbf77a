package org.segformer3d.cli.option;

import java.io.IOException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.segformer3d.api.config.ConfigException;
import org.segformer3d.api.network.Network;
import org.segformer3d.api.weights.StateDictMismatchException;
import org.segformer3d.data.dataset.DatasetLayout;
import org.segformer3d.data.io.HomeFolder;
import org.segformer3d.data.labels.LabelSpec;
import org.segformer3d.data.labels.Region;
import org.segformer3d.data.transform.RandomTransform;
import org.segformer3d.data.weights.WeightFiles;
import org.segformer3d.eval.bundle.EnsembleFolder;
import org.segformer3d.eval.bundle.ModelBundle;
import org.segformer3d.eval.inference.Blend;
import org.segformer3d.eval.inference.Ensemble;
import org.segformer3d.eval.inference.InferenceSpec;
import org.segformer3d.eval.result.Provenance;
import org.segformer3d.train.config.DatasetSettings;
import org.segformer3d.train.config.ExperimentConfig;
import org.segformer3d.train.config.ValidationSettings;
import org.segformer3d.train.run.Planning;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;
import picocli.CommandLine.Spec.Target;

/** Which model predicts: a bundle, or an experiment file and weights that fit it. */
public final class ModelSource {
    @Spec(Target.MIXEE)
    private CommandSpec spec;

    @Option(
            names = "--model",
            paramLabel = "BUNDLE",
            arity = "1..*",
            description =
                    "Model bundle: a folder or a zip file. Where a command predicts, several, a comma list or a quoted"
                            + " pattern such as 'runs/fold*/bundle' make an ensemble: the mean of their probabilities. So does the"
                            + " ensemble that cross-validate writes.")
    private List<String> models = new ArrayList<>();

    @Option(
            names = "--config",
            paramLabel = "FILE",
            description = "Experiment (YAML), instead of --model and together with --weights.")
    private Optional<Path> config = Optional.empty();

    @Option(
            names = "--weights",
            paramLabel = "PATH",
            description = "Weights: .safetensors, .pt, .pth, .bin or a checkpoint folder.")
    private Optional<Path> weights = Optional.empty();

    /**
     * Reads the model, of which there must be one.
     *
     * @throws ParameterException when neither or both ways are given, or several bundles
     * @throws IOException when a file can't be read
     */
    public ModelBundle read() throws IOException {
        Ensemble ensemble = readEnsemble();
        if (ensemble.size() > 1) {
            throw new ParameterException(
                    spec.commandLine(),
                    "--model: found " + ensemble.size()
                            + " bundles, expected one; only predict and serve take several");
        }
        return ensemble.first();
    }

    /**
     * Reads the model, or several.
     *
     * @throws ParameterException when neither or both ways are given
     * @throws ConfigException when several don't fit together
     * @throws IOException when a file can't be read
     */
    public Ensemble readEnsemble() throws IOException {
        boolean complete = config.isPresent() && weights.isPresent();
        boolean partial = config.isPresent() || weights.isPresent();
        if (models.isEmpty() != partial || partial && !complete) {
            throw new ParameterException(
                    spec.commandLine(), "expected either --model BUNDLE or both --config FILE and --weights PATH");
        }
        if (partial) {
            return Ensemble.of(assemble(config.get(), weights.get()));
        }
        List<ModelBundle> members = new ArrayList<>();
        List<String> names = new ArrayList<>();
        for (String text : models) {
            for (Path path : paths(text)) {
                for (Path bundle : EnsembleFolder.isEnsemble(path) ? EnsembleFolder.members(path) : List.of(path)) {
                    members.add(ModelBundle.read(bundle));
                    names.add(bundle.toString());
                }
            }
        }
        return new Ensemble(members, names);
    }

    /** Returns the paths that a text names: itself where it is one, else the parts of a list, else what a pattern matches. */
    private static List<Path> paths(String text) throws IOException {
        try {
            if (Files.exists(HomeFolder.expand(text))) {
                return List.of(HomeFolder.expand(text));
            }
        } catch (InvalidPathException e) {
            // Then it can only be a list or a pattern.
        }
        List<Path> paths = new ArrayList<>();
        if (text.contains(",")) {
            for (String part : text.split(",")) {
                if (!part.isBlank()) {
                    paths.addAll(paths(part.strip()));
                }
            }
            return paths;
        }
        if (!text.matches(".*[*?\\[{].*")) {
            return List.of(HomeFolder.expand(text));
        }
        paths.addAll(matches(text));
        if (paths.isEmpty()) {
            throw new NoSuchFileException(text, null, "no bundle matches this pattern");
        }
        return paths;
    }

    /** Returns what a pattern matches, sorted; each part of it matches one folder's entries. */
    private static List<Path> matches(String pattern) throws IOException {
        Path whole = HomeFolder.expand(pattern);
        List<Path> found = List.of(whole.isAbsolute() ? whole.getRoot() : Path.of(""));
        for (Path part : whole) {
            List<Path> next = new ArrayList<>();
            for (Path folder : found) {
                if (Files.exists(folder.resolve(part))) {
                    next.add(folder.resolve(part));
                } else if (Files.isDirectory(folder)) {
                    try (DirectoryStream<Path> entries = Files.newDirectoryStream(folder, part.toString())) {
                        entries.forEach(entry -> next.add(folder.resolve(entry.getFileName())));
                    }
                }
            }
            next.sort(null);
            found = next;
        }
        return found;
    }

    /** Makes a bundle from an experiment and weights. */
    private static ModelBundle assemble(Path config, Path weights) throws IOException {
        ExperimentConfig experiment = ExperimentConfig.read(config);
        Map<String, Object> provenance = new LinkedHashMap<>(Provenance.ofSoftware());
        provenance.put("origin", "weights " + weights + " with experiment " + config);
        try {
            return bundle(experiment, WeightFiles.read(weights, experiment.network()), provenance);
        } catch (StateDictMismatchException e) {
            throw e.in(weights);
        }
    }

    /**
     * Makes a bundle: preprocessing, labels, sliding window and which axes were mirrored are the experiment's, as its plan makes it if it
     * names one.
     *
     * @throws StateDictMismatchException when the weights don't fit
     * @throws IOException when the plan, or the data that it is to be made from, can't be read
     */
    public static ModelBundle bundle(
            ExperimentConfig given, org.segformer3d.api.weights.StateDict weights, Map<String, Object> provenance)
            throws IOException {
        ExperimentConfig experiment = Planning.of(given, done -> {}).config();
        Map<String, Object> origin = new LinkedHashMap<>(provenance);
        origin.put(
                ModelBundle.MIRRORED_AXES,
                RandomTransform.mirroredAxes(experiment.dataset().augmentation()));
        return new ModelBundle(
                experiment.project(),
                experiment.network(),
                weights,
                experiment.dataset().preprocessing(),
                labels(experiment),
                inference(experiment.validation()),
                origin);
    }

    /** Returns the experiment's sliding window. */
    private static InferenceSpec inference(ValidationSettings settings) {
        return new InferenceSpec(
                settings.roi(),
                settings.overlap(),
                settings.gaussian() ? Blend.GAUSSIAN : Blend.CONSTANT,
                settings.windowBatch());
    }

    /** Returns the experiment's labels, else the data set's, else numbered ones. */
    private static LabelSpec labels(ExperimentConfig experiment) throws IOException {
        DatasetSettings dataset = experiment.dataset();
        Optional<LabelSpec> spec = dataset.labels().spec();
        if (spec.isPresent()) {
            return spec.get();
        }
        LabelSpec.Mode mode = dataset.labels().softmax() ? LabelSpec.Mode.SOFTMAX : LabelSpec.Mode.SIGMOID;
        Network network = experiment.network();
        if (dataset.type().isOfficial() && network.numClasses() == 3 && mode == LabelSpec.Mode.SIGMOID) {
            return LabelSpec.preset(dataset.type() == DatasetSettings.Type.BRATS2017_SEG ? "brats2017" : "brats2021")
                    .ignoring(dataset.labels().ignored());
        }
        if (dataset.root().filter(Files::isDirectory).isPresent()) {
            DatasetLayout layout = dataset.type().isOfficial()
                    ? DatasetLayout.FOLDERS
                    : dataset.type().layout();
            return dataset.labels().of(layout.read(dataset.root().get()));
        }
        List<Region> regions = new ArrayList<>();
        if (mode == LabelSpec.Mode.SOFTMAX) {
            regions.add(Region.of("background", 0));
        }
        for (int value = 1; regions.size() < network.numClasses(); value++) {
            regions.add(Region.of("class " + value, value));
        }
        return new LabelSpec(mode, regions).ignoring(dataset.labels().ignored());
    }
}
