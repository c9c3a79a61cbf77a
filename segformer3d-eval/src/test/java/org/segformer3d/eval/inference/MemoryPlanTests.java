package org.segformer3d.eval.inference;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.segformer3d.api.block.Grid;
import org.segformer3d.api.network.Network;
import org.segformer3d.api.network.SegFormer3D;

class MemoryPlanTests {
    private static final long GIB = 1L << 30;
    private static final Grid CT = new Grid(512, 512, 400);
    private static final Network ORGANS = new SegFormer3D().configure(Map.of("in_channels", 1, "num_classes", 14));
    private static final Network TUMOURS = new SegFormer3D().configure(Map.of("in_channels", 4, "num_classes", 3));
    private static final InferenceSpec HALF = InferenceSpec.official(new Grid(128, 128, 128));

    private static MemoryPlan plan(Network network, InferenceSpec inference, Grid size, long budget) {
        return choose(inference, network, new MemoryPlan.Task("case", size, size, false, false), budget, 16 * GIB);
    }

    private static MemoryPlan choose(
            InferenceSpec inference, Network network, MemoryPlan.Task task, long budget, long heapLimit) {
        return MemoryPlan.choose(
                List.of(new MemoryPlan.Member(inference, network, true, 18_000_000)), task, budget, heapLimit);
    }

    @Nested
    class ABratsCase {
        private final Grid size = new Grid(240, 240, 155);

        @Test
        void is_predicted_at_once_within_1_2_GB() {
            MemoryPlan plan = plan(TUMOURS, HALF, size, 1_200_000_000);
            assertThat(plan.stream()).isEqualTo(StreamPlan.FASTEST);
            assertThat(plan.windows()).isEqualTo(18);
            assertThat(plan.bytes()).isBetween(900_000_000L, 1_200_000_000L);
        }

        @Test
        void is_predicted_with_fewer_windows_at_once_before_it_is_refused() {
            InferenceSpec eight = HALF.withBatchSize(8);
            assertThat(plan(TUMOURS, eight, size, 8 * GIB).window().batchSize()).isEqualTo(8);
            assertThat(plan(TUMOURS, eight, size, 1_200_000_000).window().batchSize())
                    .isEqualTo(1);
            assertThatExceptionOfType(MemoryExceededException.class)
                    .isThrownBy(() -> plan(TUMOURS, eight, size, 700_000_000))
                    .withMessageStartingWith("case: needs ")
                    .withMessageContaining("of memory at least (process 480 MiB, image 137 MiB, network 208 MiB")
                    .withMessageEndingWith(
                            ", but may use 668 MiB; raise --memory or take a smaller window than 128×128×128 (--roi)")
                    .satisfies(e -> assertThat(
                                    plan(TUMOURS, eight, size, e.neededBytes()).bytes())
                            .isEqualTo(e.neededBytes()));
        }
    }

    @Nested
    class ACtOf14Classes {
        @Test
        void is_predicted_at_once_within_4_GB() {
            MemoryPlan plan = plan(ORGANS, HALF, CT, 4_000_000_000L);
            assertThat(plan.stream()).isEqualTo(StreamPlan.FASTEST);
            assertThat(plan.windows()).isEqualTo(294);
            // All logits would be 5.9 GB by themselves.
            assertThat(plan.bytes()).isLessThan(4_000_000_000L);
        }

        @Test
        void is_cut_into_strips_within_less() {
            MemoryPlan plan = plan(ORGANS, HALF, CT, 5 * GIB / 2);
            assertThat(plan.strips(CT)).isEqualTo(2);
            assertThat(plan.windows()).isEqualTo(336);
            assertThat(plan.bytes()).isLessThan(5 * GIB / 2);
            assertThat(plan.toString())
                    .startsWith(
                            "336 windows of 128×128×128, 1 at once, read ahead, in strips of 256 rows; estimated memory ")
                    .endsWith("may use 2,560 MiB");
        }

        @Test
        void keeps_logits_in_a_file_or_says_what_they_need() {
            MemoryPlan.Task withFile = new MemoryPlan.Task("case", CT, CT, true, true);
            MemoryPlan plan = choose(HALF, ORGANS, withFile, 8 * GIB, 16 * GIB);
            assertThat(plan.logitsInMemory()).isFalse();
            assertThat(plan.toString()).contains(", logits in a temporary file; ");
            MemoryPlan.Task without = new MemoryPlan.Task("case", CT, CT, true, false);
            assertThatExceptionOfType(MemoryExceededException.class)
                    .isThrownBy(() -> choose(HALF, ORGANS, without, 6 * GIB, 16 * GIB))
                    .withMessageContaining("raise --memory, don't keep logits or take a smaller window")
                    .satisfies(e -> assertThat(e.neededBytes()).isGreaterThan(5_900_000_000L));
        }

