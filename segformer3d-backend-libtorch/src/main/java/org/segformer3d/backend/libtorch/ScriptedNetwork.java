package org.segformer3d.backend.libtorch;

import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.bytedeco.javacpp.BytePointer;
import org.bytedeco.pytorch.BoolType;
import org.bytedeco.pytorch.IValue;
import org.bytedeco.pytorch.JitModule;
import org.bytedeco.pytorch.MemoryFormatOptional;
import org.bytedeco.pytorch.QualifiedName;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorOptions;
import org.bytedeco.pytorch.Type;
import org.bytedeco.pytorch.global.torch;
import org.segformer3d.api.block.BlockSpec;
import org.segformer3d.api.block.BlockSpec.DecoderSpec;
import org.segformer3d.api.block.BlockSpec.MixFeedForwardSpec;
import org.segformer3d.api.block.BlockSpec.PatchEmbeddingSpec;
import org.segformer3d.api.block.BlockSpec.SelfAttentionSpec;
import org.segformer3d.api.block.BlockSpec.TransformerBlockSpec;
import org.segformer3d.api.block.Grid;
import org.segformer3d.api.block.ParameterSpec;
import org.segformer3d.api.block.PerAxis;
import org.segformer3d.api.config.ConfigException;
import org.segformer3d.api.config.SegFormer3DConfig;
import org.segformer3d.api.export.NetworkExport;
import org.segformer3d.api.model.InputGeometry;
import org.segformer3d.api.model.ModelLayout;
import org.segformer3d.api.network.SegFormer3DNetwork;
import org.segformer3d.api.tensor.DType;
import org.segformer3d.api.tensor.HostTensor;

/**
 * The network in evaluation mode as a TorchScript module: modules are nested as the official names are, and each gets the source of what
 * the paper has it compute, which libtorch compiles. Sizes are read from the input, so any will do.
 *
 * <p>A {@code PointerScope} must be open, which owns what is made.
 */
final class ScriptedNetwork {
    private static final String EPSILON = Double.toString(BlockSpec.NORM_EPSILON);

    private static final PerAxis NONE = PerAxis.of(0);
    private static final PerAxis ONE = PerAxis.of(1);

    private final SegFormer3DConfig config;
    private final Map<String, Entry> entries = new LinkedHashMap<>();

    /** A module within another; their order is that of the state dict. */
    private record Part(String name, JitModule module) {}

    private record Entry(ParameterSpec spec, Tensor value) {}

    private ScriptedNetwork(NetworkExport network) {
        if (!(network.network() instanceof SegFormer3DNetwork paper)
                || !paper.parameters().equals(ModelLayout.of(paper.config()).parameters())) {
            throw new ConfigException("torchscript: found " + network.network().architecture()
                    + " with other layers than the paper's, expected segformer3d in its plain form with the paper's; format onnx"
                    + " takes any network");
        }
        this.config = paper.config();
        for (ParameterSpec spec : ModelLayout.of(config).parameters()) {
            // counts of batches may be missing in weights; PyTorch's own modules always have them
            HostTensor weight =
                    network.weights().tensors().getOrDefault(spec.name(), HostTensor.zeros(DType.INT64, spec.dims()));
            entries.put(spec.name(), new Entry(spec, copy(weight)));
        }
    }

    /** Returns the compiled module. */
    static JitModule of(NetworkExport network) {
        return new ScriptedNetwork(network).network();
    }

    private static Tensor copy(HostTensor weight) {
        Tensor tensor =
                torch.empty(weight.shape(), new TensorOptions(DTypes.of(weight.dtype())), new MemoryFormatOptional());
        ByteBuffer bytes = weight.bytes();
        new BytePointer(tensor.data_ptr())
                .capacity(bytes.remaining())
                .asByteBuffer()
                .put(bytes);
        return weight.dtype().isFloating() ? tensor.to(torch.ScalarType.Float) : tensor;
    }

