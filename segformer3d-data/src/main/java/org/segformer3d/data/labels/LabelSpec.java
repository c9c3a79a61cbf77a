package org.segformer3d.data.labels;

import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.TreeSet;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.segformer3d.api.config.ConfigException;
import org.segformer3d.api.config.Suggestions;
import org.segformer3d.api.tensor.DType;
import org.segformer3d.api.tensor.HostTensor;
import org.segformer3d.api.tensor.Shapes;
import org.segformer3d.data.dataset.LabelClass;
import org.segformer3d.data.dataset.SynapseReader;

/**
 * What each channel of a network means: the map from a label volume (D,H,W) to target channels (K,D,H,W) and from logits back.
 *
 * <ul>
 *   <li>{@link Mode#SOFTMAX}: the channels are classes that exclude one another; the first one is the background and holds value 0.
 *       Decoding takes the channel with the largest logit, the first of equals.
 *   <li>{@link Mode#SIGMOID}: each channel is a yes-or-no question of its own, without a background channel. Where no logit is
 *       positive (probability ½), decoding writes 0. Regions that share no value compete: the largest positive logit wins. Regions
 *       that do share values (in BraTS WT ⊃ TC ⊃ ET) are painted one over the other, from the one with most values to the one with
 *       fewest, in channel order among equals.
 * </ul>
 *
 * @param mode how channels relate, never {@code null}
 * @param regions one per channel, in channel order, at least one, at most 256, with distinct names
 */
public record LabelSpec(Mode mode, List<Region> regions) {
    /** How the channels relate to one another. */
    public enum Mode {
        /** Independent regions, which may overlap. */
        SIGMOID,
        /** Classes that exclude one another, background first. */
        SOFTMAX
    }

    private static final int MOST_REGIONS = 256;
    private static final Map<String, LabelSpec> PRESETS = presets();
    private static final List<String> KEYS = List.of("preset", "mode", "regions");
    private static final List<String> REGION_KEYS = List.of("name", "values", "write");

    /** Checks that the regions suit the mode. */
    public LabelSpec {
        Objects.requireNonNull(mode, "mode");
        regions = List.copyOf(regions);
        if (regions.isEmpty() || regions.size() > MOST_REGIONS) {
            throw ConfigException.of("labels.regions", regions.size() + " regions", "1 to " + MOST_REGIONS);
        }
        if (regions.stream().map(Region::name).distinct().count() != regions.size()) {
            throw ConfigException.of("labels.regions", names(regions), "distinct names");
        }
        if (mode == Mode.SOFTMAX) {
            Region background = regions.get(0);
            if (!background.values().contains(0)) {
                throw ConfigException.of(
                        "labels.regions",
                        "first class " + background.name() + " with values " + background.values(),
                        "the background, with value 0 among its values, as first class in softmax mode");
            }
            if (regions.size() == 1) {
                throw ConfigException.of("labels.regions", "one class", "background and at least one more");
            }
            if (!disjoint(regions)) {
                throw ConfigException.of("labels.regions", regions, "classes that share no value in softmax mode");
            }
        } else {
            for (Region region : regions) {
                if (region.values().contains(0)) {
                    throw ConfigException.of(
                            "labels.regions", region.name() + " with value 0", "no background in sigmoid mode");
                }
            }
        }
    }

    /**
     * Returns independent regions of one value each.
     *
     * @param names the names of the values 1, 2, 3…
     */
    public static LabelSpec sigmoid(String... names) {
        return new LabelSpec(Mode.SIGMOID, numbered(names));
    }

    /**
     * Returns exclusive classes of one value each, preceded by a background of value 0.
     *
     * @param names the names of the values 1, 2, 3…
     */
    public static LabelSpec softmax(String... names) {
        List<Region> regions = numbered(names);
        regions.add(0, Region.of("background", 0));
        return new LabelSpec(Mode.SOFTMAX, regions);
    }

