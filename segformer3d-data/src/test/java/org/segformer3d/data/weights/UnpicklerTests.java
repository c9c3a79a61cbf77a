package org.segformer3d.data.weights;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.math.BigInteger;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.segformer3d.data.io.CorruptFileException;
import org.segformer3d.data.io.UnsupportedFileException;

class UnpicklerTests {
    @Nested
    class PlainData {
        @Test
        void ofProtocolZeroIsRead() throws IOException {
            // pickle.dumps([1, True, None, 2**70, -1.5, 'a\u20ac\\', (1,), {'k': []}], 0)
            assertThat(Pickles.load(
                            "(lp0\nI1\naI01\naNaL1180591620717411303424L\naF-1.5\naVa\\u20ac\\u005c\np1\na(I1\ntp2\na(dp3\n"
                                    + "Vk\np4\n(lp5\nsa."))
                    .isEqualTo(java.util.Arrays.asList(
                            1L,
                            true,
                            null,
                            BigInteger.TWO.pow(70),
                            -1.5,
                            "a\u20ac\\",
                            List.of(1L),
                            Map.of("k", List.of())));
        }

        @Test
        void ofPythonTwoIsRead() throws IOException {
            assertThat(Pickles.load("S'it\\'s \\x41\\101\\n'\n.")).isEqualTo("it's AA\n");
            assertThat(Pickles.load("U\u0003a\u00ffb.")).isEqualTo("a\u00ffb");
            assertThat(Pickles.load("T\u0001\0\0\0z.")).isEqualTo("z");
        }

        @Test
        void ofEveryIntegerWidthIsRead() throws IOException {
            assertThat(
                            Pickles.load(
                                    "(K\u00ffM\u0001\u0002J\u00ff\u00ff\u00ff\u00ff\u008a\u0001\u0080\u008a\0\u008b\u0002\0\0\0\0\u0080t."))
                    .isEqualTo(List.of(255L, 513L, -1L, -128L, 0L, -32768L));
        }

        @Test
        void withSharedAndCyclicPartsIsRead() throws IOException {
            List<?> list = (List<?>) Pickles.load("]q\0h\0a.");
            assertThat(list).hasSize(1);
            assertThat(list.get(0)).isSameAs(list);
        }

        @Test
        void inSetsAndFramesIsRead() throws IOException {
            assertThat(Pickles.load("\u0080\u0004\u0095\u0006\0\0\0\0\0\0\0(K\u0001K\u0002\u0091\u0094."))
                    .isEqualTo(Set.of(1L, 2L));
            assertThat(Pickles.load("c__builtin__\nset\n](K\u0001K\u0002e\u0085R."))
                    .isEqualTo(Set.of(1L, 2L));
        }

        @Test
        void ofContainersThatAreMadeByCallsIsRead() throws IOException {
            assertThat(Pickles.load(
                            "ccollections\nOrderedDict\n](]\u008c\u0001aaK\u0001a](\u008c\u0001bK\u0002ee\u0085R."))
                    .isEqualTo(Map.of("a", 1L, "b", 2L));
            assertThat(Pickles.load("ccollections\ndefaultdict\nc__builtin__\nint\n\u0085R\u008c\u0001aK\u0001s."))
                    .isEqualTo(Map.of("a", 1L));
            assertThat(Pickles.load("c_codecs\nencode\nX\u0002\0\0\0\u00c3\u00bfX\u0006\0\0\0latin1\u0086R."))
                    .isEqualTo(new byte[] {-1});
        }

        @Test
        void ofOtherObjectsIsDescribed() throws IOException {
            PickledObject object =
                    (PickledObject) Pickles.load("cargparse\nNamespace\n)\u0081}\u008c\u0002lrG?\u00e0\0\0\0\0\0\0sb.");
            assertThat(object.type()).isEqualTo("argparse.Namespace");
            assertThat(object.state()).isEqualTo(Map.of("lr", 0.5));
        }

        @Test
        void ofNumpyScalarsIsRead() throws IOException {
            // numpy.float32(1) and numpy.int64(-1), the latter from a big-endian machine
            String dtype = "cnumpy\ndtype\n(U\u0002%sI0\nI1\ntR(K\u0003U\u0001%sNNNK\0K\0K\0tb";
            assertThat(Pickles.load("cnumpy.core.multiarray\nscalar\n(" + String.format(dtype, "f4", "<")
                            + "U\u0004\0\0\u0080?tR."))
                    .isEqualTo(1.0);
            assertThat(Pickles.load("cnumpy._core.multiarray\nscalar\n(" + String.format(dtype, "i8", ">")
                            + "U\u0008\u00ff\u00ff\u00ff\u00ff\u00ff\u00ff\u00ff\u00fetR."))
                    .isEqualTo(-2L);
        }
    }

