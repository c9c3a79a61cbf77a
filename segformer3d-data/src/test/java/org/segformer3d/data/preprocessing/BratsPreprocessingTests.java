package org.segformer3d.data.preprocessing;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.segformer3d.api.block.Grid;
import org.segformer3d.api.tensor.HostTensor;
import org.segformer3d.data.ReferenceTensors;
import org.segformer3d.data.dataset.BratsReader;
import org.segformer3d.data.dataset.Case;
import org.segformer3d.data.dataset.CaseReader;
import org.segformer3d.data.preprocessing.BratsPreprocessing.Coding;
import org.segformer3d.data.preprocessing.BratsPreprocessing.Pair;
import org.segformer3d.data.volume.Affine;
import org.segformer3d.data.volume.Geometry;
import org.segformer3d.data.volume.Volume;

class BratsPreprocessingTests {
    /** x, y, z of a scan in RAS: just larger than where the official crop begins. */
    private static final Grid SIZE = new Grid(58, 60, 17);

    private static Volume volume(Grid size, Affine affine, Value value) {
        float[] values = new float[size.tokens()];
        int n = 0;
        for (int i = 0; i < size.depth(); i++) {
            for (int j = 0; j < size.height(); j++) {
                for (int k = 0; k < size.width(); k++) {
                    values[n++] = value.at(i, j, k);
                }
            }
        }
        return Volume.of(values, 1, Geometry.of(size, affine));
    }

    private interface Value {
        float at(int i, int j, int k);
    }

    private static Volume ras(Value value) {
        return volume(SIZE, Affine.IDENTITY, value);
    }

    @ParameterizedTest
    @ValueSource(strings = {"BRATS_001", "BRATS_002"})
    void givesWhatTheOfficialScriptGives(String name) throws IOException {
        ReferenceTensors reference = ReferenceTensors.open("pipeline/brats_preprocess.safetensors");
        Path raw = Path.of(System.getProperty("segformer3d.shared", "../shared"), "reference/pipeline/brats_raw");
        BratsReader.BratsScans scans = BratsReader.read(raw);
        Case one = scans.dataset().select(List.of(name)).get(0);
        Volume image = CaseReader.readImage(one, 4);

        Pair pair = BratsPreprocessing.prepare(
                name, List.of(image), CaseReader.read(one.label().orElseThrow()), Coding.DECATHLON);

        assertThat(scans.decathlon()).isTrue();
        HostTensor shape = reference.get(name + ".shape");
        for (int axis = 0; axis < 4; axis++) {
            assertThat(pair.image().size(axis)).isEqualTo((long) shape.get(axis));
        }
        HostTensor index = reference.get(name + ".index");
        HostTensor values = reference.get(name + ".modalities_at_index");
        double worst = 0;
        for (int n = 0; n < index.elements(); n++) {
            worst = Math.max(worst, Math.abs(pair.image().get((int) index.get(n)) - values.get(n)));
        }
        assertThat(worst).isLessThanOrEqualTo(1e-7);
        HostTensor packed = reference.get(name + ".label_packed");
        assertThat(pair.masks().elements()).isEqualTo(8 * packed.elements());
        int different = 0;
        for (int n = 0; n < pair.masks().elements(); n++) {
            int bit = (packed.bytes().get(n / 8) >> 7 - n % 8) & 1;
            different += pair.masks().bytes().get(n) == bit ? 0 : 1;
        }
        assertThat(different).isZero();
    }

    @Nested
    class Arrays {
        @Test
        void areIndexedZYXFromTheFixedCorner() {
            // Every slice runs from 0 to its own maximum, so that scaled values tell the slice's values apart.
            Volume image = ras((x, y, z) -> x == 0 && y == 0 ? 0 : x == 1 && y == 0 ? 10_000 : 100 * x + y);
            Volume label = ras((x, y, z) -> x == 57 && y == 56 && z == 14 ? 3 : 0);

            Pair pair = BratsPreprocessing.prepare("a", List.of(image, image), label, Coding.DECATHLON);

            assertThat(pair.image().shape()).containsExactly(2, 4, 4, 2);
            for (int z = 0; z < 4; z++) {
                for (int y = 0; y < 4; y++) {
                    for (int x = 0; x < 2; x++) {
                        int at = ((4 + z) * 4 + y) * 2 + x;
                        assertThat(pair.image().get(at)).isEqualTo((100 * (x + 56) + y + 56) / 10_000f);
                    }
                }
            }
            int voxel = (1 * 4 + 0) * 2 + 1;
            for (int n = 0; n < 3 * 32; n++) {
                assertThat(pair.masks().get(n)).isEqualTo(n % 32 == voxel ? 1 : 0);
            }
        }

        @Test
        void haveEachSliceOfTheFileScaledOnItsOwnAndConstantOnesZero() {
            Volume image = ras((x, y, z) -> z == 15 ? 7 : (x == 57 ? 3 : 1) * (z + 1));

            HostTensor scaled = BratsPreprocessing.prepare("a", List.of(image), ras((x, y, z) -> 0), Coding.CHALLENGE)
                    .image();

            for (int z = 0; z < 4; z++) {
                for (int y = 0; y < 4; y++) {
                    assertThat(scaled.get((z * 4 + y) * 2)).as("slice %d", z).isZero();
                    assertThat(scaled.get((z * 4 + y) * 2 + 1)).isEqualTo(z == 2 ? 0 : 1);
                }
            }
        }