    /**
     * Returns what a data set's description says about its labels.
     *
     * <p>In sigmoid mode the background is left out. A region of several values writes the smallest one that no smaller region inside it
     * claims, so that decoding gives back what was encoded where the description allows it.
     *
     * @param mode how the channels are to relate
     * @param labels the classes and regions, never {@code null}
     * @throws ConfigException when there are none, one is to be ignored, or they don't suit the mode
     */
    public static LabelSpec of(Mode mode, List<LabelClass> labels) {
        List<Region> regions = new ArrayList<>();
        for (LabelClass label : labels) {
            if (label.isIgnore()) {
                throw ConfigException.of("labels", "an ignore label", "classes only; ignore labels aren't supported");
            }
            if (mode == Mode.SIGMOID && label.values().equals(List.of(0))) {
                continue;
            }
            int write = label.values().stream()
                    .filter(value -> labels.stream()
                            .noneMatch(other ->
                                    other.values().size() < label.values().size()
                                            && other.values().contains(value)))
                    .min(Integer::compare)
                    .orElse(label.values().get(0));
            regions.add(new Region(label.name(), label.values(), write));
        }
        return new LabelSpec(mode, regions);
    }

    private static List<Region> numbered(String... names) {
        List<Region> regions = new ArrayList<>();
        for (int n = 0; n < names.length; n++) {
            regions.add(Region.of(names[n], n + 1));
        }
        return regions;
    }

    /**
     * Returns a well-known coding by name.
     *
     * <ul>
     *   <li>{@code brats2017}: the Decathlon's Task01 coding, 1 edema, 2 non-enhancing core, 3 enhancing tumour
     *   <li>{@code brats2021}: the challenge's own coding up to 2021, 1 necrotic core, 2 edema, 4 enhancing tumour
     *   <li>{@code brats2023}: the same with 3 for enhancing tumour
     *   <li>{@code acdc}: background, right ventricle, myocardium, left ventricle
     *   <li>{@code btcv13}: background and the thirteen organs of Synapse's abdominal CT
     *   <li>{@code synapse8}: the eight of them that TransUNet and nnFormer report, the others being background
     * </ul>
     *
     * All three give the channels TC, WT, ET in this order, as the official BraTS2017 run has them.
     *
     * @throws ConfigException when there is no such preset
     */
    public static LabelSpec preset(String name) {
        LabelSpec found = PRESETS.get(name.toLowerCase(Locale.ROOT));
        if (found == null) {
            throw ConfigException.of(
                    "labels.preset", "'" + name + "'", "one of " + String.join(", ", PRESETS.keySet()));
        }
        return found;
    }

    private static Map<String, LabelSpec> presets() {
        Map<String, LabelSpec> presets = new LinkedHashMap<>();
        presets.put("brats2017", brats(2, 1, 3));
        presets.put("brats2021", brats(1, 2, 4));
        presets.put("brats2023", brats(1, 2, 3));
        presets.put("acdc", classes(List.of(0), List.of("RV", "MYO", "LV"), List.of(1, 2, 3)));
        presets.put(
                "synapse8",
                classes(
                        List.of(0, 5, 9, 10, 12, 13),
                        List.of(
                                "aorta",
                                "gallbladder",
                                "left_kidney",
                                "right_kidney",
                                "liver",
                                "pancreas",
                                "spleen",
                                "stomach"),
                        List.of(8, 4, 3, 2, 6, 11, 1, 7)));
        List<String> organs = SynapseReader.ORGANS.subList(1, SynapseReader.ORGANS.size());
        presets.put(
                "btcv13",
                classes(
                        List.of(0),
                        organs,
                        IntStream.rangeClosed(1, organs.size()).boxed().toList()));
        return presets;
    }

    /** Exclusive classes after a background of the given values. */
    private static LabelSpec classes(List<Integer> background, List<String> names, List<Integer> values) {
        List<Region> regions = new ArrayList<>();
        regions.add(new Region("background", background, 0));
        for (int n = 0; n < names.size(); n++) {
            regions.add(Region.of(names.get(n), values.get(n)));
        }
        return new LabelSpec(Mode.SOFTMAX, regions);
    }

    private static LabelSpec brats(int core, int edema, int enhancing) {
        return new LabelSpec(
                Mode.SIGMOID,
                List.of(
                        new Region("TC", List.of(core, enhancing), core),
                        new Region("WT", List.of(core, edema, enhancing), edema),
                        Region.of("ET", enhancing)));
    }

