package org.segformer3d.data.dataset;

import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.CharConversionException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.ConcurrentHashMap;
import java.util.stream.Collectors;
import org.segformer3d.api.config.Suggestions;
import org.segformer3d.data.format.VolumeFiles;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * What a {@code dataset.json} says, as the Medical Segmentation Decathlon and nnU-Net (version 1 and 2) write it.
 *
 * <ul>
 *   <li>{@code channel_names}, or {@code modality} as older files call it: number to name, in any order, or a list of names
 *   <li>{@code labels}: name to value or list of values (a region), or value to name, or a list of names; numbers may be text
 *   <li>{@code regions_class_order}: as which value each region is written, in the order of {@code labels}
 *   <li>{@code numTraining}: checked; {@code file_ending}: has to be one of an image format that is read
 *   <li>{@code training}, {@code test}, {@code dataset}: the cases, for {@link DatasetReader}
 * </ul>
 *
 * <p>Keys that nobody knows are warned about, each once.
 */
final class DatasetDescription {
    private static final Logger LOG = LoggerFactory.getLogger(DatasetDescription.class);

    /** A key that stands twice would otherwise silently lose its first value. */
    private static final ObjectMapper JSON = new ObjectMapper().enable(JsonParser.Feature.STRICT_DUPLICATE_DETECTION);

    private static final Set<String> WARNED = ConcurrentHashMap.newKeySet();

    /** What is read here or by {@link DatasetReader}. */
    private static final List<String> READ = List.of(
            "name",
            "channel_names",
            "modality",
            "labels",
            "regions_class_order",
            "numTraining",
            "file_ending",
            "training",
            "test",
            "dataset");

    /** What people and other programs note there: nothing depends on it ("relase" stands in the Decathlon's own files). */
    private static final Set<String> NOTES = Set.of(
            "description",
            "reference",
            "references",
            "citation",
            "licence",
            "license",
            "release",
            "relase",
            "version",
            "author",
            "authors",
            "contact",
            "converted_by",
            "dataset_name",
            "tensorImageSize",
            "numTest",
            "overwrite_image_reader_writer");

    private final Path json;
    private final JsonNode root;

    private DatasetDescription(Path json, JsonNode root) {
        this.json = json;
        this.root = root;
    }

    /** Returns a description that says nothing, for a data set without one. */
    static DatasetDescription empty(Path json) {
        return new DatasetDescription(json, JSON.createObjectNode());
    }

    /**
     * Reads a description.
     *
     * @throws DatasetException when it isn't a JSON object or a key stands twice
     * @throws IOException when reading fails
     */
    static DatasetDescription read(Path json) throws IOException {
        JsonNode root;
        try {
            root = JSON.readTree(Files.readAllBytes(json));
        } catch (JsonProcessingException e) {
            throw new DatasetException(json, "not valid JSON: " + e.getOriginalMessage(), e);
        } catch (CharConversionException e) {
            throw new DatasetException(json, "not valid JSON: not text in UTF-8", e);
        }
        if (!root.isObject()) {
            throw new DatasetException(json, "expected a JSON object that describes a data set");
        }
        DatasetDescription description = new DatasetDescription(json, root);
        description.warnOfUnknownKeys();
        description.requireKnownEnding();
        return description;
    }

    private void warnOfUnknownKeys() {
        for (String key : (Iterable<String>) root::fieldNames) {
            if (!READ.contains(key) && !NOTES.contains(key)) {
                warn("unknown key '" + key + "' isn't looked at"
                        + Suggestions.nearest(key, READ)
                                .map(near -> "; did you mean '" + near + "'?")
                                .orElse(""));
            }
        }
    }

    private void requireKnownEnding() throws DatasetException {
        JsonNode ending = root.path("file_ending");
        if (!isAbsent(ending)
                && (!ending.isTextual()
                        || ImageNames.extension(Path.of("x" + ending.asText())).length()
                                != ending.asText().length())) {
            throw new DatasetException(json, "found file_ending " + ending + ", expected " + VolumeFiles.endingsText());
        }
    }

