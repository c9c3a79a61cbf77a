package org.segformer3d.data.weights;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.segformer3d.api.tensor.DType;
import org.segformer3d.api.tensor.HostTensor;
import org.segformer3d.api.weights.StateDict;
import org.segformer3d.data.io.UnsupportedFileException;

class PyTorchFileTests {
    @TempDir
    Path folder;

    @Nested
    class FilesOfKnownVersions {
        @ParameterizedTest
        @ValueSource(
                strings = {
                    "types.pt",
                    "types_legacy.pt",
                    "types_protocol4.pt",
                    "types_protocol5.pt",
                    "types_without_sums.pt",
                    "types_big_endian.pt",
                    "types.safetensors"
                })
        void keepTheirValuesInEveryType(String name) throws IOException {
            assertThat(WeightFiles.read(Fixtures.file(name)).tensors())
                    .containsExactlyInAnyOrderEntriesOf(Fixtures.expected("types"));
        }

        @Test
        void haveTheValuesThatPyTorchPrints() throws IOException {
            StateDict types = WeightFiles.read(Fixtures.file("types.pt"));
            assertThat(types.names())
                    .containsExactly(
                            "float64",
                            "float32",
                            "float16",
                            "bfloat16",
                            "int64",
                            "int32",
                            "int16",
                            "int8",
                            "uint8",
                            "bool",
                            "scalar",
                            "empty");
            for (String name : List.of("float64", "float32", "float16", "bfloat16")) {
                assertThat(types.get(name).toDoubles()).containsExactly(-2, -1.25, -0.5, 0.25, 1, 1.75);
            }
            for (String name : List.of("int64", "int32", "int16", "int8")) {
                assertThat(types.get(name).toDoubles()).containsExactly(-2, -1, 0, 0, 1, 1);
            }
            assertThat(types.get("uint8").toDoubles()).containsExactly(0, 37, 74, 111, 148, 185);
            assertThat(types.get("bool").toDoubles()).containsExactly(0, 1, 0, 0, 1, 0);
            assertThat(types.get("bfloat16").dtype()).isEqualTo(DType.BFLOAT16);
            assertThat(types.get("scalar").shape()).isEmpty();
            assertThat(types.get("scalar").get(0)).isEqualTo(0.1);
            assertThat(types.get("empty").shape()).containsExactly(0, 3);
        }

        @ParameterizedTest
        @ValueSource(strings = {"views.pt", "views_legacy.pt"})
        void keepViewsOfSharedStorages(String name) throws IOException {
            StateDict views = WeightFiles.read(Fixtures.file(name));
            assertThat(views.tensors()).containsExactlyInAnyOrderEntriesOf(Fixtures.expected("views"));
            assertThat(views.get("step").toDoubles()).containsExactly(-1.25, 1, 6.25, 8.5);
            assertThat(views.get("transposed").shape()).containsExactly(5, 4);
            assertThat(views.get("transposed").get(1)).isEqualTo(1.75);
        }

        @ParameterizedTest
        @ValueSource(
                strings = {
                    "checkpoint.pt",
                    "checkpoint_legacy.pt",
                    "checkpoint_compiled_parallel.pt",
                    "checkpoint_averaged.pt",
                    "checkpoint_nnunet.pt",
                    "checkpoint_nested.pt",
                    "weights.pkl",
                    "accelerate_safetensors",
                    "accelerate_bin"
                })
        void giveTheBareWeightsOutOfEveryCheckpoint(String name) throws IOException {
            StateDict weights = WeightFiles.read(Fixtures.file(name));
            assertThat(weights.tensors()).containsExactlyInAnyOrderEntriesOf(Fixtures.expected("weights"));
            assertThat(weights.names()).contains("proj.weight", "norm.running_var");
        }