        @Test
        void heeds_the_limit_of_the_java_heap() {
            MemoryPlan.Task task = new MemoryPlan.Task("case", CT, CT, false, false);
            MemoryPlan plan = choose(HALF, ORGANS, task, 8 * GIB, 2 * GIB);
            assertThat(plan.strips(CT)).isGreaterThan(1);
            assertThatExceptionOfType(MemoryExceededException.class)
                    .isThrownBy(() -> choose(HALF, ORGANS, task, 8 * GIB, GIB / 2))
                    .withMessageContaining("of Java heap at least")
                    .withMessageContaining(
                            "but Java may use 512 MiB; raise it, for example with SEGFORMER3D_JAVA_OPTS=-Xmx");
        }
    }

    @Nested
    class AnEnsemble {
        private MemoryPlan plan(int members, long budget) {
            return MemoryPlan.choose(
                    Collections.nCopies(members, new MemoryPlan.Member(HALF, ORGANS, true, 18_000_000)),
                    new MemoryPlan.Task("case", CT, CT, false, false),
                    budget,
                    16 * GIB);
        }

        @Test
        void takes_the_mean_of_a_volume_and_the_others_weights_more_than_one_bundle_does() {
            long one = plan(1, 64 * GIB).bytes();
            long mean = 4L * 14 * (512 * 512 * 400 + 512 * 512);
            assertThat(plan(2, 64 * GIB).bytes()).isEqualTo(one + mean + 36_000_000);
            assertThat(plan(5, 64 * GIB).bytes()).isEqualTo(one + mean + 4 * 36_000_000);
            assertThat(plan(5, 64 * GIB).windows()).isEqualTo(5 * 294);
        }

        @Test
        void is_cut_into_strips_so_that_the_mean_is_of_a_strip_only() {
            MemoryPlan plan = plan(5, 4 * GIB);
            assertThat(plan.strips(CT)).isGreaterThan(1);
            assertThat(plan.bytes()).isLessThan(4 * GIB);
            assertThat(plan.toString()).contains(" windows of 128×128×128 by 5 models, 1 at once");
        }

        @Test
        void that_does_not_fit_in_any_way_is_refused_with_what_it_needs() {
            assertThatExceptionOfType(MemoryExceededException.class)
                    .isThrownBy(() -> plan(5, GIB))
                    .withMessageStartingWith("case: needs ")
                    .satisfies(e -> assertThat(plan(5, e.neededBytes()).bytes()).isEqualTo(e.neededBytes()));
        }
    }

    @Nested
    class WhatThereIs {
        @TempDir
        private Path groups;

        private void group(String name, String limit, String usage, String stat) throws IOException {
            Path folder = Files.createDirectories(groups.resolve(name));
            Files.writeString(folder.resolve("memory.max"), limit + "\n");
            Files.writeString(folder.resolve("memory.current"), usage + "\n");
            Files.writeString(folder.resolve("memory.stat"), stat);
        }

        private long left(String group) {
            return ProcessMemory.left(groups, group, "memory.max", "memory.current", "inactive_file");
        }

        @Test
        void is_what_the_control_group_or_one_above_it_leaves() throws IOException {
            group("a", "1000", "400", "anon 100\ninactive_file 50\n");
            group("a/b", "max", "300", "");
            assertThat(left("/a/b")).isEqualTo(1000 - (400 - 50));
            group("a/b", "700", "300", "inactive_file 10\n");
            assertThat(left("/a/b")).isEqualTo(700 - (300 - 10));
        }

        @Test
        void is_not_limited_where_no_group_says_so() throws IOException {
            assertThat(left("/nowhere")).isEqualTo(Long.MAX_VALUE);
            group("free", "max", "300", "");
            assertThat(left("/free")).isEqualTo(Long.MAX_VALUE);
        }

        @Test
        void is_a_share_of_it_or_a_given_number() {
            assertThat(MemoryBudget.of(7).bytes()).isEqualTo(7);
            List<Long> found = List.of(MemoryBudget.AVAILABLE.bytes());
            assertThat(found).allMatch(bytes -> bytes > 0);
        }
    }
}
