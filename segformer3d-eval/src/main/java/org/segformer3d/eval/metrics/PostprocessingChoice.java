package org.segformer3d.eval.metrics;

import com.fasterxml.jackson.core.JsonProcessingException;
import java.io.IOException;
import java.nio.charset.CharacterCodingException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import org.segformer3d.data.dataset.CaseReader;
import org.segformer3d.data.dataset.DatasetException;
import org.segformer3d.data.io.Remarks;
import org.segformer3d.data.labels.LabelSpec;
import org.segformer3d.data.labels.Region;
import org.segformer3d.data.volume.GridMatch;
import org.segformer3d.data.volume.Volume;
import org.segformer3d.eval.bundle.ModelBundle;
import org.segformer3d.eval.postprocessing.PostprocessingStep;
import org.segformer3d.eval.result.Json;
import org.segformer3d.eval.result.Provenance;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Which steps of postprocessing help, found on predictions of validation cases whose truth is known.
 *
 * <p>Each candidate is tried for all labels together and, where that isn't taken, for each label by itself, after the steps that were taken
 * before it. A step is taken when it raises the mean Dice and lowers that of no class. Dice is the mean over cases; of a case whose truth
 * is empty it is 1 where the prediction is empty too, and 0 otherwise, so that removing what isn't there is rewarded.
 *
 * @param classes names of what was scored
 * @param cases how many cases were scored
 * @param before mean Dice of each class without postprocessing
 * @param after mean Dice of each class with the steps taken
 * @param trials what was tried, in order
 */