        @ParameterizedTest
        @ValueSource(
                strings = {
                    "arrays.pt",
                    "arrays_protocol0.pkl",
                    "arrays_protocol2.pkl",
                    "arrays_protocol4.pkl",
                    "arrays_protocol5.pkl"
                })
        void keepNumpyArrays(String name) throws IOException {
            assertThat(WeightFiles.read(Fixtures.file(name)).tensors())
                    .containsExactlyInAnyOrderEntriesOf(Fixtures.expected("arrays"));
        }

        @Test
        void widenUnsignedTypesThatAreMissingHere() throws IOException {
            StateDict unsigned = WeightFiles.read(Fixtures.file("unsigned.pt"));
            assertThat(unsigned.get("weight").dtype()).isEqualTo(DType.INT32);
            assertThat(unsigned.get("weight").toDoubles()).containsExactly(1, 65535);
            assertThat(unsigned.get("wide").dtype()).isEqualTo(DType.INT64);
            assertThat(unsigned.get("wide").toDoubles()).containsExactly(1, 4294967295.0);
        }

        @ParameterizedTest
        @ValueSource(strings = {"complex", "sparse", "quantised", "torchscript"})
        void areRefusedWithTheReasonWhenTheyHoldWhatIsNotReadHere(String what) {
            Path file = Fixtures.file("unsupported_" + what + ".pt");
            assertThatThrownBy(() -> WeightFiles.read(file))
                    .isInstanceOf(UnsupportedFileException.class)
                    .hasMessageStartingWith(file + ": ")
                    .hasMessageContaining(what.equals("torchscript") ? "TorchScript" : "isn't read here");
        }

        @Test
        void areRefusedWhenTheyNameAModulesClass() {
            assertThatThrownBy(() -> WeightFiles.read(Fixtures.file("unsupported_module.pt")))
                    .isInstanceOf(ForbiddenGlobalException.class)
                    .hasMessageContaining("'torch.nn.modules.container.Sequential'")
                    .hasMessageContaining("state_dict");
        }
    }

    @Nested
    class WholeObjects {
        @ParameterizedTest
        @ValueSource(strings = {"arrays.pt", "types.pt", "types_legacy.pt", "views.pt"})
        void haveTheirTensorsRead(String name) throws IOException {
            assertThat((Map<?, ?>) PyTorchFile.read(Fixtures.file(name)))
                    .isEqualTo(Fixtures.expected(name.replaceAll("_.*|\\.pt", "")));
        }

        @Test
        void nameWhatCannotBeRead() {
            assertThatThrownBy(() -> PyTorchFile.read(Fixtures.file("checkpoint.pt")))
                    .isInstanceOf(UnsupportedFileException.class)
                    .hasMessageContaining("the object.fisher is a sparse tensor");
        }

        @Test
        void keepPlainValues() throws IOException {
            // {'list': [1, (2, 3.5)], 'set': {1}, 'none': None, 'device': torch.device('cpu'), 'big': 2**70, 'bytes':
            // b'\xff'}
            Path file = Pickles.write(
                    folder.resolve("plain.pkl"),
                    "\u0080\u0003}(\u008c\u0004list](K\u0001K\u0002G@\u000c\0\0\0\0\0\0\u0086e\u008c\u0003set\u008f(K\u0001\u0090"
                            + "\u008c\u0004noneN\u008c\u0006devicectorch\ndevice\n\u008c\u0003cpu\u0085R"
                            + "\u008c\u0003big\u008a\u0009\0\0\0\0\0\0\0\0@\u008c\u0005bytesC\u0001\u00ffu.");
            Map<?, ?> object = (Map<?, ?>) PyTorchFile.read(file);
            assertThat(object.get("list")).isEqualTo(List.of(1L, List.of(2L, 3.5)));
            assertThat(object.get("set")).isEqualTo(Set.of(1L));
            assertThat(object.containsKey("none")).isTrue();
            assertThat(((PickledObject) object.get("device")).type()).isEqualTo("torch.device");
            assertThat(((PickledObject) object.get("device")).arguments()).isEqualTo(List.of("cpu"));
            assertThat(object.get("big")).isEqualTo(java.math.BigInteger.TWO.pow(70));
            assertThat(object.get("bytes")).isEqualTo(new byte[] {-1});
        }