        @Test
        void areTheSameInAnyOrientationButForTheSlices() {
            Value pattern = (x, y, z) -> x + 2 * y + 3 * z;
            // Stored with x and y from large to small: the last axis is still z, so the slices are, too.
            Affine flipped = Affine.ofRows(-1, 0, 0, 57, 0, -1, 0, 59, 0, 0, 1, 0);
            Volume lps = volume(SIZE, flipped, (i, j, k) -> pattern.at(57 - i, 59 - j, k));
            Volume label = ras((x, y, z) -> 0);

            assertThat(BratsPreprocessing.prepare("a", List.of(lps), label, Coding.DECATHLON)
                            .image())
                    .isEqualTo(BratsPreprocessing.prepare("a", List.of(ras(pattern)), label, Coding.DECATHLON)
                            .image());
        }
    }

    @Nested
    class Predicting {
        /** What the bundle of an official run does to a scan, cut to the official box. */
        @Test
        void seesTheSameValuesAsTraining() {
            Affine tilted = Affine.ofRows(0, 0.1, 1, -5, 1, 0, 0.1, 3, 0, -1, 0, 90);
            SplittableRandom random = new SplittableRandom(4);
            Volume scan = volume(new Grid(60, 17, 58), tilted, (i, j, k) -> random.nextInt(500) - 20);
            Volume label = volume(new Grid(60, 17, 58), tilted, (i, j, k) -> (i + j + k) % 4);
            HostTensor trained = BratsPreprocessing.prepare("a", List.of(scan), label, Coding.DECATHLON)
                    .image();
            Preprocessor preprocessor = new Preprocessor(PreprocessingSpec.officialBrats());

            PreparedCase whole = preprocessor.prepare("a", List.of(scan), Optional.of(label));
            PreparedScan inPlace = preprocessor.prepareInPlace(
                    "a", List.of(Volume.of(scan.values().clone(), 1, scan.geometry())));

            assertThat(whole.size()).isEqualTo(new Grid(17, 60, 58));
            for (int z = 0; z < 4; z++) {
                for (int y = 0; y < 4; y++) {
                    for (int x = 0; x < 2; x++) {
                        int at = ((z + 13) * 60 + y + 56) * 58 + x + 56;
                        assertThat(whole.image().get(at)).isEqualTo(trained.get((z * 4 + y) * 2 + x));
                    }
                }
            }
            assertThat(inPlace.channels().get(0).values())
                    .containsExactly(whole.image().toFloats());
            assertThat(whole.restoration().labels(whole.label().orElseThrow()).values())
                    .containsExactly(label.values());
            PreprocessingSpec spec = PreprocessingSpec.officialBrats();
            assertThat(PreprocessingSpec.fromMap(spec.toMap())).isEqualTo(spec);
        }
    }

    @Nested
    class Labels {
        private long masked(Coding coding, int value) {
            HostTensor masks = BratsPreprocessing.prepare(
                            "a", List.of(ras((x, y, z) -> x)), ras((x, y, z) -> value), coding)
                    .masks();
            return (long) (masks.get(0) + 10 * masks.get(32) + 100 * masks.get(64));
        }

        @Test
        void meanWhatTheirCodingSays() {
            // written as ET WT TC
            assertThat(masked(Coding.DECATHLON, 1)).as("edema").isEqualTo(10);
            assertThat(masked(Coding.DECATHLON, 2)).as("core").isEqualTo(11);
            assertThat(masked(Coding.DECATHLON, 3)).as("enhancing").isEqualTo(111);
            assertThat(masked(Coding.CHALLENGE, 1)).as("core").isEqualTo(11);
            assertThat(masked(Coding.CHALLENGE, 2)).as("edema").isEqualTo(10);
            assertThat(masked(Coding.CHALLENGE, 3)).as("enhancing").isEqualTo(111);
            assertThat(masked(Coding.CHALLENGE, 4)).as("enhancing").isEqualTo(111);
        }

        @Test
        void thatAreUnknownAreRefused() {
            assertThatThrownBy(() -> masked(Coding.DECATHLON, 4))
                    .isInstanceOf(InvalidCaseException.class)
                    .hasMessageContainingAll("a: found label value 4", "1 edema");
            assertThatThrownBy(() -> masked(Coding.CHALLENGE, -1)).hasMessageContaining("label value -1");
        }
    }

    @Nested
    class BadScans {
        @Test
        void thatAreTooSmallOrDifferentAreRefused() {
            Volume small = volume(new Grid(56, 60, 17), Affine.IDENTITY, (i, j, k) -> i);
            Volume image = ras((x, y, z) -> x);
            assertThatThrownBy(() -> BratsPreprocessing.prepare("a", List.of(small), small, Coding.DECATHLON))
                    .hasMessageContainingAll("a: has 17×60×56 voxels", "13×56×56");
            assertThatThrownBy(() -> BratsPreprocessing.prepare("a", List.of(image), small, Coding.DECATHLON))
                    .hasMessageContainingAll("the label has 17×60×56", "17×60×58");
            assertThatThrownBy(() -> BratsPreprocessing.prepare(
                            "a", List.of(ras((x, y, z) -> Float.NaN)), image, Coding.DECATHLON))
                    .hasMessageContaining("NaN");
        }
    }
}
