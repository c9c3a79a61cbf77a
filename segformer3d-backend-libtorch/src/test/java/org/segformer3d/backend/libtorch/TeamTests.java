package org.segformer3d.backend.libtorch;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicIntegerArray;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class TeamTests {
    @ParameterizedTest
    @ValueSource(ints = {1, 2, 3})
    void runsEveryPartOnce(int threads) {
        AtomicIntegerArray runs = new AtomicIntegerArray(100);
        new Team(new ComputeThreads(threads)).each(100, runs::incrementAndGet);
        for (int i = 0; i < 100; i++) {
            assertThat(runs.get(i)).isEqualTo(1);
        }
    }

    @Test
    void usesNoMoreThreadsThanItHas() {
        Set<Thread> seen = ConcurrentHashMap.newKeySet();
        AtomicInteger together = new AtomicInteger();
        AtomicInteger most = new AtomicInteger();
        new Team(new ComputeThreads(2)).each(50, i -> {
            seen.add(Thread.currentThread());
            most.accumulateAndGet(together.incrementAndGet(), Math::max);
            Thread.yield();
            together.decrementAndGet();
        });
        assertThat(seen).hasSizeLessThanOrEqualTo(2);
        assertThat(most.get()).isLessThanOrEqualTo(2);
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 2})
    void throwsWhatAPartThrew(int threads) {
        Team team = new Team(new ComputeThreads(threads));
        assertThatThrownBy(() -> team.each(8, i -> {
                    if (i == 5) {
                        throw new IllegalArgumentException("part " + i);
                    }
                }))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("part 5");
        AtomicInteger after = new AtomicInteger();
        team.each(8, i -> after.incrementAndGet());
        assertThat(after.get()).isEqualTo(8);
    }
}