    /** Returns the number of channels K. */
    public int channels() {
        return regions.size();
    }

    /** Returns the names of the regions in channel order. */
    public List<String> names() {
        return names(regions);
    }

    private static List<String> names(List<Region> regions) {
        return regions.stream().map(Region::name).toList();
    }

    /** Returns every label value that encoding accepts, in ascending order: 0 and the values of the regions. */
    public List<Integer> knownValues() {
        TreeSet<Integer> values = new TreeSet<>();
        values.add(0);
        regions.forEach(region -> values.addAll(region.values()));
        return List.copyOf(values);
    }

    /** Returns whether no value belongs to two regions. */
    public boolean isDisjoint() {
        return disjoint(regions);
    }

    private static boolean disjoint(List<Region> regions) {
        long distinct =
                regions.stream().flatMap(r -> r.values().stream()).distinct().count();
        return distinct == regions.stream().mapToLong(r -> r.values().size()).sum();
    }

    /**
     * Returns the target channels of a label volume: channel k is 1 where the label belongs to region k, else 0.
     *
     * @param labels shape (D,H,W), any element type, whole numbers, never {@code null}
     * @return uint8, shape (K,D,H,W)
     * @throws UnknownLabelException when a value other than 0 belongs to no region
     */
    public HostTensor encode(HostTensor labels) {
        return encode(labels, "label volume");
    }

    /**
     * Returns the target channels of a label volume, naming the volume where it holds an unknown value.
     *
     * @param labels shape (D,H,W), any element type, whole numbers, never {@code null}
     * @param source the file or case, for the message
     * @return uint8, shape (K,D,H,W)
     * @throws UnknownLabelException when a value other than 0 belongs to no region
     */
    public HostTensor encode(HostTensor labels, String source) {
        long[] shape = labels.shape();
        if (shape.length != 3) {
            throw new IllegalArgumentException("labels: found shape " + Shapes.text(shape) + ", expected D×H×W");
        }
        HostTensor target = HostTensor.zeros(DType.UINT8, channels(), shape[0], shape[1], shape[2]);
        encode(LabelValues.of(labels, source), target.bytes(), source);
        return target;
    }

    /**
     * Writes the target channels of label values to a buffer, channel after channel, and advances its position.
     *
     * @param labels N label values
     * @param target room for K·N bytes
     * @param source the file or case, for the message
     * @throws UnknownLabelException when a value other than 0 belongs to no region
     * @throws java.nio.BufferOverflowException when there is too little room
     */
    public void encode(short[] labels, ByteBuffer target, String source) {
        int first = knownValues().get(0);
        byte[] plane = new byte[labels.length];
        for (int k = 0; k < channels(); k++) {
            byte[] member = membership(k);
            for (int n = 0; n < plane.length; n++) {
                int at = labels[n] - first;
                if (at < 0 || at >= member.length || member[at] < 0) {
                    throw unknown(source, List.of((int) labels[n]));
                }
                plane[n] = member[at];
            }
            target.put(plane);
        }
    }

    /**
     * Checks that a label volume holds known values only.
     *
     * @param labels any shape and element type, never {@code null}
     * @param source the file or case, for the message
     * @throws UnknownLabelException when values other than 0 belong to no region; all of them are named
     */
    public void requireKnown(HostTensor labels, String source) {
        byte[] member = membership(0);
        int first = knownValues().get(0);
        TreeSet<Integer> strange = new TreeSet<>();
        short last = 0;
        for (short value : LabelValues.of(labels, source)) {
            // Neighbours are mostly equal, so the set is rarely asked.
            if (value != last) {
                int at = value - first;
                if (at < 0 || at >= member.length || member[at] < 0) {
                    strange.add((int) value);
                }
                last = value;
            }
        }
        if (!strange.isEmpty()) {
            throw unknown(source, strange);
        }
    }

