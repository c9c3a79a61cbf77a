package org.segformer3d.api.config;

import java.util.ArrayList;
import java.util.Collection;
import java.util.EnumMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.segformer3d.api.block.LayerKind;
import org.segformer3d.api.block.PerAxis;

/**
 * The network's hyper-parameters under their official names (section {@code model_parameters} of the YAML files).
 *
 * <p>Every list has one entry per encoder stage, from the finest to the coarsest; there are always four stages. Where an entry is
 * {@link PerAxis}, a file has a number for all axes or a list of three, depth first, as the official authors advise for scans whose voxels
 * aren't cubes.
 *
 * @param inChannels channels of the input volume, ≥ 1
 * @param srRatios spatial reduction of keys and values in each stage's attention, ≥ 1
 * @param embedDims token width of each stage, divisible by the stage's heads
 * @param patchKernelSize size of each stage's patch-embedding kernel
 * @param patchStride stride of each stage's patch embedding
 * @param patchPadding zero padding of each stage's patch embedding
 * @param mlpRatios hidden width of each stage's Mix-FFN as a multiple of its token width
 * @param numHeads attention heads of each stage
 * @param depths transformer blocks of each stage
 * @param numClasses output channels, ≥ 1
 * @param decoderDropout probability of dropping a value of the fused decoder map in training, in [0, 1)
 * @param decoderHeadEmbeddingDim width of the decoder
 * @param layers names of replaced layers by kind, empty for the backend's own (extension key {@code layers})
 */
