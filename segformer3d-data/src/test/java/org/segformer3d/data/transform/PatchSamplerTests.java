package org.segformer3d.data.transform;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.HashSet;
import java.util.Optional;
import java.util.Set;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;
import org.segformer3d.api.block.Grid;
import org.segformer3d.api.tensor.HostTensor;
import org.segformer3d.data.labels.LabelValues;
import org.segformer3d.data.preprocessing.PreparedCase;
import org.segformer3d.data.preprocessing.Restoration;
import org.segformer3d.data.volume.Affine;
import org.segformer3d.data.volume.Geometry;

class PatchSamplerTests {
    private static final Grid SIZE = new Grid(6, 7, 8);

    /** The image holds 1 + the voxel's index, in the second channel negated; the label the index modulo {@code period}. */
    private static PreparedCase numbered(int period, int offset) {
        int voxels = SIZE.tokens();
        float[] image = new float[2 * voxels];
        short[] label = new short[voxels];
        for (int n = 0; n < voxels; n++) {
            image[n] = 1 + n;
            image[voxels + n] = -1 - n;
            label[n] = (short) (n % period + offset);
        }
        return new PreparedCase(
                HostTensor.of(image, 2, 6, 7, 8),
                Optional.of(LabelValues.tensor(label, 6, 7, 8)),
                Restoration.identity(Geometry.of(SIZE, Affine.IDENTITY)));
    }

    private static PreparedCase oneLabelledVoxel(int voxel) {
        short[] label = new short[SIZE.tokens()];
        label[voxel] = 3;
        return new PreparedCase(
                numbered(2, 0).image(),
                Optional.of(LabelValues.tensor(label, 6, 7, 8)),
                Restoration.identity(Geometry.of(SIZE, Affine.IDENTITY)));
    }

    @Test
    void a_patch_is_a_box_of_the_case_with_its_labels() {
        PatchSampler sampler = new PatchSampler(new Grid(3, 4, 5), 0);
        SplittableRandom random = new SplittableRandom(1);
        Set<Integer> starts = new HashSet<>();
        for (PreparedCase prepared : new PreparedCase[] {numbered(7, 0), numbered(300, 0), numbered(300, -100)}) {
            int offset = (int) prepared.label().orElseThrow().get(0);
            int period = offset < 0 || prepared.label().orElseThrow().get(299) == 299 ? 300 : 7;
            for (int draw = 0; draw < 200; draw++) {
                Sample sample = sampler.draw(prepared, random);
                int start = (int) sample.image()[0] - 1;
                starts.add(start);
                int n = 0;
                for (int d = 0; d < 3; d++) {
                    for (int h = 0; h < 4; h++) {
                        for (int w = 0; w < 5; w++, n++) {
                            int voxel = start + (d * 7 + h) * 8 + w;
                            assertThat(sample.image()[n]).isEqualTo(1 + voxel);
                            assertThat(sample.image()[60 + n]).isEqualTo(-1 - voxel);
                            assertThat(sample.label()[n]).isEqualTo((short) (voxel % period + offset));
                        }
                    }
                }
            }
        }
        assertThat(starts).as("every position occurs").hasSize(4 * 4 * 4);
    }

    @Test
    void pads_smaller_cases_with_zeros_on_both_sides() {
        Sample sample = new PatchSampler(new Grid(9, 7, 11), 1).draw(numbered(7, 0), new SplittableRandom(1));
        int n = 0;
        for (int d = 0; d < 9; d++) {
            for (int h = 0; h < 7; h++) {
                for (int w = 0; w < 11; w++, n++) {
                    boolean inside = d >= 1 && d < 7 && w >= 1 && w < 9;
                    int voxel = ((d - 1) * 7 + h) * 8 + w - 1;
                    assertThat(sample.image()[n]).isEqualTo(inside ? 1 + voxel : 0);
                    assertThat(sample.label()[n]).isEqualTo((short) (inside ? voxel % 7 : 0));
                }
            }
        }
    }

    @Test
    void takes_the_middle_when_asked_for_the_centre() {
        Sample sample = new PatchSampler(new Grid(2, 9, 4), 0).center(numbered(7, 0));
        // d from 2, h padded by one on both sides, w from 2.
        assertThat(sample.image()[0]).isZero();
        assertThat(sample.image()[4]).isEqualTo(1 + 2 * 56 + 2);
    }

