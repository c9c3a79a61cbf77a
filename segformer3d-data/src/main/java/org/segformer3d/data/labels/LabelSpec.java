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
import java.util.Optional;
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
 *       fewest, in channel order among equals; or all of them in channel order, where the data set says so.
 * </ul>
 *
 * <p>Values to ignore mark voxels that nobody labelled. They belong to no channel, count neither for the loss nor for scores, and are
 * never written.
 *
 * @param mode how channels relate, never {@code null}
 * @param regions one per channel, in channel order, at least one, at most 256, with distinct names
 * @param painting in which order regions are written over one another, never {@code null}
 * @param ignored label values to ignore, none of them 0 or a region's; kept sorted and without repetition
 */
public record LabelSpec(Mode mode, List<Region> regions, Painting painting, List<Integer> ignored) {
    /** How the channels relate to one another. */
    public enum Mode {
        /** Independent regions, which may overlap. */
        SIGMOID,
        /** Classes that exclude one another, background first. */
        SOFTMAX
    }

    /** In which order independent regions are written. */
    public enum Painting {
        /** The largest first, as far as they share values; those that share none compete. */
        BY_SIZE,
        /** In channel order, each over what stands there, as nnU-Net's {@code regions_class_order} says. */
        IN_TURN
    }

    private static final int MOST_REGIONS = 256;
    private static final Map<String, LabelSpec> PRESETS = presets();
    private static final List<String> KEYS = List.of("preset", "mode", "regions", "painting", "ignore");
    private static final List<String> REGION_KEYS = List.of("name", "values", "write");