public record SegFormer3DConfig(
        int inChannels,
        List<PerAxis> srRatios,
        List<Integer> embedDims,
        List<PerAxis> patchKernelSize,
        List<PerAxis> patchStride,
        List<PerAxis> patchPadding,
        List<Integer> mlpRatios,
        List<Integer> numHeads,
        List<Integer> depths,
        int numClasses,
        double decoderDropout,
        int decoderHeadEmbeddingDim,
        Map<LayerKind, String> layers) {
    /** Number of encoder stages. */
    public static final int STAGES = 4;

    private static final List<String> KEYS = List.of(
            "in_channels",
            "sr_ratios",
            "embed_dims",
            "patch_kernel_size",
            "patch_stride",
            "patch_padding",
            "mlp_ratios",
            "num_heads",
            "depths",
            "num_classes",
            "decoder_dropout",
            "decoder_head_embedding_dim",
            "layers");

    /** Validates every value. */
    public SegFormer3DConfig {
        atLeast("in_channels", inChannels, 1);
        srRatios = axes("sr_ratios", srRatios, 1);
        embedDims = stages("embed_dims", embedDims, 1);
        patchKernelSize = axes("patch_kernel_size", patchKernelSize, 1);
        patchStride = axes("patch_stride", patchStride, 1);
        patchPadding = axes("patch_padding", patchPadding, 0);
        mlpRatios = stages("mlp_ratios", mlpRatios, 1);
        numHeads = stages("num_heads", numHeads, 1);
        depths = stages("depths", depths, 1);
        atLeast("num_classes", numClasses, 1);
        atLeast("decoder_head_embedding_dim", decoderHeadEmbeddingDim, 1);
        if (!(decoderDropout >= 0 && decoderDropout < 1)) {
            throw ConfigException.of("model_parameters.decoder_dropout", decoderDropout, "a probability in [0, 1)");
        }
        for (int i = 0; i < STAGES; i++) {
            if (embedDims.get(i) % numHeads.get(i) != 0) {
                throw ConfigException.of(
                        "model_parameters.embed_dims[" + i + "]",
                        embedDims.get(i),
                        "a multiple of num_heads[" + i + "] = " + numHeads.get(i));
            }
            for (int axis = 0; axis < 3; axis++) {
                if (patchPadding.get(i).get(axis) >= patchKernelSize.get(i).get(axis)) {
                    throw ConfigException.of(
                            "model_parameters.patch_padding[" + i + "]",
                            patchPadding.get(i),
                            "less than patch_kernel_size[" + i + "] = " + patchKernelSize.get(i)
                                    + (patchKernelSize.get(i).isEqual() ? "" : " along each axis"));
                }
            }
        }
        layers = Map.copyOf(layers);
    }

    /** Returns the configuration of the published model: 4 input channels, 3 output channels, 4,525,251 parameters. */
    public static SegFormer3DConfig defaults() {
        return new SegFormer3DConfig(
                4,
                cubes(4, 2, 1, 1),
                List.of(32, 64, 160, 256),
                cubes(7, 3, 3, 3),
                cubes(4, 2, 2, 2),
                cubes(3, 1, 1, 1),
                List.of(4, 4, 4, 4),
                List.of(1, 2, 5, 8),
                List.of(2, 2, 2, 2),
                3,
                0.0,
                256,
                Map.of());
    }

    /** Returns whether kernels, strides, paddings and ratios are the same along all axes, as in the published model. */
    public boolean isCubic() {
        return Stream.of(srRatios, patchKernelSize, patchStride, patchPadding)
                .flatMap(List::stream)
                .allMatch(PerAxis::isEqual);
    }

    /** Returns this configuration with other channel counts. */
    public SegFormer3DConfig withChannels(int newInChannels, int newNumClasses) {
        Map<String, Object> map = toMap();
        map.put("in_channels", newInChannels);
        map.put("num_classes", newNumClasses);
        return fromMap(map);
    }

    /**
     * Reads the section {@code model_parameters}; keys that are left out take the published model's value.
     *
     * @param map official keys to numbers and lists of numbers, never {@code null}
     * @throws ConfigException naming an unknown key (with the nearest known one) or a value of the wrong kind or range
     */
    public static SegFormer3DConfig fromMap(Map<String, ?> map) {
        for (String key : map.keySet()) {
            if (!KEYS.contains(key)) {
                throw new ConfigException(Suggestions.unknownKey("model_parameters", key, KEYS));
            }
        }
        SegFormer3DConfig base = defaults();
        return new SegFormer3DConfig(
                integer(map, "in_channels", base.inChannels),
                axes(map, "sr_ratios", base.srRatios),
                integers(map, "embed_dims", base.embedDims),
                axes(map, "patch_kernel_size", base.patchKernelSize),
                axes(map, "patch_stride", base.patchStride),
                axes(map, "patch_padding", base.patchPadding),
                integers(map, "mlp_ratios", base.mlpRatios),
                integers(map, "num_heads", base.numHeads),
                integers(map, "depths", base.depths),
                integer(map, "num_classes", base.numClasses),
                number(map, "decoder_dropout", base.decoderDropout),
                integer(map, "decoder_head_embedding_dim", base.decoderHeadEmbeddingDim),
                layers(map.get("layers")));
    }

    /** Returns the official keys and their values, in official order; {@code layers} only where a layer is replaced. */
    public Map<String, Object> toMap() {
        Map<String, Object> map = new LinkedHashMap<>();
        map.put("in_channels", inChannels);
        map.put("sr_ratios", values(srRatios));
        map.put("embed_dims", embedDims);
        map.put("patch_kernel_size", values(patchKernelSize));
        map.put("patch_stride", values(patchStride));
        map.put("patch_padding", values(patchPadding));
        map.put("mlp_ratios", mlpRatios);
        map.put("num_heads", numHeads);
        map.put("depths", depths);
        map.put("num_classes", numClasses);
        map.put("decoder_dropout", decoderDropout);
        map.put("decoder_head_embedding_dim", decoderHeadEmbeddingDim);
        if (!layers.isEmpty()) {
            Map<String, String> names = new LinkedHashMap<>();
            for (LayerKind kind : LayerKind.values()) {
                if (layers.containsKey(kind)) {
                    names.put(kind.key(), layers.get(kind));
                }
            }
            map.put("layers", names);
        }
        return map;
    }

    private static Map<LayerKind, String> layers(Object value) {
        Map<LayerKind, String> layers = new EnumMap<>(LayerKind.class);
        if (value == null) {
            return layers;
        }
        if (!(value instanceof Map<?, ?> map)) {
            throw ConfigException.of("model_parameters.layers", value, "a map of layer kinds to names");
        }
        Collection<String> known = LayerKind.keys();
        map.forEach((key, name) -> {
            String text = String.valueOf(key);
            if (!known.contains(text)) {
                throw new ConfigException(Suggestions.unknownKey("model_parameters.layers", text, known));
            }
            if (!(name instanceof String string) || string.isBlank()) {
                throw ConfigException.of("model_parameters.layers." + text, name, "the name of a layer provider");
            }
            layers.put(LayerKind.valueOf(text.toUpperCase(Locale.ROOT)), string);
        });
        return layers;
    }

    private static int integer(Map<String, ?> map, String key, int otherwise) {
        if (!map.containsKey(key)) {
            return otherwise;
        }
        return toInt("model_parameters." + key, map.get(key));
    }

    private static double number(Map<String, ?> map, String key, double otherwise) {
        if (!map.containsKey(key)) {
            return otherwise;
        }
        if (map.get(key) instanceof Number number) {
            return number.doubleValue();
        }
        throw ConfigException.of("model_parameters." + key, map.get(key), "a number");
    }

    private static List<PerAxis> cubes(int... edges) {
        return IntStream.of(edges).mapToObj(PerAxis::of).toList();
    }

    private static List<Object> values(List<PerAxis> list) {
        return list.stream().map(PerAxis::toValue).toList();
    }

    private static List<PerAxis> axes(Map<String, ?> map, String key, List<PerAxis> otherwise) {
        if (!map.containsKey(key)) {
            return otherwise;
        }
        if (!(map.get(key) instanceof List<?> list)) {
            throw ConfigException.of(
                    "model_parameters." + key,
                    map.get(key),
                    "a list of " + STAGES + " integers, or of lists of three integers, one for each axis");
        }
        List<PerAxis> axes = new ArrayList<>();
        for (int i = 0; i < list.size(); i++) {
            String name = "model_parameters." + key + "[" + i + "]";
            if (list.get(i) instanceof List<?> three) {
                if (three.size() != 3) {
                    throw ConfigException.of(name, three, "an integer, or three, one for each axis");
                }
                axes.add(new PerAxis(
                        toInt(name + "[0]", three.get(0)),
                        toInt(name + "[1]", three.get(1)),
                        toInt(name + "[2]", three.get(2))));
            } else {
                axes.add(PerAxis.of(toInt(name, list.get(i))));
            }
        }
        return axes;
    }

    private static List<Integer> integers(Map<String, ?> map, String key, List<Integer> otherwise) {
        if (!map.containsKey(key)) {
            return otherwise;
        }
        if (!(map.get(key) instanceof List<?> list)) {
            throw ConfigException.of("model_parameters." + key, map.get(key), "a list of " + STAGES + " integers");
        }
        List<Integer> integers = new ArrayList<>();
        for (int i = 0; i < list.size(); i++) {
            integers.add(toInt("model_parameters." + key + "[" + i + "]", list.get(i)));
        }
        return integers;
    }

    private static int toInt(String key, Object value) {
        if (value instanceof Number number
                && number.doubleValue() == Math.rint(number.doubleValue())
                && Math.abs(number.doubleValue()) < Integer.MAX_VALUE) {
            return number.intValue();
        }
        throw ConfigException.of(key, value, "an integer");
    }

    private static void atLeast(String key, int value, int least) {
        if (value < least) {
            throw ConfigException.of("model_parameters." + key, value, "an integer of at least " + least);
        }
    }

    private static List<PerAxis> axes(String key, List<PerAxis> values, int least) {
        Objects.requireNonNull(values, key);
        if (values.size() != STAGES) {
            throw ConfigException.of(
                    "model_parameters." + key,
                    values,
                    "a list of " + STAGES + " entries, one per stage, each an integer or three");
        }
        for (int i = 0; i < STAGES; i++) {
            PerAxis value = values.get(i);
            for (int axis = 0; axis < 3; axis++) {
                atLeast(key + "[" + i + "]" + (value.isEqual() ? "" : "[" + axis + "]"), value.get(axis), least);
            }
        }
        return List.copyOf(values);
    }

    private static List<Integer> stages(String key, List<Integer> values, int least) {
        Objects.requireNonNull(values, key);
        if (values.size() != STAGES) {
            throw ConfigException.of(
                    "model_parameters." + key, values, "a list of " + STAGES + " integers, one per stage");
        }
        for (int i = 0; i < STAGES; i++) {
            atLeast(key + "[" + i + "]", values.get(i), least);
        }
        return List.copyOf(values);
    }
}