    private JitModule network() {
        String source = """
                def forward(self, input: Tensor) -> Tensor:
                    depth = input.size(2)
                    height = input.size(3)
                    width = input.size(4)
                    beyond_d = max($least_d, (depth + $stride_d - 1) // $stride_d * $stride_d) - depth
                    beyond_h = max($least_h, (height + $stride_h - 1) // $stride_h * $stride_h) - height
                    beyond_w = max($least_w, (width + $stride_w - 1) // $stride_w * $stride_w) - width
                    padded = torch.constant_pad_nd(input, [0, beyond_w, 0, beyond_h, 0, beyond_d], 0)
                    logits = self.segformer_decoder.forward(self.segformer_encoder.forward(padded))
                    return logits[:, :, :depth, :height, :width]
                """;
        PerAxis stride = config.patchStride().get(0);
        Grid least = InputGeometry.smallest(config);
        return module(
                "SegFormer3D",
                "",
                List.of(new Part("segformer_encoder", encoder()), new Part("segformer_decoder", decoder())),
                source,
                Map.of(
                        "least_d", least.depth(),
                        "least_h", least.height(),
                        "least_w", least.width(),
                        "stride_d", stride.depth(),
                        "stride_h", stride.height(),
                        "stride_w", stride.width()));
    }

    private JitModule encoder() {
        List<Part> parts = new ArrayList<>();
        StringBuilder source = new StringBuilder("def forward(self, x: Tensor) -> List[Tensor]:\n");
        for (int stage = 0; stage < SegFormer3DConfig.STAGES; stage++) {
            int number = stage + 1;
            parts.add(new Part("embed_" + number, embedding(stage)));
            parts.add(new Part("tf_block" + number, blocks(stage)));
            parts.add(new Part("norm" + number, layerNorm(ModelLayout.stageNormPrefix(stage))));
            source.append(String.format(
                    Locale.ROOT,
                    """
                        tokens, grid = self.embed_%1$d.forward(%2$s)
                        tokens = self.norm%1$d.forward(self.tf_block%1$d.forward(tokens, grid))
                        c%1$d = %3$s
                    """,
                    number,
                    stage == 0 ? "x" : "c" + stage,
                    map("tokens", config.embedDims().get(stage))));
        }
        source.append("    return [c1, c2, c3, c4]\n");
        return module("Encoder", "segformer_encoder.", parts, source.toString(), Map.of());
    }

    private JitModule embedding(int stage) {
        PatchEmbeddingSpec spec = ModelLayout.embedding(config, stage);
        String prefix = ModelLayout.embeddingPrefix(stage);
        return module(
                "PatchEmbedding",
                prefix,
                List.of(
                        new Part(
                                "patch_embeddings",
                                convolution(prefix + "patch_embeddings.", spec.stride(), spec.padding(), 1, true)),
                        new Part("norm", layerNorm(prefix + "norm."))),
                """
                def forward(self, x: Tensor) -> Tuple[Tensor, List[int]]:
                    patches = self.patch_embeddings.forward(x)
                    grid = [patches.size(2), patches.size(3), patches.size(4)]
                    return self.norm.forward(patches.flatten(2).transpose(1, 2)), grid
                """,
                Map.of());
    }

    private JitModule blocks(int stage) {
        List<Part> parts = new ArrayList<>();
        StringBuilder source = new StringBuilder("def forward(self, x: Tensor, grid: List[int]) -> Tensor:\n");
        TransformerBlockSpec spec = ModelLayout.transformerBlock(config, stage);
        for (int block = 0; block < config.depths().get(stage); block++) {
            String prefix = ModelLayout.blockPrefix(stage, block);
            parts.add(new Part(
                    String.valueOf(block),
                    module(
                            "TransformerBlock",
                            prefix,
                            List.of(
                                    new Part("norm1", layerNorm(prefix + "norm1.")),
                                    new Part("attention", attention(prefix + "attention.", spec.attention())),
                                    new Part("norm2", layerNorm(prefix + "norm2.")),
                                    new Part("mlp", feedForward(prefix + "mlp.", spec.feedForward()))),
                            """
                            def forward(self, x: Tensor, grid: List[int]) -> Tensor:
                                y = x + self.attention.forward(self.norm1.forward(x), grid)
                                return y + self.mlp.forward(self.norm2.forward(y), grid)
                            """,
                            Map.of())));
            source.append("    x = getattr(self, \"").append(block).append("\").forward(x, grid)\n");
        }
        source.append("    return x\n");
        return module("TransformerBlocks", "", parts, source.toString(), Map.of());
    }

