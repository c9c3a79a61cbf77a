package org.segformer3d.data.dataset;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.CharConversionException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.HashSet;
import java.util.List;
import java.util.OptionalInt;
import java.util.Random;
import java.util.Set;
import java.util.TreeSet;
import java.util.function.Function;
import java.util.function.UnaryOperator;
import org.segformer3d.data.io.AtomicFiles;

/**
 * Which cases are trained on, which steer the training and which are kept for the end.
 *
 * <p>Splits depend on the set of ids and the seed only, not on the order in which the file system lists them.
 *
 * @param train ids to train on
 * @param validation ids to validate on while training
 * @param test ids nobody looks at before the end
 */
public record Split(List<String> train, List<String> validation, List<String> test) {
    private static final ObjectMapper JSON = new ObjectMapper();
    private static final List<String> KEYS = List.of("train", "validation", "test");

    /** Checks that no id occurs twice. */
    public Split {
        train = List.copyOf(train);
        validation = List.copyOf(validation);
        test = List.copyOf(test);
        Set<String> seen = new HashSet<>();
        for (List<String> part : Arrays.asList(train, validation, test)) {
            for (String id : part) {
                if (!seen.add(id)) {
                    throw new IllegalArgumentException("case '" + id + "' occurs twice in the split");
                }
            }
        }
    }

    /**
     * Divides cases into training and test.
     *
     * @param ids at least two distinct ids in any order
     * @param fraction share of the training cases, between 0 and 1; both parts get at least one case
     * @param seed the same seed gives the same split
     * @throws IllegalArgumentException when there are too few ids or the fraction isn't between 0 and 1
     */
    public static Split trainTest(Collection<String> ids, double fraction, long seed) {
        List<String> order = shuffled(ids, seed);
        checkFraction(fraction, order.size(), 2);
        int cut = cut(order.size(), fraction, 1);
        return new Split(sorted(order.subList(0, cut)), List.of(), sorted(order.subList(cut, order.size())));
    }

    /**
     * Divides cases into training, validation and test.
     *
     * @param ids at least three distinct ids in any order
     * @param fraction share of training and validation together, between 0 and 1, divided from the test cases exactly as by {@link
     *     #trainTest}
     * @param validationFraction share of the validation cases among those, between 0 and 1
     * @param seed the same seed gives the same split
     * @throws IllegalArgumentException when there are too few ids or a fraction isn't between 0 and 1
     */
    public static Split trainValidationTest(
            Collection<String> ids, double fraction, double validationFraction, long seed) {
        List<String> order = shuffled(ids, seed);
        checkFraction(fraction, order.size(), 3);
        checkFraction(validationFraction, order.size(), 3);
        int cut = Math.max(2, cut(order.size(), fraction, 1));
        int trained = cut(cut, 1 - validationFraction, 1);
        return new Split(
                sorted(order.subList(0, trained)),
                sorted(order.subList(trained, cut)),
                sorted(order.subList(cut, order.size())));
    }

    /**
     * Divides cases into k parts of nearly equal size and returns k splits, each validating on one part and training on the others.
     *
     * @param ids at least k distinct ids in any order
     * @param k number of folds, ≥ 2
     * @param seed the same seed gives the same folds
     * @throws IllegalArgumentException when there are too few ids or folds
     */
    public static List<Split> kFold(Collection<String> ids, int k, long seed) {
        List<String> order = shuffled(ids, seed);
        if (k < 2 || order.size() < k) {
            throw new IllegalArgumentException(
                    "expected at least 2 folds and as many cases, found " + k + " folds of " + order.size() + " cases");
        }
        List<Split> folds = new ArrayList<>();
        for (int fold = 0; fold < k; fold++) {
            List<String> train = new ArrayList<>();
            List<String> validation = new ArrayList<>();
            for (int n = 0; n < order.size(); n++) {
                (n % k == fold ? validation : train).add(order.get(n));
            }
            folds.add(new Split(sorted(train), sorted(validation), List.of()));
        }
        return folds;
    }

    /**
     * Draws a split of groups, so that no patient is on both sides, and returns that of their members.
     *
     * @param ids distinct ids in any order
     * @param groupOf whose each is
     * @param draw divides the distinct groups, for example {@code groups -> Split.trainTest(groups, 0.8, 42)}
     */
    public static Split byGroup(
            Collection<String> ids, UnaryOperator<String> groupOf, Function<Collection<String>, Split> draw) {
        return draw.apply(groups(ids, groupOf)).members(ids, groupOf);
    }

    /** Returns the distinct groups of some ids in order, for {@link #kFold} and then {@link #members}. */
    public static List<String> groups(Collection<String> ids, UnaryOperator<String> groupOf) {
        return ids.stream().map(groupOf).distinct().sorted().toList();
    }

    /** Returns the split of the members when this is one of groups; each part in order of id. */
    public Split members(Collection<String> ids, UnaryOperator<String> groupOf) {
        List<List<String>> parts = new ArrayList<>();
        for (List<String> part : List.of(train, validation, test)) {
            Set<String> groups = new HashSet<>(part);
            parts.add(ids.stream()
                    .filter(id -> groups.contains(groupOf.apply(id)))
                    .sorted()
                    .toList());
        }
        return new Split(parts.get(0), parts.get(1), parts.get(2));
    }