        @Test
        void haveTheTensorsInsideOtherObjectsReadToo() throws IOException {
            // Namespace(x=numpy.array([1], 'u1'))
            Path file = Pickles.write(
                    folder.resolve("namespace.pkl"),
                    "cargparse\nNamespace\n)\u0081}U\u0001xcnumpy.core.multiarray\n_reconstruct\n)R"
                            + "((K\u0001tcnumpy\ndtype\n(U\u0002u1tRI00\nU\u0001\u0001tbsb.");
            PickledObject object = (PickledObject) PyTorchFile.read(file);
            assertThat(object.state()).isEqualTo(Map.of("x", HostTensor.of(new byte[] {1}, 1)));
        }

        @Test
        void mayBeOneTensor() throws IOException {
            HostTensor tensor = PyTorchFile.readTensor(Fixtures.file("tensor.pt"));
            assertThat(tensor).isEqualTo(HostTensor.of(new float[] {-2, -1.25f, -0.5f, 0.25f, 1, 1.75f}, 2, 3));
            assertThat(PyTorchFile.readTensor(Fixtures.file("array.pt")).toDoubles())
                    .containsExactly(0, 1, 2, 3, 4, 5);
        }

        @Test
        void areNotMistakenForOneTensor() {
            assertThatThrownBy(() -> PyTorchFile.readTensor(Fixtures.file("types.pt")))
                    .isInstanceOf(UnsupportedFileException.class)
                    .hasMessageContaining("holds a dict with float64, float32")
                    .hasMessageContaining("expected a single tensor");
        }
    }

    @Nested
    class SharedReference {
        @ParameterizedTest
        @ValueSource(
                strings = {
                    "checkpoint_ddp_prefixed.pt",
                    "checkpoint_legacy_format.pt",
                    "checkpoint_state_dict_and_optimizer.pt"
                })
        void holdsTheSameWeightsInEveryForm(String name) throws IOException {
            StateDict expected = Safetensors.readStateDict(Fixtures.shared("pipeline/checkpoint.safetensors"));
            StateDict found = WeightFiles.read(Fixtures.shared("pipeline/" + name));
            assertThat(found).isEqualTo(expected);
            assertThat(found.hash()).isEqualTo(expected.hash());
        }

        @ParameterizedTest
        @ValueSource(strings = {"default", "tiny", "tiny_box"})
        void holdsModelsWhoseStatisticsChangeInTraining(String name) throws IOException {
            StateDict before = WeightFiles.read(Fixtures.shared("models/" + name + ".pt"));
            TensorFile training = Safetensors.read(
                    Fixtures.shared("models/" + name + ".train.safetensors"), key -> !key.startsWith("input"));
            training.tensors().forEach((key, after) -> {
                if (key.startsWith("grad.") || key.startsWith("after.")) {
                    String weight = key.substring(key.indexOf('.') + 1);
                    assertThat(before.get(weight).shape()).as(weight).isEqualTo(after.shape());
                }
            });
            assertThat(before.names()).anyMatch(key -> key.startsWith("segformer_encoder.embed_1."));
        }

        @Test
        void holdsPreprocessedVolumesAsPickledArrays() throws IOException {
            TensorFile expected =
                    Safetensors.read(Fixtures.shared("pipeline/brats_preprocessed/CASE_001/expected.safetensors"));
            HostTensor image = PyTorchFile.readTensor(
                    Fixtures.shared("pipeline/brats_preprocessed/CASE_001/CASE_001_modalities.pt"));
            HostTensor label =
                    PyTorchFile.readTensor(Fixtures.shared("pipeline/brats_preprocessed/CASE_001/CASE_001_label.pt"));
            assertThat(image.shape()).containsExactly(4, 32, 32, 32);
            assertThat(label.dtype()).isEqualTo(DType.BOOL);
            assertThat(image.toDoubles()).isEqualTo(expected.get("modalities").toDoubles());
            assertThat(label.toDoubles()).isEqualTo(expected.get("label").toDoubles());
        }