    /** Returns for each value (less the first known one) whether it is in the region: 1, is not: 0, is unknown: −1. */
    private byte[] membership(int channel) {
        List<Integer> known = knownValues();
        int first = known.get(0);
        byte[] member = new byte[known.get(known.size() - 1) - first + 1];
        Arrays.fill(member, (byte) -1);
        for (int value : known) {
            member[value - first] = 0;
        }
        for (int value : regions.get(channel).values()) {
            member[value - first] = 1;
        }
        return member;
    }

    private UnknownLabelException unknown(String source, Collection<Integer> values) {
        String found = values.stream().limit(20).map(String::valueOf).collect(Collectors.joining(", "));
        String known = knownValues().stream().map(String::valueOf).collect(Collectors.joining(", "));
        return new UnknownLabelException(source + ": found label value" + (values.size() == 1 ? " " : "s ") + found
                + (values.size() > 20 ? ", …" : "") + ", expected only " + known + " (" + String.join(", ", names())
                + "); add what is missing to a region of the labels section"
                + (mode == Mode.SOFTMAX ? ", to the background where it is to be ignored" : ""));
    }

    /**
     * Returns the label volume that logits stand for.
     *
     * @param logits shape (K,D,H,W), any floating type, never {@code null}
     * @return shape (D,H,W), uint8 where every value that can be written lies in 0…255, int16 otherwise
     * @throws IllegalArgumentException when the shape doesn't have K channels
     */
    public HostTensor decode(HostTensor logits) {
        short[] labels = decoder().decode(logits);
        return LabelValues.tensor(labels, writesBytes(), logits.size(1), logits.size(2), logits.size(3));
    }

    /** Returns whether every value that can be written lies in 0…255. */
    public boolean writesBytes() {
        return regions.stream().allMatch(r -> r.write() >= 0 && r.write() <= 255);
    }

    /** Returns a decoder that uses its memory again, for volumes that come in many parts. */
    public Decoder decoder() {
        return new Decoder();
    }

    /** Decodes one part of a volume after the other. For one thread. */
    public final class Decoder {
        private short[] labels = {};
        private float[] best = {};
        private float[] channel = {};

        private Decoder() {}

        /**
         * Returns the labels that logits stand for.
         *
         * @param logits as for {@link LabelSpec#decode}
         * @return as many labels as there are voxels; the array is used again when the next part has equally many
         * @throws IllegalArgumentException when the shape doesn't have K channels
         */
        public short[] decode(HostTensor logits) {
            long[] shape = logits.shape();
            if (shape.length != 4 || shape[0] != channels()) {
                throw new IllegalArgumentException("logits: found shape " + Shapes.text(shape) + ", expected "
                        + channels() + "×D×H×W for the channels " + String.join(", ", names()));
            }
            int voxels = Math.toIntExact(Shapes.elements(shape[1], shape[2], shape[3]));
            if (labels.length != voxels) {
                labels = new short[voxels];
                channel = new float[voxels];
                best = new float[voxels];
            }
            if (mode == Mode.SOFTMAX || isDisjoint()) {
                decodeLargest(logits);
            } else {
                decodePainted(logits);
            }
            return labels;
        }

        private void decodeLargest(HostTensor logits) {
            boolean background = mode == Mode.SOFTMAX;
            Arrays.fill(best, background ? Float.NEGATIVE_INFINITY : 0);
            Arrays.fill(labels, background ? (short) regions.get(0).write() : 0);
            for (int k = 0; k < channels(); k++) {
                read(logits, k, channel);
                short write = (short) regions.get(k).write();
                for (int n = 0; n < labels.length; n++) {
                    if (channel[n] > best[n]) {
                        best[n] = channel[n];
                        labels[n] = write;
                    }
                }
            }
        }

        private void decodePainted(HostTensor logits) {
            Arrays.fill(labels, (short) 0);
            for (int k : paintingOrder()) {
                read(logits, k, channel);
                short write = (short) regions.get(k).write();
                for (int n = 0; n < labels.length; n++) {
                    if (channel[n] > 0) {
                        labels[n] = write;
                    }
                }
            }
        }
    }

