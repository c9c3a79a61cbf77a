package org.segformer3d.data.dataset;

import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Collectors;
import java.util.stream.IntStream;

/**
 * Splits that publications share, so that figures can be compared: the lists of nnFormer (Zhou et al. 2021), which SegFormer3D also used.
 *
 * <p>ACDC: 70 patients to train on, 10 to validate on and the other 20 of the 100 to test on. Synapse: 18 scans to train on and 12 to
 * test on (the lists of TransUNet); none to validate on. Of a data set that holds only some of the cases, those are divided as the lists
 * say; cases that no list knows are left out.
 */
public final class PublishedSplit {
    private static final Set<Integer> ACDC_VALIDATION = Set.of(89, 90, 91, 93, 94, 96, 97, 98, 99, 100);
    private static final Set<Integer> ACDC_TEST =
            Set.of(2, 3, 8, 9, 12, 14, 17, 24, 42, 48, 49, 53, 55, 64, 67, 79, 81, 88, 92, 95);
    private static final int ACDC_PATIENTS = 100;
    private static final Set<Integer> SYNAPSE_TRAIN =
            Set.of(5, 6, 7, 9, 10, 21, 23, 24, 26, 27, 28, 30, 31, 33, 34, 37, 39, 40);
    private static final Set<Integer> SYNAPSE_TEST = Set.of(1, 2, 3, 4, 8, 22, 25, 29, 32, 35, 36, 38);

    private PublishedSplit() {}

    /**
     * Returns nnFormer's split of a data set.
     *
     * @param layout {@link DatasetLayout#ACDC} or {@link DatasetLayout#SYNAPSE}
     * @param dataset the data set, whole or in part
     * @throws IllegalArgumentException when there is none for the layout, or no case to train on
     */
    public static Split nnFormer(DatasetLayout layout, SegmentationDataset dataset) {
        Split split = switch (layout) {
            case ACDC -> split(dataset, acdcTraining(), ACDC_VALIDATION, ACDC_TEST);
            case SYNAPSE -> split(dataset, SYNAPSE_TRAIN, Set.of(), SYNAPSE_TEST);
            case FOLDERS ->
                throw new IllegalArgumentException("nnFormer published splits of ACDC and Synapse, none for "
                        + layout.name().toLowerCase(Locale.ROOT));
        };
        if (split.train().isEmpty()) {
            throw new IllegalArgumentException(dataset.root() + " has none of the cases that nnFormer trains on");
        }
        return split;
    }

    private static Set<Integer> acdcTraining() {
        return IntStream.rangeClosed(1, ACDC_PATIENTS)
                .boxed()
                .filter(n -> !ACDC_VALIDATION.contains(n) && !ACDC_TEST.contains(n))
                .collect(Collectors.toCollection(TreeSet::new));
    }

    private static Split split(
            SegmentationDataset dataset, Set<Integer> train, Set<Integer> validation, Set<Integer> test) {
        List<List<String>> parts = new ArrayList<>();
        for (Set<Integer> numbers : List.of(train, validation, test)) {
            parts.add(dataset.ids().stream()
                    .filter(id -> numbers.contains(number(dataset.groupOf(id))))
                    .sorted()
                    .toList());
        }
        return new Split(parts.get(0), parts.get(1), parts.get(2));
    }

    /** Returns the number that a patient's or scan's name ends in, −1 when there is none. */
    private static int number(String name) {
        String digits = name.replaceFirst("^.*?(\\d{1,6})$", "$1");
        return digits.matches("\\d{1,6}") ? Integer.parseInt(digits) : -1;
    }
}