    @Nested
    class ForbiddenGlobals {
        @ParameterizedTest
        @ValueSource(
                strings = {
                    // every opcode that names or calls something
                    "cposix\nsystem\n(S'true'\ntR.",
                    "\u008c\u0005posix\u008c\u0006system\u0093\u008c\u0004true\u0085R.",
                    "(S'true'\niposix\nsystem\n.",
                    "(cposix\nsystem\nS'true'\no.",
                    "cposix\nsystem\n)\u0081.",
                    "cposix\nsystem\n)}\u0092.",
                    // hidden behind something harmless
                    "ccollections\nOrderedDict\n)R}(K\u0001cposix\nsystem\nub.",
                    "ctorch._tensor\n_rebuild_from_type_v2\n(cposix\nsystem\nctorch\nTensor\n(S'true'\ntNtR.",
                    "ccopy_reg\n_reconstructor\n(cposix\nsystem\nNNtR.",
                    // only mentioned, never called
                    "cposix\nsystem\n0N."
                })
        void areRefusedInEveryDisguise(String pickle) {
            assertThatThrownBy(() -> Pickles.load(pickle))
                    .isInstanceOf(ForbiddenGlobalException.class)
                    .hasMessageStartingWith("a.pkl: refused: its pickle asks for 'posix.system'")
                    .satisfies(e ->
                            assertThat(((ForbiddenGlobalException) e).global()).isEqualTo("posix.system"));
        }

        @ParameterizedTest
        @ValueSource(
                strings = {
                    "builtins\neval",
                    "builtins\ngetattr",
                    "builtins\n__import__",
                    "__builtin__\nexec",
                    "os\nsystem",
                    "subprocess\nPopen",
                    "torch\nload",
                    "torch.hub\nload",
                    "torch._utils\n__builtins__",
                    "torch.serialization\nload",
                    "torch\nos.system",
                    "torch.FloatStorage\n__class__",
                    "collections\nOrderedDict.__reduce__",
                    "numpy\nload",
                    "numpy.core.multiarray\nfrombuffer",
                    "functools\npartial",
                    "operator\nattrgetter",
                    " torch\nTensor",
                    "torch\nTensor ",
                    "\n"
                })
        void areWhateverIsNotOnTheList(String global) {
            assertThatThrownBy(() -> Pickles.load("c" + global + "\n."))
                    .isInstanceOf(ForbiddenGlobalException.class)
                    .hasMessageContaining("'" + global.replace('\n', '.') + "'");
        }

        @Test
        void cannotForgeLinesOfALog() {
            assertThatThrownBy(() -> Pickles.load("\u008c\u0003a\nb\u008c\u0001c\u0093."))
                    .hasMessageContaining("'a\ufffdb.c'")
                    .hasMessageNotContaining("\n");
        }

        @Test
        void includeTheExtensionRegistry() {
            assertThatThrownBy(() -> Pickles.load("\u0082\u0001.")).isInstanceOf(ForbiddenGlobalException.class);
        }

        @Test
        void areFoundInAPickleInsideAPickle() {
            String inner = "cposix\nsystem\n.";
            assertThatThrownBy(() -> Pickles.load(
                            "ctorch.storage\n_load_from_bytes\nC" + (char) inner.length() + inner + "\u0085R."))
                    .isInstanceOf(ForbiddenGlobalException.class)
                    .hasMessageContaining("'posix.system'");
        }
    }