    private static void checkFraction(double fraction, int cases, int least) {
        if (!(fraction > 0 && fraction < 1)) {
            throw new IllegalArgumentException("found a fraction of " + fraction + ", expected one between 0 and 1");
        }
        if (cases < least) {
            throw new IllegalArgumentException(
                    "found " + cases + " to divide (patients where it is known whose the cases are), expected at least "
                            + least + "; take more cases, or leave a part out with a fraction of 0");
        }
    }

    private static int cut(int cases, double fraction, int least) {
        return Math.max(least, Math.min(cases - 1, (int) Math.round(cases * fraction)));
    }

    private static List<String> sorted(List<String> ids) {
        return ids.stream().sorted().toList();
    }

    private static List<String> shuffled(Collection<String> ids, long seed) {
        List<String> order = new ArrayList<>(new TreeSet<>(ids));
        if (order.size() != ids.size()) {
            throw new IllegalArgumentException("the ids to split aren't distinct");
        }
        // java.util.Random's sequence is part of its specification, so splits stay the same on every Java.
        Random random = new Random(seed);
        for (int n = order.size() - 1; n > 0; n--) {
            int other = random.nextInt(n + 1);
            String swapped = order.set(n, order.get(other));
            order.set(other, swapped);
        }
        return order;
    }

    /**
     * Reads a split file, {@code {"train": [ids], "validation": [ids], "test": [ids]}}; parts may be missing, but not all.
     *
     * @throws DatasetException when the file is missing or something else
     * @throws IOException when reading fails
     */
    public static Split read(Path file) throws IOException {
        return read(file, OptionalInt.empty());
    }

    /**
     * Reads a split file as {@link #read(Path)} does, or one of the folds of nnU-Net's {@code splits_final.json}, {@code [{"train": [ids],
     * "val": [ids]}, …]}.
     *
     * @param fold which fold, from 0; empty for a file that holds one split
     * @throws DatasetException when the file is missing or something else, or a fold isn't there or has to be chosen
     * @throws IOException when reading fails
     */
    public static Split read(Path file, OptionalInt fold) throws IOException {
        if (!Files.isRegularFile(file)) {
            throw new DatasetException(file, "no such file, expected a split file");
        }
        JsonNode root;
        try {
            root = JSON.readTree(Files.readAllBytes(file));
        } catch (JsonProcessingException e) {
            throw new DatasetException(file, "not valid JSON: " + e.getOriginalMessage(), e);
        } catch (CharConversionException e) {
            throw new DatasetException(file, "not valid JSON: not text in UTF-8", e);
        }
        if (root.isArray() && !root.isEmpty()) {
            String folds = root.size() + (root.size() == 1 ? " fold" : " folds");
            if (fold.isEmpty() || fold.getAsInt() < 0 || fold.getAsInt() >= root.size()) {
                throw new DatasetException(
                        file,
                        "has " + folds + ", found " + (fold.isEmpty() ? "no choice of one" : "fold " + fold.getAsInt())
                                + ", expected one of 0 to " + (root.size() - 1) + " (split.fold)");
            }
            return split(file, root.get(fold.getAsInt()), List.of("train", "val"));
        }
        if (fold.isPresent()) {
            throw new DatasetException(
                    file, "found fold " + fold.getAsInt() + " of a file without folds, expected none (split.fold)");
        }
        return split(file, root, KEYS);
    }

    /** Reads one split, whose parts have the given names in the order of training, validation and test. */
    private static Split split(Path file, JsonNode root, List<String> keys) throws DatasetException {
        if (!root.isObject() || keys.stream().noneMatch(root::has)) {
            throw new DatasetException(
                    file,
                    "expected an object with the keys " + String.join(", ", keys) + ", or nnU-Net's list of folds");
        }
        for (String key : (Iterable<String>) root::fieldNames) {
            if (!keys.contains(key)) {
                throw new DatasetException(file, "found key '" + key + "', expected " + String.join(", ", keys));
            }
        }
        try {
            return new Split(
                    ids(file, root, keys.get(0)),
                    ids(file, root, keys.get(1)),
                    keys.size() > 2 ? ids(file, root, keys.get(2)) : List.of());
        } catch (IllegalArgumentException e) {
            throw new DatasetException(file, e.getMessage(), e);
        }
    }

    private static List<String> ids(Path file, JsonNode root, String key) throws DatasetException {
        List<String> ids = new ArrayList<>();
        JsonNode array = root.path(key);
        if (!array.isArray() && !array.isMissingNode()) {
            throw new DatasetException(file, "found " + key + " = " + array + ", expected a list of case ids");
        }
        for (JsonNode id : array) {
            if (!id.isTextual()) {
                throw new DatasetException(file, "found " + id + " in " + key + ", expected case ids as text");
            }
            ids.add(id.asText());
        }
        return ids;
    }

    /**
     * Writes this split as a file that {@link #read} reads.
     *
     * @throws IOException when writing fails; nothing is changed then
     */
    public void write(Path file) throws IOException {
        ObjectNode root = JSON.createObjectNode();
        List<List<String>> parts = List.of(train, validation, test);
        for (int n = 0; n < parts.size(); n++) {
            ArrayNode array = root.putArray(KEYS.get(n));
            parts.get(n).forEach(array::add);
        }
        String text = JSON.writerWithDefaultPrettyPrinter().writeValueAsString(root) + "\n";
        AtomicFiles.writeString(file, text);
    }
}