public record PostprocessingChoice(
        List<String> classes, int cases, List<Double> before, List<Double> after, List<Trial> trials) {
    /** Key of a bundle's provenance under which a choice stands. */
    public static final String PROVENANCE = "postprocessing_choice";

    /** What is tried unless something else is asked for; volumes in mm³. */
    public static final List<PostprocessingStep> CANDIDATES = List.of(
            PostprocessingStep.parse("keep_largest"),
            PostprocessingStep.parse("remove_small=10"),
            PostprocessingStep.parse("remove_small=100"),
            PostprocessingStep.parse("remove_small=1000"),
            PostprocessingStep.parse("fill_holes"));

    /**
     * A step that was tried.
     *
     * @param step what was done, after the steps taken before
     * @param dice mean Dice of each class with it
     * @param gain of the mean over classes
     * @param taken whether it became part of the choice
     */
    public record Trial(PostprocessingStep step, List<Double> dice, double gain, boolean taken) {}

    /** Copies the lists. */
    public PostprocessingChoice {
        classes = List.copyOf(classes);
        before = List.copyOf(before);
        after = List.copyOf(after);
        trials = List.copyOf(trials);
    }

    /** Returns the steps that were taken, in order. */
    public List<PostprocessingStep> steps() {
        return trials.stream().filter(Trial::taken).map(Trial::step).toList();
    }

    /** Returns the mean of classes. */
    public static double mean(List<Double> dice) {
        return dice.stream().mapToDouble(Double::doubleValue).average().orElseThrow();
    }

    /**
     * Tries steps.
     *
     * @param evaluation the predictions and the truth, and which cases
     * @param spec what is scored, never {@code null}
     * @param candidates steps to try, in order; for all labels where they name none
     * @throws DatasetException when there is no case in common, a case has no partner or lies elsewhere, or predictions were cleaned already
     * @throws IOException when a file can't be read
     */
    public static PostprocessingChoice of(Evaluation evaluation, LabelSpec spec, List<PostprocessingStep> candidates)
            throws IOException {
        return new Search(evaluation, spec).run(candidates);
    }

    /** Returns what was taken and what it changed, for people. */
    public String sentence() {
        return steps().isEmpty()
                ? String.format(Locale.ROOT, "no step raises the mean Dice of %.4f", mean(before))
                : String.format(
                        Locale.ROOT,
                        "taken: %s (mean Dice %.4f, before %.4f)",
                        String.join(
                                " ",
                                steps().stream()
                                        .map(PostprocessingStep::toString)
                                        .toList()),
                        mean(after),
                        mean(before));
    }

    /**
     * Returns what a bundle's provenance says of the choice.
     *
     * @param bundle what predicted, never {@code null}
     * @param made how it was chosen, beside the software
     */
    public Map<String, Object> note(ModelBundle bundle, Map<String, Object> made) {
        Map<String, Object> note = Provenance.ofSoftware();
        note.putAll(made);
        note.put("configuration_hash_before", bundle.configurationHash());
        note.putAll(toMap());
        return note;
    }

    /**
     * Returns a bundle with the steps that were taken instead of its own, and a note in its provenance.
     *
     * @param bundle what predicted, never {@code null}
     * @param note see {@link #note}
     */
    public ModelBundle in(ModelBundle bundle, Map<String, Object> note) {
        return bundle.withInference(bundle.inference().withPostprocessing(steps()))
                .withProvenance(PROVENANCE, note);
    }

    /** Returns plain values for JSON. */
    public Map<String, Object> toMap() {
        Map<String, Object> map = new LinkedHashMap<>();
        map.put("cases", cases);
        map.put("classes", classes);
        map.put("dice_before", before);
        map.put("dice_after", after);
        map.put("steps", steps().stream().map(PostprocessingStep::toMap).toList());
        List<Map<String, Object>> tried = new ArrayList<>();
        for (Trial trial : trials) {
            Map<String, Object> one = new LinkedHashMap<>();
            one.put("step", trial.step().toString());
            one.put("dice", trial.dice());
            one.put("gain", trial.gain());
            one.put("taken", trial.taken());
            tried.add(one);
        }
        map.put("trials", tried);
        return map;
    }

    /** The search under way. */
    private static final class Search {
        private static final Logger LOG = LoggerFactory.getLogger(PostprocessingChoice.class);

        private final Map<String, Path> predicted;
        private final Map<String, Path> truth;
        private final List<Region> regions;
        private final Set<Integer> ignored;
        private final boolean ignoresGeometry;
        private final List<PostprocessingStep> taken = new ArrayList<>();

        Search(Evaluation evaluation, LabelSpec spec) throws IOException {
            this.predicted = new TreeMap<>(evaluation.predictionFiles());
            this.truth = evaluation.labelFiles();
            if (evaluation.cases().isPresent()) {
                predicted.keySet().retainAll(evaluation.cases().get());
            }
            this.regions = spec.regions().subList(spec.mode() == LabelSpec.Mode.SOFTMAX ? 1 : 0, spec.channels());
            this.ignored = Set.copyOf(spec.ignored());
            this.ignoresGeometry = evaluation.grids() == Evaluation.Grids.IGNORED;
            if (predicted.isEmpty()) {
                throw new DatasetException(evaluation.predictions(), "found none of the cases asked for");
            }
            for (Map.Entry<String, Path> one : predicted.entrySet()) {
                if (!truth.containsKey(one.getKey())) {
                    throw new DatasetException(
                            evaluation.labels(),
                            "no label for case '" + one.getKey() + "', expected a file such as " + one.getKey()
                                    + ".nii.gz");
                }
                requireUntouched(one.getValue(), evaluation.predictions().resolve(one.getKey() + ".json"));
            }
        }

        /** Steps are chosen for what the network says, not for what other steps have left of it. */
        private static void requireUntouched(Path prediction, Path description) throws IOException {
            try {
                if (Files.isRegularFile(description)
                        && Json.parse(Files.readString(description)).get("provenance") instanceof Map<?, ?> made
                        && made.get("model") instanceof Map<?, ?> model) {
                    Object member = model.get("members") instanceof List<?> members && !members.isEmpty()
                            ? members.get(0)
                            : model;
                    if (member instanceof Map<?, ?> of
                            && of.get("inference") instanceof Map<?, ?> inference
                            && inference.get("postprocessing") instanceof List<?> steps
                            && !steps.isEmpty()) {
                        throw new DatasetException(
                                prediction,
                                "found a prediction that was cleaned already (" + steps
                                        + "), expected one without; predict with --postprocess none first");
                    }
                }
            } catch (JsonProcessingException | CharacterCodingException e) {
                // Somebody else's file beside the predictions is none of our business.
                return;
            }
        }

        PostprocessingChoice run(List<PostprocessingStep> candidates) throws IOException {
            List<Double> before = dice(taken);
            List<Double> now = before;
            List<Trial> trials = new ArrayList<>();
            for (PostprocessingStep candidate : candidates) {
                Trial together = attempt(candidate, now);
                trials.add(together);
                if (together.taken()) {
                    now = together.dice();
                    continue;
                }
                Set<Integer> labels = new TreeSet<>();
                regions.forEach(region -> labels.add(region.write()));
                if (!candidate.labels().isEmpty() || labels.size() == 1) {
                    continue;
                }
                for (int label : labels) {
                    Trial alone = attempt(
                            new PostprocessingStep(candidate.kind(), List.of(label), candidate.cubicMillimetres()),
                            now);
                    trials.add(alone);
                    now = alone.taken() ? alone.dice() : now;
                }
            }
            return new PostprocessingChoice(
                    regions.stream().map(Region::name).toList(), predicted.size(), before, now, trials);
        }

        private Trial attempt(PostprocessingStep step, List<Double> now) throws IOException {
            List<PostprocessingStep> steps = new ArrayList<>(taken);
            steps.add(step);
            List<Double> dice = dice(steps);
            boolean worse = false;
            for (int c = 0; c < dice.size(); c++) {
                worse |= dice.get(c) < now.get(c);
            }
            double gain = mean(dice) - mean(now);
            boolean take = !worse && gain > 0;
            if (take) {
                taken.add(step);
            }
            return new Trial(step, dice, gain, take);
        }

        /** Returns the mean over cases of each class. Cases are read anew each time, since together they may be large. */
        private List<Double> dice(List<PostprocessingStep> steps) throws IOException {
            double[] sums = new double[regions.size()];
            for (Map.Entry<String, Path> one : predicted.entrySet()) {
                Path truthFile = truth.get(one.getKey());
                Volume found = CaseReader.read(one.getValue()).asLabels();
                Volume expected = CaseReader.read(truthFile).asLabels();
                try {
                    new GridMatch(found.geometry(), expected.geometry())
                            .take(one.getValue().toString(), truthFile.toString(), ignoresGeometry)
                            .ifPresent(remark -> Remarks.once(LOG, remark));
                } catch (IllegalArgumentException e) {
                    throw new DatasetException(one.getValue(), e.getMessage(), e);
                }
                found = found.withGeometry(expected.geometry());
                LabelPairs pairs = LabelPairs.count(
                        PostprocessingStep.applyAll(steps, found).values(), expected.values());
                for (int c = 0; c < sums.length; c++) {
                    sums[c] += pairs.overlap(regions.get(c).values(), ignored).diceCountingEmpty();
                }
            }
            return Arrays.stream(sums).mapToObj(sum -> sum / predicted.size()).toList();
        }
    }
}
