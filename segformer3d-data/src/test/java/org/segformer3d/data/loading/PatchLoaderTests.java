package org.segformer3d.data.loading;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.Iterator;
import java.util.List;
import java.util.NoSuchElementException;
import java.util.Optional;
import java.util.Set;
import java.util.SplittableRandom;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.segformer3d.api.block.Grid;
import org.segformer3d.api.config.ConfigException;
import org.segformer3d.api.tensor.DType;
import org.segformer3d.api.tensor.HostTensor;
import org.segformer3d.data.labels.LabelSpec;
import org.segformer3d.data.labels.LabelValues;
import org.segformer3d.data.preprocessing.PreparedCase;
import org.segformer3d.data.preprocessing.Restoration;
import org.segformer3d.data.transform.Augmentation;
import org.segformer3d.data.volume.Affine;
import org.segformer3d.data.volume.Geometry;

@Timeout(60)
class PatchLoaderTests {
    private static final LabelSpec LABELS = LabelSpec.sigmoid("a", "b");
    private static final Grid PATCH = new Grid(6, 5, 4);

    /** Small cases of noise, each of another size, whose loading can be counted, slowed down and broken. */
    private static class NoiseCases implements CaseSource {
        private final int count;
        private final AtomicInteger loads = new AtomicInteger();

        NoiseCases(int count) {
            this.count = count;
        }

        @Override
        public int size() {
            return count;
        }

        @Override
        public String id(int index) {
            return "case_" + index;
        }

        @Override
        public PreparedCase load(int index) throws IOException {
            loads.incrementAndGet();
            SplittableRandom random = new SplittableRandom(index);
            Grid size = new Grid(4 + index % 5, 5 + index % 4, 6 + index % 3);
            float[] image = new float[size.tokens()];
            short[] label = new short[size.tokens()];
            for (int n = 0; n < image.length; n++) {
                image[n] = (float) random.nextDouble();
                label[n] = (short) random.nextInt(3);
            }
            return new PreparedCase(
                    HostTensor.of(image, 1, size.depth(), size.height(), size.width()),
                    Optional.of(LabelValues.tensor(label, size.depth(), size.height(), size.width())),
                    Restoration.identity(Geometry.of(size, Affine.IDENTITY)));
        }
    }

    private static LoaderSpec spec(int batch, boolean shuffle, boolean dropLast, int workers, int perCase, long seed) {
        return new LoaderSpec(
                batch, shuffle, dropLast, workers, PATCH, perCase, 0.5, Augmentation.fromConfig("standard"), seed);
    }

    private static List<Batch> batches(CaseSource source, LoaderSpec spec, int epoch) {
        List<Batch> batches = new ArrayList<>();
        try (PatchLoader loader = new PatchLoader(source, LABELS, spec)) {
            loader.epoch(epoch).forEach(batches::add);
        }
        return batches;
    }

    private static List<String> order(List<Batch> batches) {
        return batches.stream().flatMap(b -> b.caseIds().stream()).toList();
    }

    @Nested
    class CaseByCase {
        private LoaderSpec spec(int batch, boolean shuffle) {
            return new LoaderSpec(batch, shuffle, true, 0, PATCH, 4, 0, List.of(), 7, true);
        }

        @Test
        void a_batch_holds_all_samples_of_whole_cases() {
            List<Batch> batches = batches(new NoiseCases(5), spec(8, true), 0);
            assertThat(batches).hasSize(2);
            for (Batch batch : batches) {
                List<String> ids = batch.caseIds();
                assertThat(ids.subList(0, 4)).containsOnly(ids.get(0));
                assertThat(ids.subList(4, 8)).containsOnly(ids.get(4)).doesNotContain(ids.get(0));
            }
            assertThat(order(batches(new NoiseCases(5), spec(8, true), 1))).isNotEqualTo(order(batches));
            assertThat(order(batches(new NoiseCases(2), spec(4, false), 1)))
                    .containsExactly("case_0", "case_0", "case_0", "case_0", "case_1", "case_1", "case_1", "case_1");
        }