    /** Returns the channels as they are painted over one another: most values first, channel order among equals. */
    private List<Integer> paintingOrder() {
        List<Integer> order = new ArrayList<>();
        for (int k = 0; k < channels(); k++) {
            order.add(k);
        }
        order.sort((a, b) -> Integer.compare(
                regions.get(b).values().size(), regions.get(a).values().size()));
        return order;
    }

    private static void read(HostTensor logits, int k, float[] channel) {
        int from = Math.multiplyExact(k, channel.length);
        if (logits.dtype() == DType.FLOAT32) {
            logits.floatBuffer().get(from, channel);
            return;
        }
        for (int n = 0; n < channel.length; n++) {
            channel[n] = (float) logits.get(from + n);
        }
    }

    /** Returns this specification as plain maps, lists, text and numbers; {@link #fromMap} reads it back. */
    public Map<String, Object> toMap() {
        List<Map<String, Object>> list = new ArrayList<>();
        for (Region region : regions) {
            Map<String, Object> entry = new LinkedHashMap<>();
            entry.put("name", region.name());
            entry.put("values", region.values());
            entry.put("write", region.write());
            list.add(entry);
        }
        Map<String, Object> map = new LinkedHashMap<>();
        map.put("mode", mode.name().toLowerCase(Locale.ROOT));
        map.put("regions", list);
        return map;
    }

    /**
     * Reads a specification from configuration.
     *
     * <p>Keys: {@code preset} alone, or {@code mode} ({@code sigmoid}, {@code softmax}) and {@code regions}, a list of {@code name},
     * {@code values} (a number or a list) and optionally {@code write} (by default the only value).
     *
     * @throws ConfigException when a key is unknown, missing or has the wrong kind of value
     */
    public static LabelSpec fromMap(Map<String, ?> map) {
        requireKeys("labels", map, KEYS);
        if (map.containsKey("preset")) {
            if (map.size() > 1) {
                throw ConfigException.of("labels", "the keys " + map.keySet(), "preset alone");
            }
            return preset(String.valueOf(map.get("preset")));
        }
        Mode mode = mode(map.get("mode"));
        if (!(map.get("regions") instanceof List<?> list) || list.isEmpty()) {
            throw ConfigException.of("labels.regions", map.get("regions"), "a list of {name, values, write}");
        }
        List<Region> regions = new ArrayList<>();
        for (int n = 0; n < list.size(); n++) {
            regions.add(region("labels.regions[" + n + "]", list.get(n)));
        }
        return new LabelSpec(mode, regions);
    }

    private static Mode mode(Object found) {
        for (Mode mode : Mode.values()) {
            if (found instanceof String text && mode.name().equalsIgnoreCase(text)) {
                return mode;
            }
        }
        throw ConfigException.of("labels.mode", found == null ? "nothing" : found, "sigmoid or softmax");
    }

    private static Region region(String where, Object found) {
        if (!(found instanceof Map<?, ?> map)) {
            throw ConfigException.of(where, found, "{name, values, write}");
        }
        requireKeys(where, map, REGION_KEYS);
        if (!(map.get("name") instanceof String name)) {
            throw ConfigException.of(where + ".name", map.get("name"), "text");
        }
        List<Integer> values = new ArrayList<>();
        if (map.get("values") instanceof Collection<?> list) {
            for (Object value : list) {
                values.add(whole(where + ".values", value));
            }
        } else {
            values.add(whole(where + ".values", map.get("values")));
        }
        if (map.get("write") == null && values.size() != 1) {
            throw ConfigException.of(where + ".write", "nothing", "the value to write, one of " + values);
        }
        return new Region(
                name, values, map.get("write") == null ? values.get(0) : whole(where + ".write", map.get("write")));
    }

    private static int whole(String where, Object found) {
        if (found instanceof Number number && number.doubleValue() == number.intValue()) {
            return number.intValue();
        }
        throw ConfigException.of(where, found == null ? "nothing" : found, "a whole number");
    }

    private static void requireKeys(String where, Map<?, ?> map, List<String> known) {
        for (Object key : map.keySet()) {
            if (!known.contains(String.valueOf(key))) {
                throw new ConfigException(Suggestions.unknownKey(where, String.valueOf(key), known));
            }
        }
    }
}