    private JitModule attention(String prefix, SelfAttentionSpec spec) {
        List<Part> parts = new ArrayList<>();
        parts.add(new Part("query", linear(prefix + "query.")));
        parts.add(new Part("key_value", linear(prefix + "key_value.")));
        parts.add(new Part("proj", linear(prefix + "proj.")));
        String reduction = "";
        if (spec.reduces()) {
            parts.add(new Part("sr", convolution(prefix + "sr.", spec.srRatio(), NONE, 1, true)));
            parts.add(new Part("sr_norm", layerNorm(prefix + "sr_norm.")));
            reduction = "    source = self.sr_norm.forward(self.sr.forward(" + map("x", spec.dim())
                    + ").flatten(2).transpose(1, 2))\n";
        }
        int width = spec.dim() / spec.heads();
        return module(
                "EfficientSelfAttention",
                prefix,
                parts,
                """
                def forward(self, x: Tensor, grid: List[int]) -> Tensor:
                    query = self.query.forward(x).reshape([x.size(0), -1, $heads, $width]).transpose(1, 2)
                    source = x
                """ + reduction + """
                    pairs = self.key_value.forward(source).reshape([x.size(0), -1, 2, $heads, $width])
                    key = pairs.select(2, 0).permute([0, 2, 3, 1])
                    value = pairs.select(2, 1).transpose(1, 2)
                    weights = torch.softmax(torch.matmul(query, key) * $scale, -1)
                    attended = torch.matmul(weights, value).transpose(1, 2).reshape([x.size(0), -1, $dim])
                    return self.proj.forward(attended)
                """,
                Map.of("heads", spec.heads(), "width", width, "dim", spec.dim(), "scale", 1 / Math.sqrt(width)));
    }

    private JitModule feedForward(String prefix, MixFeedForwardSpec spec) {
        String inner = prefix + "dwconv.";
        JitModule mixing = module(
                "DepthwiseConvolution",
                inner,
                List.of(
                        new Part("dwconv", convolution(inner + "dwconv.", ONE, ONE, spec.hidden(), true)),
                        new Part("bn", batchNorm(inner + "bn."))),
                """
                def forward(self, x: Tensor) -> Tensor:
                    return self.bn.forward(self.dwconv.forward(x))
                """,
                Map.of());
        return module(
                "MixFeedForward",
                prefix,
                List.of(
                        new Part("fc1", linear(prefix + "fc1.")),
                        new Part("dwconv", mixing),
                        new Part("fc2", linear(prefix + "fc2."))),
                """
                def forward(self, x: Tensor, grid: List[int]) -> Tensor:
                    hidden = self.fc1.forward(x)
                    mixed = self.dwconv.forward($hidden_map)
                    return self.fc2.forward(torch.gelu(mixed.flatten(2).transpose(1, 2)))
                """,
                Map.of("hidden_map", map("hidden", spec.hidden())));
    }

    private JitModule decoder() {
        DecoderSpec spec = ModelLayout.decoder(config);
        String prefix = ModelLayout.decoderPrefix();
        int count = spec.featureDims().size();
        List<Part> parts = new ArrayList<>();
        for (int i = 1; i <= count; i++) {
            String name = "linear_c" + i;
            parts.add(new Part(
                    name,
                    module(
                            "Projection",
                            prefix + name + ".",
                            List.of(
                                    new Part("proj", linear(prefix + name + ".proj.")),
                                    new Part("bn", layerNorm(prefix + name + ".bn."))),
                            """
                            def forward(self, x: Tensor) -> Tensor:
                                grid = [x.size(2), x.size(3), x.size(4)]
                                tokens = self.bn.forward(self.proj.forward(x.flatten(2).transpose(1, 2)))
                                return $tokens_map
                            """,
                            Map.of("tokens_map", map("tokens", spec.dim())))));
        }
        parts.add(new Part(
                "linear_fuse",
                module(
                        "Fusion",
                        prefix + "linear_fuse.",
                        List.of(
                                new Part("0", convolution(prefix + "linear_fuse.0.", ONE, NONE, 1, false)),
                                new Part("1", batchNorm(prefix + "linear_fuse.1."))),
                        """
                        def forward(self, x: Tensor) -> Tensor:
                            return torch.relu(getattr(self, "1").forward(getattr(self, "0").forward(x)))
                        """,
                        Map.of())));
        parts.add(new Part("linear_pred", convolution(prefix + "linear_pred.", ONE, NONE, 1, true)));
        // concatenated coarsest first
        String coarser = IntStream.rangeClosed(2, count)
                .map(i -> count + 2 - i)
                .mapToObj(i -> "torch.upsample_trilinear3d(self.linear_c" + i + ".forward(features[" + (i - 1)
                        + "]), size, False), ")
                .collect(Collectors.joining());
        return module(
                "Decoder",
                prefix,
                parts,
                """
                def forward(self, features: List[Tensor]) -> Tensor:
                    finest = features[0]
                    size = [finest.size(2), finest.size(3), finest.size(4)]
                    fused = self.linear_fuse.forward(torch.cat([$coarser self.linear_c1.forward(finest)], 1))
                    full = [finest.size(2) * $up_d, finest.size(3) * $up_h, finest.size(4) * $up_w]
                    return torch.upsample_trilinear3d(self.linear_pred.forward(fused), full, False)
                """,
                Map.of(
                        "coarser", coarser,
                        "up_d", spec.upsampling().depth(),
                        "up_h", spec.upsampling().height(),
                        "up_w", spec.upsampling().width()));
    }