    @Test
    void shows_a_labelled_voxel_as_often_as_asked() {
        for (int voxel : new int[] {0, SIZE.tokens() - 1, (3 * 7 + 3) * 8 + 4}) {
            PreparedCase prepared = oneLabelledVoxel(voxel);
            SplittableRandom random = new SplittableRandom(9);
            int always = 0;
            int half = 0;
            int never = 0;
            for (int draw = 0; draw < 400; draw++) {
                always += shows(new PatchSampler(new Grid(2, 2, 2), 1).draw(prepared, random));
                half += shows(new PatchSampler(new Grid(2, 2, 2), 0.5).draw(prepared, random));
                never += shows(new PatchSampler(new Grid(2, 2, 2), 0).draw(prepared, random));
            }
            assertThat(always).isEqualTo(400);
            assertThat(half).isBetween(150, 260);
            assertThat(never).isLessThan(60);
        }
    }

    private static int shows(Sample sample) {
        for (short value : sample.label()) {
            if (value == 3) {
                return 1;
            }
        }
        return 0;
    }

    @Test
    void keeps_the_labelled_voxel_in_the_central_half_where_there_is_room() {
        PreparedCase prepared = oneLabelledVoxel((3 * 7 + 3) * 8 + 4);
        SplittableRandom random = new SplittableRandom(9);
        Set<Integer> places = new HashSet<>();
        for (int draw = 0; draw < 300; draw++) {
            Sample sample = new PatchSampler(new Grid(1, 1, 4), 1).draw(prepared, random);
            for (int w = 0; w < 4; w++) {
                if (sample.label()[w] == 3) {
                    places.add(w);
                }
            }
        }
        assertThat(places).containsExactlyInAnyOrder(1, 2);
    }

    @Test
    void draws_anywhere_when_nothing_is_labelled() {
        PreparedCase empty = new PreparedCase(
                numbered(2, 0).image(),
                Optional.of(LabelValues.tensor(new short[SIZE.tokens()], 6, 7, 8)),
                Restoration.identity(Geometry.of(SIZE, Affine.IDENTITY)));
        Set<Float> firsts = new HashSet<>();
        SplittableRandom random = new SplittableRandom(2);
        for (int draw = 0; draw < 500; draw++) {
            firsts.add(
                    new PatchSampler(new Grid(5, 6, 7), 1).draw(empty, random).image()[0]);
        }
        assertThat(firsts).hasSize(8);
    }

    /** A row of ten: one voxel of 3 at one end, background beside it, the rest to ignore. */
    private static PreparedCase mostlyUnlabelled() {
        Grid row = new Grid(1, 1, 40);
        short[] labels = new short[40];
        java.util.Arrays.fill(labels, (short) 255);
        labels[0] = 3;
        labels[1] = 0;
        labels[2] = 0;
        return new PreparedCase(
                HostTensor.of(new float[40], 1, 1, 1, 40),
                Optional.of(LabelValues.tensor(labels, 1, 1, 40)),
                Restoration.identity(Geometry.of(row, Affine.IDENTITY)));
    }

    @Test
    void takes_no_voxel_to_ignore_for_foreground() {
        PatchSampler sampler = new PatchSampler(new Grid(1, 1, 4), 1, Set.of(255));
        SplittableRandom random = new SplittableRandom(5);
        for (int draw = 0; draw < 100; draw++) {
            assertThat(shows(sampler.draw(mostlyUnlabelled(), random))).isEqualTo(1);
        }
    }

    @Test
    void never_draws_a_patch_of_nothing_but_voxels_to_ignore() {
        PatchSampler sampler = new PatchSampler(new Grid(1, 1, 4), 0, Set.of(255));
        PatchSampler unaware = new PatchSampler(new Grid(1, 1, 4), 0);
        SplittableRandom random = new SplittableRandom(5);
        int empty = 0;
        for (int draw = 0; draw < 100; draw++) {
            assertThat(sampler.draw(mostlyUnlabelled(), random).label()).isNotEqualTo(new short[] {255, 255, 255, 255});
            empty += unaware.draw(mostlyUnlabelled(), random).label()[0] == 255 ? 1 : 0;
        }
        assertThat(empty).isPositive();
    }

    @Test
    void refuses_cases_without_labels() {
        PreparedCase unlabelled = new PreparedCase(
                numbered(2, 0).image(), Optional.empty(), Restoration.identity(Geometry.of(SIZE, Affine.IDENTITY)));
        assertThatThrownBy(() -> new PatchSampler(SIZE, 1).draw(unlabelled, new SplittableRandom(1)))
                .hasMessageContaining("no labels");
    }
}