    /** Checks that the regions suit the mode. */
    public LabelSpec {
        Objects.requireNonNull(mode, "mode");
        Objects.requireNonNull(painting, "painting");
        regions = List.copyOf(regions);
        ignored = List.copyOf(new TreeSet<>(ignored));
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
                throw ConfigException.of(
                        "labels.regions",
                        regions.stream()
                                .map(region -> region.name() + " " + region.values())
                                .collect(Collectors.joining(", ")),
                        "classes that share no value in softmax mode, or sigmoid mode");
            }
            if (painting == Painting.IN_TURN) {
                throw ConfigException.of(
                        "labels.painting", "in_turn", "it in sigmoid mode only: classes exclude one another");
            }
        } else {
            for (Region region : regions) {
                if (region.values().contains(0)) {
                    throw ConfigException.of(
                            "labels.regions", region.name() + " with value 0", "no background in sigmoid mode");
                }
            }
        }
        for (int value : ignored) {
            if (value == 0 || value != (short) value) {
                throw ConfigException.of(
                        "labels.ignore", value, "values of -32768…32767 other than 0, which is the background");
            }
            for (Region region : regions) {
                if (region.values().contains(value)) {
                    throw ConfigException.of(
                            "labels.ignore",
                            value + ", which is a value of '" + region.name() + "'",
                            "a value of no region");
                }
            }
        }
    }

    /** Describes labels of which none is ignored and the largest is painted first. */
    public LabelSpec(Mode mode, List<Region> regions) {
        this(mode, regions, Painting.BY_SIZE, List.of());
    }

    /** Returns these labels with some more values to ignore. */
    public LabelSpec ignoring(Collection<Integer> values) {
        List<Integer> all = new ArrayList<>(ignored);
        all.addAll(values);
        return new LabelSpec(mode, regions, painting, all);
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
     * <p>In sigmoid mode the background is left out. A label writes the value that the data set says; where it doesn't say, the first of
     * its values that no smaller label claims, so that decoding gives back what was encoded where the description allows it.
     *
     * @param mode how the channels are to relate
     * @param labels the classes and regions, never {@code null}
     * @throws ConfigException when there are none, or they don't suit the mode
     */
    public static LabelSpec of(Mode mode, List<LabelClass> labels) {
        List<Region> regions = new ArrayList<>();
        List<Integer> ignored = new ArrayList<>();
        boolean inTurn = false;
        for (LabelClass label : labels) {
            if (label.isIgnore()) {
                ignored.addAll(label.values());
            } else if (mode == Mode.SOFTMAX || !label.isBackground()) {
                regions.add(
                        new Region(label.name(), label.values(), label.write().orElse(written(label, labels))));
                inTurn |= label.write().isPresent();
            }
        }
        return new LabelSpec(
                mode, regions, inTurn && mode == Mode.SIGMOID ? Painting.IN_TURN : Painting.BY_SIZE, ignored);
    }

    private static int written(LabelClass region, List<LabelClass> all) {
        for (int value : region.values()) {
            boolean claimed = all.stream()
                    .anyMatch(other -> other.values().size() < region.values().size()
                            && other.values().contains(value));
            if (!claimed) {
                return value;
            }
        }
        return region.values().get(0);
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

    /** Returns every label value that encoding accepts, in ascending order: 0, the values of the regions and those to ignore. */
    public List<Integer> knownValues() {
        TreeSet<Integer> values = new TreeSet<>(ignored);
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
     * Writes to a buffer which voxels count, 1 or 0 for each, and advances its position.
     *
     * @param labels N label values
     * @param target room for N bytes
     * @return whether one of them doesn't count: its value is to be ignored
     * @throws java.nio.BufferOverflowException when there is too little room
     */
    public boolean mask(short[] labels, ByteBuffer target) {
        byte[] counts = new byte[labels.length];
        boolean left = false;
        for (int n = 0; n < counts.length; n++) {
            boolean leave = isIgnored(labels[n]);
            counts[n] = (byte) (leave ? 0 : 1);
            left |= leave;
        }
        target.put(counts);
        return left;
    }

    /**
     * Returns which voxels of a label volume count: 1, or 0 where the value is to be ignored.
     *
     * @param labels shape (D,H,W), any element type, whole numbers, never {@code null}
     * @param source the file or case, for the message
     * @return uint8, shape (1,D,H,W); empty when all count
     */
    public Optional<HostTensor> mask(HostTensor labels, String source) {
        if (ignored.isEmpty()) {
            return Optional.empty();
        }
        HostTensor mask = HostTensor.zeros(DType.UINT8, 1, labels.size(0), labels.size(1), labels.size(2));
        return mask(LabelValues.of(labels, source), mask.bytes()) ? Optional.of(mask) : Optional.empty();
    }

    /** Few values are ignored, mostly one, so that a list is looked through quickly. */
    private boolean isIgnored(short value) {
        for (int one : ignored) {
            if (one == value) {
                return true;
            }
        }
        return false;
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
        boolean one = values.size() == 1;
        // Background is something that a network learns; nobody must make it of voxels that weren't labelled.
        return new UnknownLabelException(source + ": found label value" + (one ? " " : "s ") + found
                + (values.size() > 20 ? ", …" : "") + ", expected only " + known + " (" + String.join(", ", names())
                + "); name " + (one ? "it" : "them")
                + " in a region of the labels section or, where nobody labelled these voxels, in its key ignore (ignore: "
                + (one ? found : "[" + found + "]") + "), which leaves them out of training and scores");
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
            if (mode == Mode.SOFTMAX || isDisjoint() && painting == Painting.BY_SIZE) {
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

    /** Returns the channels as they are painted over one another. */
    private List<Integer> paintingOrder() {
        List<Integer> order = new ArrayList<>();
        for (int k = 0; k < channels(); k++) {
            order.add(k);
        }
        if (painting == Painting.BY_SIZE) {
            order.sort((a, b) -> Integer.compare(
                    regions.get(b).values().size(), regions.get(a).values().size()));
        }
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
        // Left out where they are the default, so that versions that don't know them read what they can do.
        if (painting != Painting.BY_SIZE) {
            map.put("painting", painting.name().toLowerCase(Locale.ROOT));
        }
        if (!ignored.isEmpty()) {
            map.put("ignore", ignored);
        }
        return map;
    }

    /**
     * Reads a specification from configuration.
     *
     * <p>Keys: {@code preset}, or {@code mode} ({@code sigmoid}, {@code softmax}), {@code regions}, a list of {@code name}, {@code values}
     * (a number or a list) and optionally {@code write} (by default the only value), and {@code painting} ({@code by_size}, {@code
     * in_turn}); with either {@code ignore}, a value to ignore or a list of them.
     *
     * @throws ConfigException when a key is unknown, missing or has the wrong kind of value
     */
    public static LabelSpec fromMap(Map<String, ?> map) {
        requireKeys("labels", map, KEYS);
        List<Integer> ignored = ignored("labels.ignore", map.get("ignore"));
        if (map.containsKey("preset")) {
            if (map.size() > (map.containsKey("ignore") ? 2 : 1)) {
                throw ConfigException.of("labels", "the keys " + map.keySet(), "preset alone, or with ignore");
            }
            return preset(String.valueOf(map.get("preset"))).ignoring(ignored);
        }
        Mode mode = choice("labels.mode", map.get("mode"), Mode.values(), null);
        if (!(map.get("regions") instanceof List<?> list) || list.isEmpty()) {
            throw ConfigException.of("labels.regions", map.get("regions"), "a list of {name, values, write}");
        }
        List<Region> regions = new ArrayList<>();
        for (int n = 0; n < list.size(); n++) {
            regions.add(region("labels.regions[" + n + "]", list.get(n)));
        }
        return new LabelSpec(
                mode,
                regions,
                choice("labels.painting", map.get("painting"), Painting.values(), Painting.BY_SIZE),
                ignored);
    }

    /**
     * Reads values to ignore from configuration.
     *
     * @param where the key, for messages
     * @param found a whole number or a list of them; {@code null} for none
     * @throws ConfigException when it is something else
     */
    public static List<Integer> ignored(String where, Object found) {
        return found == null ? List.of() : wholeNumbers(where, found);
    }

    private static <E extends Enum<E>> E choice(String where, Object found, E[] constants, E otherwise) {
        if (found == null && otherwise != null) {
            return otherwise;
        }
        for (E constant : constants) {
            if (found instanceof String text && constant.name().equalsIgnoreCase(text)) {
                return constant;
            }
        }
        throw ConfigException.of(
                where,
                found == null ? "nothing" : found,
                Arrays.stream(constants)
                        .map(constant -> constant.name().toLowerCase(Locale.ROOT))
                        .collect(Collectors.joining(" or ")));
    }

    private static Region region(String where, Object found) {
        if (!(found instanceof Map<?, ?> map)) {
            throw ConfigException.of(where, found, "{name, values, write}");
        }
        requireKeys(where, map, REGION_KEYS);
        if (!(map.get("name") instanceof String name)) {
            throw ConfigException.of(where + ".name", map.get("name"), "text");
        }
        List<Integer> values = wholeNumbers(where + ".values", map.get("values"));
        if (map.get("write") == null && values.size() != 1) {
            throw ConfigException.of(where + ".write", "nothing", "the value to write, one of " + values);
        }
        return new Region(
                name, values, map.get("write") == null ? values.get(0) : whole(where + ".write", map.get("write")));
    }

    /** Returns a number or a list of numbers as a list. */
    private static List<Integer> wholeNumbers(String where, Object found) {
        List<Integer> values = new ArrayList<>();
        if (found instanceof Collection<?> list) {
            list.forEach(value -> values.add(whole(where, value)));
        } else {
            values.add(whole(where, found));
        }
        return values;
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
