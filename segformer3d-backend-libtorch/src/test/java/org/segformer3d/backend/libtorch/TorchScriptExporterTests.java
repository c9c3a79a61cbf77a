package org.segformer3d.backend.libtorch;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.SplittableRandom;
import java.util.TreeSet;
import java.util.function.Function;
import java.util.zip.ZipFile;
import org.bytedeco.pytorch.IValue;
import org.bytedeco.pytorch.IValueVector;
import org.bytedeco.pytorch.JitModule;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.named_buffer_iterator;
import org.bytedeco.pytorch.named_buffer_list;
import org.bytedeco.pytorch.named_parameter_iterator;
import org.bytedeco.pytorch.named_parameter_list;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.segformer3d.api.backend.BackendOptions;
import org.segformer3d.api.backend.BackendOptions.Implementation;
import org.segformer3d.api.config.SegFormer3DConfig;
import org.segformer3d.api.export.NetworkExport;
import org.segformer3d.api.export.NetworkExporters;
import org.segformer3d.api.model.ModelLayout;
import org.segformer3d.api.model.SegmentationModel;
import org.segformer3d.api.network.SegFormer3DNetwork;
import org.segformer3d.api.tensor.HostTensor;
import org.segformer3d.api.weights.StateDict;
import org.segformer3d.api.weights.WeightInitializer;

/** Archives are read back by libtorch itself and run beside the model. */
class TorchScriptExporterTests {
    private static final SegFormer3DConfig CONFIG = SegFormer3DConfig.fromMap(Map.of(
            "in_channels", 2,
            "num_classes", 3,
            "embed_dims", List.of(8, 8, 10, 16),
            "num_heads", List.of(1, 2, 5, 8),
            "mlp_ratios", List.of(2, 2, 2, 2),
            "depths", List.of(2, 1, 1, 1),
            "decoder_head_embedding_dim", 12));

    @TempDir
    private static Path folder;

    private static LibtorchBackend backend;
    private static StateDict weights;
    private static Path file;

    @BeforeAll
    static void export() throws IOException {
        backend = (LibtorchBackend)
                new LibtorchProvider().open(BackendOptions.defaults().with(Implementation.PLAIN));
        weights = randomized(WeightInitializer.initialize(ModelLayout.of(CONFIG).parameters(), 1));
        file = folder.resolve("network.pt");
        write(file, CONFIG, weights);
    }

    @AfterAll
    static void close() {
        backend.close();
    }

    private static void write(Path file, SegFormer3DConfig config, StateDict weights) throws IOException {
        try (OutputStream out = Files.newOutputStream(file)) {
            NetworkExporters.of("torchscript")
                    .write(
                            new NetworkExport(
                                    SegFormer3DNetwork.of(config), weights, "1.2.3", Map.of("labels", "[Läsion]")),
                            out);
        }
    }

    /** Makes every norm and running statistic count: freshly initialised ones would hide mistakes. */
    private static StateDict randomized(StateDict fresh) {
        SplittableRandom random = new SplittableRandom(2);
        Map<String, HostTensor> tensors = new LinkedHashMap<>();
        fresh.tensors().forEach((name, tensor) -> {
            if (!tensor.dtype().isFloating()) {
                return;
            }
            float[] values = tensor.toFloats();
            for (int n = 0; n < values.length; n++) {
                values[n] = name.endsWith("running_var")
                        ? (float) random.nextDouble(0.5, 2)
                        : values[n] + (float) random.nextGaussian(0, 0.2);
            }
            tensors.put(name, HostTensor.of(values, tensor.shape()));
        });
        return StateDict.of(tensors);
    }

    private static HostTensor input(long... shape) {
        SplittableRandom random = new SplittableRandom(3);
        int count = 1;
        for (long size : shape) {
            count *= (int) size;
        }
        float[] values = new float[count];
        for (int n = 0; n < count; n++) {
            values[n] = (float) random.nextGaussian();
        }
        return HostTensor.of(values, shape);
    }

    private static <T> T loaded(Path file, Function<JitModule, T> work) {
        return backend.on(false, () -> LibtorchBackend.scoped(() -> work.apply(torch.load(file.toString()))));
    }

    private static HostTensor run(Path file, HostTensor input) {
        return loaded(
                file,
                module -> backend.copyOut(module.forward(new IValueVector(new IValue(backend.copyIn(input))))
                        .toTensor()));
    }

    @ParameterizedTest
    @CsvSource({"1, 32, 32, 32", "2, 32, 48, 64", "1, 37, 41, 50", "1, 5, 70, 33", "1, 1, 1, 1"})
    void theArchiveGivesTheModelsLogitsAtAnySize(int batch, int d, int h, int w) {
        HostTensor input = input(batch, 2, d, h, w);
        try (SegmentationModel model = backend.load(CONFIG, weights)) {
            HostTensor found = run(file, input);
            assertThat(found.shape()).containsExactly(batch, 3, d, h, w);
            assertThat(ReferenceFiles.largestDifference(found, model.predict(input)))
                    .isLessThan(1e-5);
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"tiny", "tiny_box", "default"})
    void theArchiveGivesTheOfficialLogits(String name) throws IOException {
        SegFormer3DConfig config = ReferenceFiles.config("models/" + name + ".json");
        Map<String, HostTensor> values = ReferenceFiles.tensors("models/" + name + ".eval.safetensors");
        Path archive = folder.resolve(name + ".pt");
        write(archive, config, ReferenceFiles.weights("models/" + name + ".pt"));
        assertThat(ReferenceFiles.largestDifference(run(archive, values.get("input")), values.get("logits")))
                .isLessThan(1e-4);
    }

    @Test
    void weightsHaveTheirOfficialNamesCountsOfBatchesIncluded() {
        Set<String> names = new TreeSet<>();
        ModelLayout.of(CONFIG).parameters().forEach(parameter -> names.add(parameter.name()));
        Set<String> found = new TreeSet<>();
        loaded(file, module -> {
            named_parameter_list parameters = module.named_parameters();
            for (named_parameter_iterator at = parameters.begin(); at.notEquals(parameters.end()); at.increment()) {
                found.add(at.multiply().name().getString());
                assertThat(at.multiply().value().requires_grad()).isFalse();
            }
            named_buffer_list buffers = module.named_buffers();
            for (named_buffer_iterator at = buffers.begin(); at.notEquals(buffers.end()); at.increment()) {
                found.add(at.multiply().name().getString());
                assertThat(at.multiply().name().getString()).containsAnyOf("running_", "num_batches_tracked");
            }
            return null;
        });
        assertThat(found).isEqualTo(names);
    }

    @Test
    void theArchiveSaysWhatItIs() throws IOException {
        try (ZipFile zip = new ZipFile(file.toFile())) {
            assertThat(zip.getInputStream(zip.getEntry("segformer3d/extra/labels"))
                            .readAllBytes())
                    .asString(StandardCharsets.UTF_8)
                    .isEqualTo("[Läsion]");
            assertThat(zip.getInputStream(zip.getEntry("segformer3d/extra/version"))
                            .readAllBytes())
                    .asString(StandardCharsets.UTF_8)
                    .isEqualTo("1.2.3");
        }
    }

    @Test
    void equalNetworksAreEqualFiles() throws IOException {
        ByteArrayOutputStream again = new ByteArrayOutputStream();
        new TorchScriptExporter()
                .write(
                        new NetworkExport(
                                SegFormer3DNetwork.of(CONFIG), weights, "1.2.3", Map.of("labels", "[Läsion]")),
                        again);
        assertThat(again.toByteArray()).isEqualTo(Files.readAllBytes(file));
    }
}