        @ParameterizedTest
        @ValueSource(strings = {"malicious.pt", "malicious_plain.pkl"})
        void isRefusedWhereItIsMalicious(String name) {
            Path file = Fixtures.shared("pipeline/" + name);
            assertThatThrownBy(() -> WeightFiles.read(file))
                    .isInstanceOf(ForbiddenGlobalException.class)
                    .hasMessageStartingWith(file + ": refused")
                    .hasMessageContaining("'posix.system'")
                    .hasMessageNotContaining("\n");
            assertThatThrownBy(() -> PyTorchFile.read(file)).isInstanceOf(ForbiddenGlobalException.class);
            assertThat(Path.of("PWNED_BY_PICKLE")).doesNotExist();
        }
    }

    @Nested
    class Writing {
        @Test
        void arraysComeBackInEveryTypeThatNumPyHas() throws IOException {
            for (HostTensor array : Fixtures.expected("types").values()) {
                Path file = folder.resolve("array.pt");
                if (array.dtype() == DType.BFLOAT16) {
                    assertThatThrownBy(() -> PyTorchFile.writeArray(file, array))
                            .isInstanceOf(IllegalArgumentException.class);
                    continue;
                }
                PyTorchFile.writeArray(file, array);
                assertThat(PyTorchFile.readTensor(file)).isEqualTo(array);
            }
        }

        @Test
        void keepsEverything() throws IOException {
            StateDict types = WeightFiles.read(Fixtures.file("types.pt"));
            Path file = folder.resolve("again.pt");
            PyTorchFile.write(file, types);
            StateDict again = WeightFiles.read(file);
            assertThat(again).isEqualTo(types);
            assertThat(List.copyOf(again.names())).isEqualTo(List.copyOf(types.names()));
        }

        @Test
        void givesTheSameBytesEveryTime() throws IOException {
            StateDict types = WeightFiles.read(Fixtures.file("types.pt"));
            WeightFiles.write(types, folder.resolve("a.pth"));
            WeightFiles.write(types, folder.resolve("b.bin"));
            assertThat(folder.resolve("a.pth")).hasSameBinaryContentAs(folder.resolve("b.bin"));
        }

        @Test
        void alignsEveryStorageForMapping() throws IOException {
            Path file = folder.resolve("types.pt");
            WeightFiles.write(WeightFiles.read(Fixtures.file("types.pt")), file);
            try (FileSource source = FileSource.open(file)) {
                ZipDirectory directory = ZipDirectory.read(source);
                for (ZipDirectory.Entry entry : directory.entries().values()) {
                    assertThat(directory.position(entry) % 64).as(entry.name()).isZero();
                }
            }
        }

        @Test
        void isReadableAsAnOrdinaryZipFile() throws IOException {
            Path file = folder.resolve("types.pt");
            WeightFiles.write(WeightFiles.read(Fixtures.file("types.pt")), file);
            try (java.util.zip.ZipFile zip = new java.util.zip.ZipFile(file.toFile())) {
                assertThat(zip.getInputStream(zip.getEntry("archive/version")).readAllBytes())
                        .asString()
                        .isEqualTo("3\n");
                assertThat(zip.getInputStream(zip.getEntry("archive/data/8")).readAllBytes())
                        .containsExactly(0, 37, 74, 111, 148, 185);
            }
        }

        @Test
        void leavesTheOldFileWhenItFails() throws IOException {
            Path target = Files.createDirectory(folder.resolve("x.pt"));
            assertThatThrownBy(() -> PyTorchFile.write(target, StateDict.of(Map.of())))
                    .isInstanceOf(IOException.class);
            assertThat(target).isDirectory().isEmptyDirectory();
        }
    }
}
