package org.segformer3d.api.model;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;

class RunningCallsTests {
    private final AtomicInteger releases = new AtomicInteger();
    private final RunningCalls calls = new RunningCalls(releases::incrementAndGet);

    @Test
    void closingReleasesOnceWhereNothingRuns() {
        assertThat(calls.<String>run(() -> "done")).isEqualTo("done");
        assertThat(releases).hasValue(0);
        calls.close();
        calls.close();
        assertThat(releases).hasValue(1);
        assertThat(calls.isClosed()).isTrue();
        assertThatThrownBy(() -> calls.run(() -> "more"))
                .isInstanceOf(IllegalStateException.class)
                .hasMessage("the model is closed");
        assertThat(releases).hasValue(1);
    }

    @Test
    void theLastRunningCallReleases() {
        int during = calls.run(() -> {
            calls.run(() -> {
                calls.close();
                return null;
            });
            assertThatThrownBy(() -> calls.run(() -> "new")).hasMessage("the model is closed");
            return releases.get();
        });
        assertThat(during).isZero();
        assertThat(releases).hasValue(1);
    }

    @Test
    void aCallThatFailsCountsAsEnded() {
        assertThatThrownBy(() -> calls.run(() -> {
                    calls.close();
                    throw new IllegalArgumentException("no");
                }))
                .hasMessage("no");
        assertThat(releases).hasValue(1);
    }
}
