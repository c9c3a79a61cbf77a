package org.segformer3d.data.dataset;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

class PublishedSplitTests {
    private static SegmentationDataset acdc(int... patients) {
        List<Case> cases = new ArrayList<>();
        Map<String, String> groups = new HashMap<>();
        for (int patient : patients) {
            String name = String.format("patient%03d", patient);
            for (String frame : List.of("_frame01", "_frame12")) {
                cases.add(new Case(name + frame, List.of(Path.of(name + frame)), Optional.empty()));
                groups.put(name + frame, name);
            }
        }
        return new SegmentationDataset("ACDC", Path.of("acdc"), List.of("MRI"), List.of(), cases, List.of(), groups);
    }

    private static SegmentationDataset synapse() {
        List<Case> cases = IntStream.rangeClosed(1, 40)
                .filter(n -> n <= 10 || n >= 21)
                .mapToObj(n -> String.format("img%04d", n))
                .map(id -> new Case(id, List.of(Path.of(id)), Optional.empty()))
                .toList();
        return new SegmentationDataset("Synapse", Path.of("synapse"), List.of("CT"), List.of(), cases, List.of());
    }

    @Test
    void divides_the_hundred_patients_of_acdc_into_70_10_and_20() {
        SegmentationDataset dataset = acdc(IntStream.rangeClosed(1, 100).toArray());

        Split split = PublishedSplit.nnFormer(DatasetLayout.ACDC, dataset);

        assertThat(split.train()).hasSize(140).contains("patient001_frame01", "patient087_frame12");
        assertThat(split.validation()).hasSize(20).contains("patient089_frame01", "patient100_frame12");
        assertThat(split.test()).hasSize(40).contains("patient002_frame01", "patient095_frame12");
    }

    @Test
    void divides_the_thirty_scans_of_synapse_into_18_and_12() {
        Split split = PublishedSplit.nnFormer(DatasetLayout.SYNAPSE, synapse());

        assertThat(split.train()).hasSize(18).contains("img0005", "img0040");
        assertThat(split.validation()).isEmpty();
        assertThat(split.test())
                .containsExactly(
                        "img0001", "img0002", "img0003", "img0004", "img0008", "img0022", "img0025", "img0029",
                        "img0032", "img0035", "img0036", "img0038");
    }

    @Test
    void divides_part_of_a_data_set_as_the_lists_say_and_refuses_one_without_training_cases() {
        assertThat(PublishedSplit.nnFormer(DatasetLayout.ACDC, acdc(2, 5, 89)))
                .isEqualTo(new Split(
                        List.of("patient005_frame01", "patient005_frame12"),
                        List.of("patient089_frame01", "patient089_frame12"),
                        List.of("patient002_frame01", "patient002_frame12")));
        assertThatThrownBy(() -> PublishedSplit.nnFormer(DatasetLayout.ACDC, acdc(2)))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("none of the cases");
    }

    @Test
    void draws_by_patient_and_the_same_again_whatever_the_order() {
        SegmentationDataset dataset = acdc(IntStream.rangeClosed(1, 30).toArray());
        List<String> backwards = new ArrayList<>(dataset.ids());
        java.util.Collections.reverse(backwards);

        Split split = byPatient(dataset, dataset.ids());

        assertThat(split).isEqualTo(byPatient(dataset, backwards));
        assertThat(split.train()).hasSize(48);
        assertThat(split.test()).hasSize(12);
        assertThat(Split.groups(split.train(), dataset::groupOf))
                .doesNotContainAnyElementsOf(Split.groups(split.test(), dataset::groupOf));
    }

    private static Split byPatient(SegmentationDataset dataset, Collection<String> ids) {
        return Split.byGroup(ids, dataset::groupOf, groups -> Split.trainTest(groups, 0.8, 42));
    }
}