    /** Says something on this file once: a command may read it several times. */
    void warn(String remark) {
        String line = json + ": " + remark;
        if (WARNED.add(line)) {
            LOG.warn("{}", line);
        }
    }

    /** Returns what stands under a key; a missing node where nothing does. */
    JsonNode at(String key) {
        return root.path(key);
    }

    /** Returns the name that the data set gives itself, which may be empty. */
    String name() {
        return root.path("name").asText("");
    }

    private static boolean isAbsent(JsonNode node) {
        return node.isMissingNode() || node.isNull();
    }

    /** Compares a stated number of training cases with the one that is there. */
    void checkCount(int cases) {
        JsonNode stated = root.path("numTraining");
        if (!isAbsent(stated) && !stated.asText().strip().equals(String.valueOf(cases))) {
            warn("numTraining is " + stated + ", but there are " + cases + " training cases");
        }
    }

    /**
     * Returns the names of the channels in order; none where nothing is said.
     *
     * @throws DatasetException when they aren't numbered from 0 on, or have no names
     */
    List<String> channels() throws DatasetException {
        List<String> names = channels("channel_names");
        List<String> older = channels("modality");
        if (!names.isEmpty() && !older.isEmpty() && !names.equals(older)) {
            warn("channel_names says " + String.join(", ", names) + " and modality " + String.join(", ", older)
                    + "; channel_names counts");
        }
        return names.isEmpty() ? older : names;
    }

    private List<String> channels(String key) throws DatasetException {
        JsonNode node = root.path(key);
        List<String> names = new ArrayList<>();
        if (node.isArray()) {
            for (JsonNode name : node) {
                names.add(channel(key, name));
            }
        } else if (node.isObject()) {
            TreeMap<Integer, String> byNumber = new TreeMap<>();
            for (Map.Entry<String, JsonNode> entry : node.properties()) {
                if (byNumber.put(number(key, entry.getKey()), channel(key, entry.getValue())) != null) {
                    throw new DatasetException(json, key + " has two channels of number " + entry.getKey());
                }
            }
            for (int n = 0; n < byNumber.size(); n++) {
                if (!byNumber.containsKey(n)) {
                    throw new DatasetException(
                            json,
                            key + " numbers its channels " + byNumber.keySet() + ", expected 0 to "
                                    + (byNumber.size() - 1));
                }
            }
            names.addAll(byNumber.values());
        } else if (!isAbsent(node)) {
            names.add(channel(key, node));
        }
        return names;
    }

    private String channel(String key, JsonNode name) throws DatasetException {
        if (!name.isValueNode() || name.isNull() || name.asText().isBlank()) {
            throw new DatasetException(json, "found " + name + " in " + key + ", expected the name of a channel");
        }
        return name.asText();
    }

    private int number(String key, String text) throws DatasetException {
        try {
            return Integer.parseInt(text.strip());
        } catch (NumberFormatException e) {
            throw new DatasetException(json, "found '" + text + "' in " + key + ", expected a whole number", e);
        }
    }