        @Test
        void too_few_cases_for_a_batch_are_one_batch() {
            List<Batch> batches = batches(new NoiseCases(1), spec(8, true), 0);
            assertThat(batches).hasSize(1);
            assertThat(batches.get(0).caseIds()).hasSize(4);
        }
    }

    @Nested
    class ValuesToIgnore {
        @Test
        void have_no_channel_and_a_mask_of_zero() {
            LabelSpec labels = LabelSpec.softmax("a").ignoring(List.of(2));
            LoaderSpec spec = new LoaderSpec(3, false, false, 0, PATCH, 1, 0.5, List.of(), 1);
            try (PatchLoader loader = new PatchLoader(new NoiseCases(3), labels, spec)) {
                Batch batch = loader.epoch(0).iterator().next();
                float[] target = batch.target().toFloats();
                HostTensor mask = batch.mask().orElseThrow();
                assertThat(mask.shape()).containsExactly(3, 1, 6, 5, 4);
                float[] counts = mask.toFloats();
                int voxels = PATCH.tokens();
                int ignored = 0;
                for (int n = 0; n < counts.length; n++) {
                    int at = n / voxels * 2 * voxels + n % voxels;
                    // exactly one channel where the voxel counts, none where it doesn't
                    assertThat(target[at] + target[at + voxels]).isEqualTo(counts[n]);
                    ignored += counts[n] == 0 ? 1 : 0;
                }
                assertThat(ignored).isBetween(20, counts.length / 2);
            }
        }

        @Test
        void that_do_not_occur_leave_no_mask() {
            LabelSpec labels = LABELS.ignoring(List.of(77));
            try (PatchLoader loader = new PatchLoader(
                    new NoiseCases(2), labels, new LoaderSpec(2, false, false, 0, PATCH, 1, 0.5, List.of(), 1))) {
                assertThat(loader.epoch(0).iterator().next().mask()).isEmpty();
            }
        }
    }

    @Nested
    class Determinism {
        @Test
        void gives_the_same_batches_whatever_the_number_of_workers() {
            List<Batch> expected = batches(new NoiseCases(7), spec(2, true, false, 0, 2, 42), 3);
            assertThat(expected).hasSize(7);
            for (int workers : new int[] {1, 3}) {
                for (CaseSource source : List.of(new NoiseCases(7), new CachedCases(new NoiseCases(7)))) {
                    assertThat(batches(source, spec(2, true, false, workers, 2, 42), 3))
                            .isEqualTo(expected);
                }
            }
        }

        @Test
        void changes_with_seed_and_epoch() {
            List<Batch> first = batches(new NoiseCases(7), spec(7, false, false, 0, 1, 42), 3);
            assertThat(batches(new NoiseCases(7), spec(7, false, false, 0, 1, 43), 3))
                    .isNotEqualTo(first);
            assertThat(batches(new NoiseCases(7), spec(7, false, false, 0, 1, 42), 4))
                    .isNotEqualTo(first);
            assertThat(batches(new NoiseCases(7), spec(7, false, false, 0, 1, 42), 3))
                    .isEqualTo(first);
        }

        @Test
        void gives_a_case_the_same_sample_wherever_it_comes_in_the_order() {
            Batch ordered = batches(new NoiseCases(7), spec(7, false, false, 0, 1, 1), 0)
                    .get(0);
            Batch shuffled =
                    batches(new NoiseCases(7), spec(7, true, false, 0, 1, 1), 0).get(0);
            assertThat(shuffled.caseIds()).isNotEqualTo(ordered.caseIds());
            int voxels = PATCH.tokens();
            float[] inOrder = ordered.input().toFloats();
            float[] mixed = shuffled.input().toFloats();
            for (int b = 0; b < 7; b++) {
                int at = ordered.caseIds().indexOf(shuffled.caseIds().get(b));
                for (int n = 0; n < voxels; n++) {
                    assertThat(mixed[b * voxels + n]).isEqualTo(inOrder[at * voxels + n]);
                }
            }
        }