    @Nested
    class MalformedPickles {
        @ParameterizedTest
        @ValueSource(
                strings = {
                    "",
                    "\u0080",
                    "N",
                    ".",
                    "t.",
                    "0.",
                    "2.",
                    "(0.",
                    "h\u0001.",
                    "g7\n.",
                    "gx\n.",
                    "K\u0001\u0086.",
                    "(K\u0001K\u0002K\u0003u.",
                    "K\u0001K\u0002K\u0003s.",
                    "}(K\u0001u.",
                    "NNa.",
                    ")Na.",
                    "]]]s.",
                    "}]Ns.",
                    "}](K\u0001t\u0085Ns.",
                    "}}Ns.",
                    "\u008f(]\u0090.",
                    "Ix\n.",
                    "Fx\n.",
                    "Lx\n.",
                    "S'a\n.",
                    "S'\\x4'\n.",
                    "V\\u12\n.",
                    "V\\Uffffffff\n.",
                    "X\u0001\0\0\0\u00ff.",
                    "X\u00ff\u00ff\u00ff\u00ffa.",
                    "T\u00ff\u00ff\u00ff\u00ffa.",
                    "\u008d\u00ff\u00ff\u00ff\u00ff\u00ff\u00ff\u00ff\u007fa.",
                    "\u008e\0\0\0\0\u0001\0\0\0a.",
                    "\u0096\u00ff\u00ff\u00ff\u00ff\u00ff\u00ff\u00ff\u00ffa.",
                    "\u0095\u00ff\0\0\0\0\0\0\0N.",
                    "\u008b\u00ff\u00ff\u00ff\u007f.",
                    "NNR.",
                    "K\u0001)R.",
                    "ctorch\nfloat32\n)R.",
                    "ctorch\nSize\nNR.",
                    "ctorch._utils\n_rebuild_tensor_v2\n)R.",
                    "ctorch._utils\n_rebuild_tensor_v2\n(NK\0K\0K\0tR.",
                    "cnumpy\ndtype\n)R.",
                    "cnumpy\ndtype\n(U\u0002f4tRNb.",
                    "cnumpy.core.multiarray\n_reconstruct\n)RNb.",
                    "cnumpy.core.multiarray\n_reconstruct\n)R((K\u0002tcnumpy\ndtype\n(U\u0002f4tRI00\nU\u0004abcdtb.",
                    "cnumpy.core.multiarray\n_reconstruct\n)R((J\u00ff\u00ff\u00ff\u00fftcnumpy\ndtype\n(U\u0002f4tRI00\nU\0tb.",
                    "K\u0001Nb.",
                    "Px\n.",
                    "K\u0001\u0085Q.",
                    "ctorch.storage\n_load_from_bytes\nN\u0085R.",
                    "\u0007.",
                    "hello world"
                })
        void endInOneKindOfException(String pickle) {
            assertThatThrownBy(() -> Pickles.load(pickle))
                    .isInstanceOf(CorruptFileException.class)
                    .hasMessageStartingWith("a.pkl: malformed pickle near byte ")
                    .hasMessageNotContaining("\n");
        }

        @Test
        void areToldFromLaterProtocols() {
            assertThatThrownBy(() -> Pickles.load("\u0080\u0006N."))
                    .isInstanceOf(UnsupportedFileException.class)
                    .hasMessageContaining("found pickle protocol 6, expected at most 5");
            assertThatThrownBy(() -> Pickles.load("\u0097."))
                    .isInstanceOf(UnsupportedFileException.class)
                    .hasMessageContaining("out-of-band");
        }

        @Test
        void cannotMakeHashingTakeForEver() {
            // a tuple of a tuple of a tuple …, each twice in the next, as a key: 2^60 elements to hash
            assertThatThrownBy(() -> Pickles.load("})" + "2\u0086".repeat(60) + "Ns."))
                    .isInstanceOf(CorruptFileException.class)
                    .hasMessageContaining("nested tuple");
        }

        @Test
        void cannotNestTooDeepForTheStack() throws IOException {
            List<?> deep = (List<?>) Pickles.load("N" + "\u0085".repeat(100_000) + ".");
            assertThat(deep).hasSize(1);
            byte[] pickle = ("N" + "\u0085".repeat(100_000) + ".").getBytes(StandardCharsets.ISO_8859_1);
            ArraySource source = new ArraySource("a.pkl", pickle);
            assertThatThrownBy(() -> new TensorResolver(source).tree(PyTorchFile.parse(source, 0), "the object", 0))
                    .isInstanceOf(CorruptFileException.class)
                    .hasMessageContaining("nested more than");
        }

        @Test
        void cannotTakeMoreMemoryThanTheirSizeAllows() {
            // one text of a megabyte, encoded again and again by calls of a few bytes each
            StringBuilder pickle = new StringBuilder("c_codecs\nencode\nq\0X\0\0\u0010\0");
            pickle.append("a".repeat(1 << 20)).append("q\u0001(");
            for (int i = 0; i < 100_000; i++) {
                pickle.append("h\0h\u0001\u0085R");
            }
            assertThatThrownBy(() -> Pickles.load(pickle.append("t.").toString()))
                    .isInstanceOf(CorruptFileException.class)
                    .hasMessageContaining("more memory");
        }

        @Test
        void cannotFillMemoryWithEmptyContainers() {
            assertThatThrownBy(() -> Pickles.load("(" + "}".repeat(2_000_000) + "t."))
                    .isInstanceOf(CorruptFileException.class)
                    .hasMessageContaining("more memory");
        }

        @Test
        void cannotRepeatListsWithoutEnd() {
            List<String> parts = new ArrayList<>(List.of("c__builtin__\nlist\nq\0]q\u0001("));
            parts.add("N".repeat(100_000) + "e(");
            parts.add("h\0h\u0001\u0085R".repeat(10_000) + "t.");
            assertThatThrownBy(() -> Pickles.load(String.join("", parts)))
                    .isInstanceOf(CorruptFileException.class)
                    .hasMessageContaining("more memory");
        }
    }
}