    /**
     * Returns what is segmented: plain classes in order of value, regions in the file's order, the background first; none where nothing
     * is said.
     *
     * @throws DatasetException when they contradict one another, or {@code regions_class_order} doesn't fit them
     */
    List<LabelClass> labels() throws DatasetException {
        JsonNode node = root.path("labels");
        List<LabelClass> labels = new ArrayList<>();
        if (node.isArray()) {
            for (int n = 0; n < node.size(); n++) {
                labels.add(LabelClass.of(n, node.get(n).asText()));
            }
        } else if (node.isObject()) {
            boolean valuesToNames = true;
            for (Map.Entry<String, JsonNode> entry : node.properties()) {
                valuesToNames &= entry.getKey().strip().matches("\\d+")
                        && entry.getValue().isTextual();
            }
            for (Map.Entry<String, JsonNode> entry : node.properties()) {
                labels.add(
                        valuesToNames
                                ? LabelClass.of(
                                        number("labels", entry.getKey()),
                                        entry.getValue().asText())
                                : named(entry.getKey(), entry.getValue()));
            }
        } else if (!isAbsent(node)) {
            throw new DatasetException(json, "found labels = " + node + ", expected an object of names and values");
        }
        Set<String> names = new HashSet<>();
        Set<Integer> values = new HashSet<>();
        for (LabelClass label : labels) {
            if (!names.add(label.name())) {
                throw new DatasetException(json, "two labels have the name '" + label.name() + "'");
            }
            if (!label.isRegion() && !values.add(label.value())) {
                throw new DatasetException(json, "two labels have the value " + label.value());
            }
        }
        labels = written(labels);
        if (labels.stream().noneMatch(LabelClass::isRegion)) {
            labels.sort(Comparator.comparingInt(LabelClass::value));
        } else {
            // The order of regions means something (later ones are drawn over earlier ones), but the background comes
            // first.
            labels.sort(Comparator.comparing(label -> !label.isBackground()));
        }
        return labels;
    }

    private LabelClass named(String name, JsonNode value) throws DatasetException {
        List<Integer> values = new ArrayList<>();
        if (value.isArray()) {
            for (JsonNode one : value) {
                values.add(labelValue(name, one));
            }
        } else {
            values.add(labelValue(name, value));
        }
        if (values.isEmpty()) {
            throw new DatasetException(json, "label '" + name + "' has no value");
        }
        return new LabelClass(name, values);
    }

    private int labelValue(String name, JsonNode value) throws DatasetException {
        if (value.isTextual()) {
            return number("label '" + name + "'", value.asText());
        }
        if (!value.isNumber() || value.asDouble() != Math.rint(value.asDouble()) || !value.canConvertToInt()) {
            throw new DatasetException(
                    json,
                    "label '" + name + "' has the value " + value + ", expected a whole number or a list of them");
        }
        return value.asInt();
    }

    /**
     * Says as which value each label is written. The order is that of the labels in the file, without background and ignore; it means
     * something only where labels overlap.
     */
    private List<LabelClass> written(List<LabelClass> labels) throws DatasetException {
        JsonNode order = root.path("regions_class_order");
        if (isAbsent(order)) {
            return labels;
        }
        List<LabelClass> regions = labels.stream()
                .filter(label -> !label.isBackground() && !label.isIgnore())
                .toList();
        String expected = "expected one value of each of "
                + regions.stream()
                        .map(region -> region.name() + " " + region.values())
                        .collect(Collectors.joining(", "))
                + ", in this order";
        if (!order.isArray() || order.size() != regions.size()) {
            throw new DatasetException(json, "found regions_class_order " + order + ", " + expected);
        }
        List<LabelClass> written = new ArrayList<>(labels);
        Set<Integer> taken = new HashSet<>();
        for (int n = 0; n < regions.size(); n++) {
            LabelClass region = regions.get(n);
            int value = labelValue("regions_class_order", order.get(n));
            if (!region.values().contains(value) || !taken.add(value)) {
                throw new DatasetException(
                        json,
                        "regions_class_order " + order + " writes '" + region.name() + "' as " + value
                                + (region.values().contains(value)
                                        ? ", as another region before it; "
                                        : ", which isn't a value of it; ")
                                + expected);
            }
            written.set(labels.indexOf(region), region.writtenAs(value));
        }
        if (regions.stream().noneMatch(LabelClass::isRegion)) {
            return labels;
        }
        for (int n = 1; n < regions.size(); n++) {
            for (LabelClass before : regions.subList(0, n)) {
                if (regions.get(n).values().containsAll(before.values())) {
                    warn("regions_class_order writes '" + regions.get(n).name() + "' after '" + before.name()
                            + "', which is a part of it and will be covered; put '" + before.name()
                            + "' behind it in labels and regions_class_order");
                }
            }
        }
        return written;
    }
}