        @Test
        void makes_different_samples_of_one_case_in_one_epoch() {
            Batch batch = batches(new NoiseCases(1), spec(2, false, false, 0, 2, 1), 0)
                    .get(0);
            float[] both = batch.input().toFloats();
            assertThat(Arrays.copyOf(both, both.length / 2))
                    .isNotEqualTo(Arrays.copyOfRange(both, both.length / 2, both.length));
        }
    }

    @Nested
    class Epochs {
        @Test
        void visit_every_case_as_often_as_asked_in_another_order_each_time() {
            List<Batch> first = batches(new NoiseCases(7), spec(4, true, false, 2, 3, 5), 0);
            List<Batch> second = batches(new NoiseCases(7), spec(4, true, false, 2, 3, 5), 1);
            assertThat(first).hasSize(6);
            assertThat(first.get(5).size()).isEqualTo(1);
            for (int index = 0; index < 7; index++) {
                String id = "case_" + index;
                assertThat(order(first)).filteredOn(id::equals).hasSize(3);
            }
            assertThat(order(second)).isNotEqualTo(order(first)).containsExactlyInAnyOrderElementsOf(order(first));
            assertThat(first).extracting(Batch::index).containsExactly(0, 1, 2, 3, 4, 5);
        }

        @Test
        void leave_out_an_incomplete_last_batch_when_asked() {
            List<Batch> batches = batches(new NoiseCases(7), spec(4, true, true, 0, 1, 5), 0);
            assertThat(batches).hasSize(1);
            assertThat(batches.get(0).input().shape()).containsExactly(4, 1, 6, 5, 4);
        }

        @Test
        void give_images_as_float32_and_targets_as_channels_of_bytes() {
            Batch batch = batches(
                            new NoiseCases(3),
                            new LoaderSpec(3, false, false, 0, new Grid(9, 9, 9), 1, 0, List.of(), 1),
                            0)
                    .get(0);
            assertThat(batch.input().dtype()).isEqualTo(DType.FLOAT32);
            assertThat(batch.target().dtype()).isEqualTo(DType.UINT8);
            assertThat(batch.target().shape()).containsExactly(3, 2, 9, 9, 9);
            float[] target = batch.target().toFloats();
            float[] input = batch.input().toFloats();
            // Case 0 is 4×5×6, centred in 9×9×9: its first voxel is at (2, 2, 1).
            PreparedCase zero = assertLoads(new NoiseCases(3), 0);
            int at = (2 * 9 + 2) * 9 + 1;
            assertThat(input[at]).isEqualTo((float) zero.image().get(0));
            float label = (float) zero.label().orElseThrow().get(0);
            assertThat(target[at]).isEqualTo(label == 1 ? 1 : 0);
            assertThat(target[729 + at]).isEqualTo(label == 2 ? 1 : 0);
            assertThat(target[0] + target[729]).isZero();
        }

        @Test
        void are_iterated_once() {
            try (PatchLoader loader = new PatchLoader(new NoiseCases(2), LABELS, spec(2, false, false, 1, 1, 1))) {
                Epoch epoch = loader.epoch(0);
                Iterator<Batch> batches = epoch.iterator();
                assertThat(batches.hasNext()).isTrue();
                batches.next();
                assertThat(batches.hasNext()).isFalse();
                assertThatThrownBy(batches::next).isInstanceOf(NoSuchElementException.class);
                assertThatThrownBy(epoch::iterator)
                        .isInstanceOf(IllegalStateException.class)
                        .hasMessageContaining("only once");
            }
        }

        @Test
        void that_would_have_no_batch_are_refused_at_once() {
            assertThatThrownBy(() -> new PatchLoader(new NoiseCases(3), LABELS, spec(4, true, true, 0, 1, 1)))
                    .isInstanceOf(ConfigException.class)
                    .hasMessageContainingAll("batch_size", "4", "3 samples");
            assertThatThrownBy(() -> new PatchLoader(new NoiseCases(0), LABELS, spec(1, true, false, 0, 1, 1)))
                    .isInstanceOf(ConfigException.class);
        }
    }

