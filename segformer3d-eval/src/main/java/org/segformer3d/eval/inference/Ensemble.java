package org.segformer3d.eval.inference;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.function.Function;
import java.util.function.UnaryOperator;
import org.segformer3d.api.config.ConfigException;
import org.segformer3d.api.network.Network;
import org.segformer3d.data.labels.LabelSpec;
import org.segformer3d.eval.bundle.ModelBundle;
import org.segformer3d.eval.postprocessing.PostprocessingStep;
import org.segformer3d.eval.result.Json;

/**
 * One model bundle, or several that predict together: p̄(v) = 1/M Σ pₘ(v), the mean of the members' probabilities.
 *
 * <p>Each member goes over the scan with its own network, sliding window and mirroring; its probabilities are the softmax (exclusive
 * classes) or sigmoid (regions) of its blended logits. Labels are decoded from the mean, and the first member's postprocessing cleans
 * them. What is kept as logits are those whose probabilities are the mean, so that everything else is as for one bundle; an ensemble of
 * twice the same bundle gives what the bundle gives, bit for bit.
 *
 * <p>Members are used one after the other, strip by strip where memory is short: beside one network at work there are the weights of
 * the others and one float32 value a class and voxel of a strip.
 *
 * <pre>{@code
 * Ensemble folds = Ensemble.of(List.of(ModelBundle.read(Path.of("fold0")), ModelBundle.read(Path.of("fold1"))));
 * try (Backend backend = Backends.choose(Optional.empty()).open(BackendOptions.defaults());
 *         Segmenter segmenter = Segmenter.open(backend, folds, MemoryBudget.AVAILABLE)) {
 *     VolumeFiles.writeLabels(Path.of("labels.nii.gz"), segmenter.segment(List.of(Path.of("scan.nii.gz"))).labels());
 * }
 * }</pre>
 *
 * @param members at least one, agreeing on channels, labels and preprocessing
 * @param names what messages and provenance call the members, one each
 */
public record Ensemble(List<ModelBundle> members, List<String> names) {
    /**
     * Validates.
     *
     * @throws ConfigException naming what members differ in, and both values
     */
    public Ensemble {
        members = List.copyOf(members);
        names = List.copyOf(names);
        if (members.isEmpty() || members.size() != names.size()) {
            throw new IllegalArgumentException("found " + members.size() + " models and " + names.size()
                    + " names, expected at least one model and a name for each");
        }
        Map<String, Object> expected = interfaceOf(members.get(0));
        for (int m = 1; m < members.size(); m++) {
            Map<String, Object> found = interfaceOf(members.get(m));
            for (String key : keys(expected, found)) {
                if (!Objects.equals(expected.get(key), found.get(key))) {
                    throw ConfigException.of(
                            key,
                            shown(found.get(key)) + " in " + names.get(m),
                            shown(expected.get(key)) + " as in " + names.get(0)
                                    + "; the models of an ensemble must agree in it");
                }
            }
        }
    }

    /**
     * Returns an ensemble whose members are called by the bundles' names and their numbers from 1.
     *
     * @throws ConfigException naming what members differ in, and both values
     */
    public static Ensemble of(List<ModelBundle> members) {
        List<String> names = new ArrayList<>();
        for (int m = 0; m < members.size(); m++) {
            names.add("model " + (m + 1) + " '" + members.get(m).name() + "'");
        }
        return new Ensemble(members, names);
    }

    /** Returns an ensemble of one. */
    public static Ensemble of(ModelBundle bundle) {
        return of(List.of(bundle));
    }

    private static LinkedHashSet<String> keys(Map<String, Object> a, Map<String, Object> b) {
        LinkedHashSet<String> keys = new LinkedHashSet<>(a.keySet());
        keys.addAll(b.keySet());
        return keys;
    }

    private static Object shown(Object value) {
        return value == null ? "nothing" : value;
    }

    /** Returns what members must have in common: what comes in, what goes out, and where it lies. */
    private static Map<String, Object> interfaceOf(ModelBundle bundle) {
        Map<String, Object> map = new LinkedHashMap<>();
        map.put("model_parameters.in_channels", bundle.network().inChannels());
        map.put("model_parameters.num_classes", bundle.network().numClasses());
        map.put("labels.mode", bundle.labels().mode().name().toLowerCase(Locale.ROOT));
        map.put("labels.regions", bundle.labels().regions());
        bundle.preprocessing().toMap().forEach((key, value) -> map.put("preprocessing." + key, value));
        return map;
    }

    /** Returns the members' networks. */
    public List<Network> networks() {
        return members.stream().map(ModelBundle::network).toList();
    }

    /** Returns the first member, whose preprocessing, labels and postprocessing are used. */
    public ModelBundle first() {
        return members.get(0);
    }

    /** Returns how many members there are. */
    public int size() {
        return members.size();
    }

    /** Returns what the channels mean. */
    public LabelSpec labels() {
        return first().labels();
    }

    /** Returns the steps that clean the labels: the first member's. */
    public List<PostprocessingStep> postprocessing() {
        return first().inference().postprocessing();
    }

    /** Returns this with every member's inference settings changed as befits the member. */
    public Ensemble withMembersInference(Function<ModelBundle, InferenceSpec> change) {
        return new Ensemble(
                members.stream()
                        .map(member -> member.withInference(change.apply(member)))
                        .toList(),
                names);
    }

    /** Returns this with every member's inference settings changed. */
    public Ensemble withInference(UnaryOperator<InferenceSpec> change) {
        return withMembersInference(member -> change.apply(member.inference()));
    }

    /** Returns the bundle's name, or for several {@code ensemble of N} with their names. */
    public String name() {
        if (size() == 1) {
            return first().name();
        }
        return "ensemble of " + size() + ": "
                + String.join(
                        ", ",
                        new LinkedHashSet<>(
                                members.stream().map(ModelBundle::name).toList()));
    }

    /** Returns the hash of the weights, or for several one of all members' in order. */
    public String weightsHash() {
        return hash(members.stream().map(member -> member.weights().hash()).toList());
    }

    /** Returns {@link ModelBundle#configurationHash()}, or for several one of all members' in order. */
    public String configurationHash() {
        return hash(members.stream().map(ModelBundle::configurationHash).toList());
    }

    private static String hash(List<String> hashes) {
        return hashes.size() == 1 ? hashes.get(0) : Json.hash(Map.of("members", hashes));
    }

    /** Returns what a result's provenance says of the model: names, hashes, settings and history; for several, of each member. */
    public Map<String, Object> toMap() {
        if (size() == 1) {
            return toMap(first());
        }
        Map<String, Object> map = new LinkedHashMap<>();
        map.put("name", name());
        map.put("weights_hash", weightsHash());
        map.put("configuration_hash", configurationHash());
        map.put("combined_by", "mean of probabilities");
        List<Map<String, Object>> list = new ArrayList<>();
        for (int m = 0; m < size(); m++) {
            Map<String, Object> member = new LinkedHashMap<>();
            member.put("source", names.get(m));
            member.putAll(toMap(members.get(m)));
            list.add(member);
        }
        map.put("members", list);
        return map;
    }

    private static Map<String, Object> toMap(ModelBundle bundle) {
        Map<String, Object> map = new LinkedHashMap<>();
        map.put("name", bundle.name());
        map.put("weights_hash", bundle.weights().hash());
        map.put("configuration_hash", bundle.configurationHash());
        map.put("inference", bundle.inference().toMap());
        map.put("provenance", bundle.provenance());
        return map;
    }
}