    private JitModule linear(String prefix) {
        return module("Linear", prefix, List.of(), """
                def forward(self, x: Tensor) -> Tensor:
                    return torch.linear(x, self.weight, self.bias)
                """, Map.of());
    }

    private JitModule layerNorm(String prefix) {
        return module("LayerNorm", prefix, List.of(), """
                def forward(self, x: Tensor) -> Tensor:
                    return torch.layer_norm(x, [x.size(-1)], self.weight, self.bias, $epsilon)
                """, Map.of("epsilon", EPSILON));
    }

    private JitModule batchNorm(String prefix) {
        return module(
                "BatchNorm3d",
                prefix,
                List.of(),
                """
                def forward(self, x: Tensor) -> Tensor:
                    return torch.batch_norm(x, self.weight, self.bias, self.running_mean, self.running_var, False, $momentum, $epsilon, True)
                """,
                Map.of("momentum", BlockSpec.BATCH_NORM_MOMENTUM, "epsilon", EPSILON));
    }

    private JitModule convolution(String prefix, PerAxis stride, PerAxis padding, int groups, boolean bias) {
        return module(
                "Conv3d",
                prefix,
                List.of(),
                """
                def forward(self, x: Tensor) -> Tensor:
                    return torch.conv3d(x, self.weight, $offset, $stride, $edge, [1, 1, 1], $groups)
                """,
                Map.of(
                        "offset",
                        bias ? "self.bias" : "None",
                        "stride",
                        Arrays.toString(stride.toArray()),
                        "edge",
                        Arrays.toString(padding.toArray()),
                        "groups",
                        groups));
    }

    /** Returns the expression that makes (B,N,C) tokens a feature map (B,C,grid). */
    private static String map(String tokens, int dim) {
        return tokens + ".transpose(1, 2).reshape([" + tokens + ".size(0), " + dim + "] + grid)";
    }

    /**
     * Makes a module.
     *
     * @param type name of its class
     * @param prefix before the names of its own parameters
     * @param parts modules within, by name
     * @param source of its methods
     * @param values what stands for {@code $name} in the source
     */
    private JitModule module(String type, String prefix, List<Part> parts, String source, Map<String, Object> values) {
        JitModule module = new JitModule(new QualifiedName("__torch__.segformer3d." + type));
        // what PyTorch's eval() and train() set; nothing here reads it
        module.register_attribute("training", new Type.TypePtr(BoolType.get().get()), new IValue(false));
        entries.forEach((name, entry) -> {
            String own = name.startsWith(prefix) ? name.substring(prefix.length()) : "";
            if (own.isEmpty() || own.contains(".")) {
                return;
            }
            if (entry.spec().role().isTrained()) {
                module.register_parameter(own, entry.value(), false);
            } else {
                module.register_buffer(own, entry.value());
            }
        });
        parts.forEach(part -> module.register_module(part.name(), part.module()));
        String text = source;
        for (Map.Entry<String, Object> value : values.entrySet()) {
            text = text.replace("$" + value.getKey(), value.getValue().toString());
        }
        module.define(text);
        return module;
    }
}