    @Nested
    class Failures {
        @Test
        void of_a_case_surface_once_naming_it() {
            for (int workers : new int[] {0, 2}) {
                CaseSource broken = new NoiseCases(6) {
                    @Override
                    public PreparedCase load(int index) throws IOException {
                        if (index == 3) {
                            throw new IOException("image.nii.gz: truncated");
                        }
                        return super.load(index);
                    }
                };
                try (PatchLoader loader = new PatchLoader(broken, LABELS, spec(1, false, false, workers, 1, 1))) {
                    Iterator<Batch> batches = loader.epoch(0).iterator();
                    for (int n = 0; n < 3; n++) {
                        assertThat(batches.next().caseIds()).containsExactly("case_" + n);
                    }
                    assertThatThrownBy(batches::next)
                            .isInstanceOf(LoadingException.class)
                            .hasMessage("case case_3: image.nii.gz: truncated")
                            .extracting(e -> ((LoadingException) e).caseId())
                            .isEqualTo("case_3");
                    assertThatThrownBy(batches::next).isInstanceOf(IllegalStateException.class);
                }
            }
        }

        @Test
        void include_label_values_that_no_region_knows_even_outside_the_patch() {
            CaseSource strange = new NoiseCases(1) {
                @Override
                public PreparedCase load(int index) throws IOException {
                    short[] label = new short[20 * 20 * 20];
                    label[0] = 77;
                    return new PreparedCase(
                            HostTensor.zeros(DType.FLOAT32, 1, 20, 20, 20),
                            Optional.of(LabelValues.tensor(label, 20, 20, 20)),
                            Restoration.identity(Geometry.of(new Grid(20, 20, 20), Affine.IDENTITY)));
                }
            };
            LoaderSpec spec = new LoaderSpec(1, false, false, 1, new Grid(2, 2, 2), 1, 0, List.of(), 1);
            assertThatThrownBy(() -> batches(strange, spec, 0))
                    .isInstanceOf(LoadingException.class)
                    .hasMessageContainingAll("case_0", "77", "0, 1, 2");
        }

        @Test
        void include_cases_without_labels() {
            CaseSource unlabelled = new NoiseCases(1) {
                @Override
                public PreparedCase load(int index) throws IOException {
                    PreparedCase full = super.load(index);
                    return new PreparedCase(full.image(), Optional.empty(), full.restoration());
                }
            };
            assertThatThrownBy(() -> batches(unlabelled, spec(1, false, false, 0, 1, 1), 0))
                    .hasMessageContainingAll("case_0", "no labels");
        }
    }

    @Nested
    class Workers {
        @Test
        void stop_when_the_loader_is_closed_early() throws Exception {
            NoiseCases source = new NoiseCases(500);
            Set<Thread> threads = new HashSet<>();
            PatchLoader loader = new PatchLoader(
                    new NoiseCases(500) {
                        @Override
                        public PreparedCase load(int index) throws IOException {
                            synchronized (threads) {
                                threads.add(Thread.currentThread());
                            }
                            return source.load(index);
                        }
                    },
                    LABELS,
                    spec(1, true, false, 3, 1, 1));
            Epoch epoch = loader.epoch(0);
            epoch.iterator().next();
            loader.close();
            int loaded = source.loads.get();
            assertThat(threads).isNotEmpty().allMatch(Thread::isDaemon);
            for (Thread thread : threads) {
                thread.join(TimeUnit.SECONDS.toMillis(20));
                assertThat(thread.isAlive()).isFalse();
            }
            assertThat(loaded).isLessThan(20).isEqualTo(source.loads.get());
            assertThatThrownBy(() -> loader.epoch(1)).isInstanceOf(IllegalStateException.class);
            loader.close();
        }

        @Test
        void never_get_further_ahead_than_one_batch_each_and_one() throws Exception {
            NoiseCases source = new NoiseCases(100);
            try (PatchLoader loader = new PatchLoader(source, LABELS, spec(1, true, false, 2, 1, 1))) {
                Iterator<Batch> batches = loader.epoch(0).iterator();
                batches.next();
                // Whatever may be made is made once these have come through behind it.
                for (int n = 0; n < 20; n++) {
                    Thread.sleep(5);
                }
                assertThat(source.loads.get()).isLessThanOrEqualTo(1 + 3);
                for (int n = 0; n < 50; n++) {
                    batches.next();
                }
                assertThat(source.loads.get()).isBetween(51, 54);
            }
        }

