package org.segformer3d.cli.option;

import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.segformer3d.api.block.Grid;
import org.segformer3d.api.config.ConfigException;
import org.segformer3d.eval.bundle.ModelBundle;
import org.segformer3d.eval.inference.Blend;
import org.segformer3d.eval.inference.Ensemble;
import org.segformer3d.eval.inference.InferenceSpec;
import org.segformer3d.eval.inference.MemoryBudget;
import org.segformer3d.eval.postprocessing.PostprocessingStep;
import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;
import picocli.CommandLine.Spec.Target;
import picocli.CommandLine.TypeConversionException;

/** How models predict where it isn't to be their own way: window, blending, mirroring, postprocessing, memory. */
public final class InferenceOptions {
    @Spec(Target.MIXEE)
    private CommandSpec spec;

    @Option(
            names = "--roi",
            paramLabel = "D,H,W",
            converter = GridConverter.class,
            description = "Size of the sliding window (default: the model's).")
    private Optional<Grid> roi = Optional.empty();

    @Option(
            names = "--overlap",
            paramLabel = "F",
            description = "Overlap of neighbouring windows, in [0, 1) (default: the model's).")
    private Optional<Double> overlap = Optional.empty();

    @Option(
            names = "--blend",
            paramLabel = "KIND",
            converter = BlendConverter.class,
            description = "gaussian or constant weights of a window's voxels (default: the model's).")
    private Optional<Blend> blend = Optional.empty();

    @Option(
            names = "--window-batch",
            paramLabel = "N",
            description = "Windows computed at once (default: the model's).")
    private Optional<Integer> windowBatch = Optional.empty();

    @Option(
            names = "--tta",
            description =
                    "Average over mirrored copies along the axes that the model's training mirrored, or along --tta-axes; takes up to 8 times as long.")
    private boolean mirror;

    @Option(
            names = "--tta-axes",
            paramLabel = "AXES",
            split = ",",
            description =
                    "Axes to mirror, out of 0, 1, 2 (default: those that the model's training mirrored; others are warned about).")
    private List<Integer> mirrorAxes = new ArrayList<>();

    @Option(
            names = "--postprocess",
            paramLabel = "STEP",
            arity = "1..*",
            description =
                    "Clean the labels, step by step: keep_largest (component), remove_small=MM3, fill_holes; @1+2 after a"
                            + " step limits it to labels 1 and 2; none for nothing (default: the model's, of several the first's).")
    private List<String> postprocessing = new ArrayList<>();

    @Option(
            names = "--memory",
            paramLabel = "SIZE",
            converter = MemoryConverter.class,
            description =
                    "Memory the process may take, for example 4GiB, or 50%% of what there is (default: 80%% of what"
                            + " the machine and its limits leave). Each scan is predicted the fastest way that is estimated to fit,"
                            + " or refused with what it needs.")
    private MemoryBudget memory = MemoryBudget.AVAILABLE;

    /** Returns the memory that the process may take. */
    public MemoryBudget memory() {
        return memory;
    }

    /**
     * Returns models that predict as they are told to, and as their own settings say in everything else.
     *
     * @throws ParameterException when a value is out of range
     */
    public Ensemble applyTo(Ensemble ensemble) {
        try {
            return ensemble.withMembersInference(this::adjusted);
        } catch (ConfigException e) {
            throw new ParameterException(spec.commandLine(), e.getMessage(), e);
        }
    }

    private InferenceSpec adjusted(ModelBundle model) {
        InferenceSpec result = model.inference();
        if (roi.isPresent()) {
            result = result.withRoi(roi.get());
        }
        if (overlap.isPresent()) {
            result = result.withOverlap(overlap.get());
        }
        if (blend.isPresent()) {
            result = result.withBlend(blend.get());
        }
        if (windowBatch.isPresent()) {
            result = result.withBatchSize(windowBatch.get());
        }
        if (!mirrorAxes.isEmpty()) {
            result = result.withMirrorAxes(mirrorAxes);
            warnOfMirroring(model);
        } else if (mirror && result.mirrorAxes().isEmpty()) {
            result = result.withMirrorAxes(mirroredInTraining(model));
        }
        if (!postprocessing.isEmpty()) {
            result = result.withPostprocessing(
                    postprocessing.equals(List.of("none"))
                            ? List.of()
                            : postprocessing.stream()
                                    .map(PostprocessingStep::parse)
                                    .toList());
        }
        return result;
    }

    /** Returns the axes that a network knows mirrored images along. On others it may take left for right, so nobody guesses them. */
    private List<Integer> mirroredInTraining(ModelBundle model) {
        List<Integer> axes = model.mirroredAxes()
                .orElseThrow(() -> new ParameterException(
                        spec.commandLine(),
                        "--tta: the model '" + model.name()
                                + "' doesn't say which axes its training mirrored, and along others mirroring does harm; name"
                                + " those that were mirrored (flip in its augmentation), for example --tta-axes 0"));
        if (axes.isEmpty()) {
            say("--tta: the training of the model '" + model.name()
                    + "' mirrored no axis, so nothing is mirrored; --tta-axes names axes all the same");
        }
        return axes;
    }

    private void warnOfMirroring(ModelBundle model) {
        if (model.mirroredAxes().isEmpty()) {
            say("--tta-axes: the model '" + model.name()
                    + "' doesn't say which axes its training mirrored; along others mirroring does harm");
            return;
        }
        List<Integer> strange = new ArrayList<>(mirrorAxes);
        strange.removeAll(model.mirroredAxes().get());
        if (!strange.isEmpty()) {
            say("--tta-axes: the training of the model '" + model.name() + "' mirrored "
                    + (model.mirroredAxes().get().isEmpty()
                            ? "no axis"
                            : "the axes " + model.mirroredAxes().get() + " only")
                    + "; mirroring along " + strange + " may take one side for the other and do harm");
        }
    }

    private void say(String warning) {
        spec.commandLine().getErr().println("segformer3d: " + warning);
        spec.commandLine().getErr().flush();
    }

    /** Reads how windows are blended. */
    static final class BlendConverter implements ITypeConverter<Blend> {
        @Override
        public Blend convert(String text) {
            try {
                return Blend.parse(text);
            } catch (ConfigException e) {
                throw new TypeConversionException(e.getMessage());
            }
        }
    }
}