        @Test
        void go_on_with_the_next_epoch_after_one_was_left_early() {
            try (PatchLoader loader = new PatchLoader(new NoiseCases(20), LABELS, spec(1, true, false, 2, 1, 1))) {
                try (Epoch epoch = loader.epoch(0)) {
                    epoch.iterator().next();
                }
                List<Batch> next = new ArrayList<>();
                loader.epoch(1).forEach(next::add);
                assertThat(next).isEqualTo(batches(new NoiseCases(20), spec(1, true, false, 0, 1, 1), 1));
            }
        }

        @Test
        void that_are_slow_make_the_caller_wait_and_the_wait_is_counted() {
            CaseSource slow = new NoiseCases(2) {
                @Override
                public PreparedCase load(int index) throws IOException {
                    try {
                        Thread.sleep(30);
                    } catch (InterruptedException e) {
                        throw new IOException(e);
                    }
                    return super.load(index);
                }
            };
            for (int workers : new int[] {0, 1}) {
                try (PatchLoader loader = new PatchLoader(slow, LABELS, spec(2, false, false, workers, 1, 1))) {
                    assertThat(loader.waitNanos()).isZero();
                    loader.epoch(0).forEach(batch -> {});
                    assertThat(loader.waitNanos()).isPositive();
                }
            }
        }
    }

    @Nested
    class Caching {
        @Test
        void loads_a_case_once_even_when_several_threads_ask_at_once() throws Exception {
            CountDownLatch begun = new CountDownLatch(1);
            CountDownLatch goOn = new CountDownLatch(1);
            NoiseCases source = new NoiseCases(1) {
                @Override
                public PreparedCase load(int index) throws IOException {
                    begun.countDown();
                    try {
                        goOn.await();
                    } catch (InterruptedException e) {
                        throw new IOException(e);
                    }
                    return super.load(index);
                }
            };
            CachedCases cached = new CachedCases(source);
            ExecutorService threads = Executors.newFixedThreadPool(3);
            try {
                List<Future<PreparedCase>> asked = new ArrayList<>();
                for (int n = 0; n < 3; n++) {
                    asked.add(threads.submit(() -> cached.load(0)));
                }
                begun.await();
                goOn.countDown();
                PreparedCase first = asked.get(0).get();
                assertThat(asked.get(1).get()).isSameAs(first);
                assertThat(asked.get(2).get()).isSameAs(first);
            } finally {
                threads.shutdownNow();
            }
            assertThat(source.loads).hasValue(1);
        }

        @Test
        void keeps_what_fits_and_loads_the_rest_anew() throws IOException {
            NoiseCases source = new NoiseCases(3);
            long zero = source.load(0).bytes();
            long two = source.load(2).bytes();
            source.loads.set(0);
            CachedCases cached = new CachedCases(source, zero + two);
            for (int round = 0; round < 3; round++) {
                for (int index : new int[] {0, 2, 1}) {
                    assertThat(cached.load(index).image())
                            .isEqualTo(new NoiseCases(3).load(index).image());
                }
            }
            assertThat(cached.bytes()).isEqualTo(zero + two);
            assertThat(source.loads).hasValue(2 + 3);
        }

        @Test
        void tries_again_after_a_failure() throws IOException {
            AtomicInteger tries = new AtomicInteger();
            CachedCases cached = new CachedCases(new NoiseCases(1) {
                @Override
                public PreparedCase load(int index) throws IOException {
                    if (tries.incrementAndGet() == 1) {
                        throw new IOException("gone");
                    }
                    return super.load(index);
                }
            });
            assertThatThrownBy(() -> cached.load(0))
                    .isInstanceOf(IOException.class)
                    .hasMessage("gone");
            assertThat(cached.load(0)).isSameAs(cached.load(0));
            assertThat(tries).hasValue(2);
        }
    }

    private static PreparedCase assertLoads(CaseSource source, int index) {
        try {
            return source.load(index);
        } catch (IOException e) {
            throw new AssertionError(e);
        }
    }
}
