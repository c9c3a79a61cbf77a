package org.segformer3d.backend.tck;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.platform.engine.discovery.DiscoverySelectors.selectNestedClass;
import static org.junit.platform.engine.discovery.DiscoverySelectors.selectNestedMethod;

import java.util.Arrays;
import java.util.List;
import java.util.Set;
import java.util.stream.Collectors;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.platform.engine.DiscoverySelector;
import org.junit.platform.engine.support.descriptor.MethodSource;
import org.junit.platform.launcher.core.LauncherDiscoveryRequestBuilder;
import org.junit.platform.launcher.core.LauncherFactory;
import org.junit.platform.launcher.listeners.SummaryGeneratingListener;
import org.junit.platform.launcher.listeners.TestExecutionSummary;
import org.segformer3d.backend.tck.FaultyContract.Fault;

/** The contract finds faults: it is run on backends that have one. */
class ContractTests {
    @AfterEach
    void repair() {
        FaultyContract.fault = Fault.NONE;
    }

    private static TestExecutionSummary run(Fault fault, Class<?>... parts) {
        return run(
                fault,
                Arrays.stream(parts)
                        .map(part -> selectNestedClass(List.of(FaultyContract.class), part))
                        .toList());
    }

    private static TestExecutionSummary run(Fault fault, List<? extends DiscoverySelector> selectors) {
        FaultyContract.fault = fault;
        SummaryGeneratingListener listener = new SummaryGeneratingListener();
        LauncherFactory.create()
                .execute(
                        LauncherDiscoveryRequestBuilder.request()
                                .selectors(selectors)
                                .build(),
                        listener);
        return listener.getSummary();
    }

    private static Set<String> failures(Fault fault, Class<?>... parts) {
        return failures(run(fault, parts));
    }

    private static Set<String> failures(TestExecutionSummary summary) {
        assertThat(summary.getTestsFoundCount()).isPositive();
        return summary.getFailures().stream()
                .map(failure ->
                        ((MethodSource) failure.getTestIdentifier().getSource().orElseThrow()).getMethodName())
                .collect(Collectors.toSet());
    }

    @Test
    void nothingFailsWithoutAFault() {
        TestExecutionSummary summary = run(
                Fault.NONE,
                BackendContract.Tensors.class,
                BackendContract.BlockValues.class,
                BackendContract.Errors.class);
        assertThat(summary.getTotalFailureCount()).isZero();
        assertThat(summary.getTestsSucceededCount()).isGreaterThan(60);
    }

    @Test
    void aWrongNumberIsFoundInBlocksAndModels() {
        assertThat(failures(Fault.NUMBERS, BackendContract.BlockValues.class, BackendContract.Models.class))
                .contains("stageNorm", "everyBlockOnRandomShapes", "logitsAndFeatureMapsAreTheReferencesOnes")
                .doesNotContain("selfAttention");
    }

    @Test
    void anInputThatIsClosedIsFound() {
        assertThat(failures(Fault.CLOSES_INPUT, BackendContract.BlockValues.class))
                .containsExactly("everyBlockLeavesItsInputsOpenAndUnchanged");
    }

    @Test
    void anotherExceptionThanPromisedIsFound() {
        assertThat(failures(Fault.WRONG_EXCEPTION, BackendContract.Errors.class))
                .containsExactlyInAnyOrder(
                        "tokenBlocksRefuseShapesThatDoNotFit", "blocksRefuseTensorsOfAnotherBackend");
    }

    @Test
    void bitsThatDependOnTheThreadAreFound() {
        assertThat(failuresOf(Fault.THREADS, "eightThreadsOnOneModelGetTheBitsThatOneGets"))
                .hasSize(1);
    }

    @Test
    void memoryThatIsLeftBehindIsFound() {
        assertThat(failuresOf(Fault.LEAK, "memoryStaysFlatOverAThousandForwardsOfChangingShapes"))
                .hasSize(1);
    }

    private static Set<String> failuresOf(Fault fault, String method) {
        return failures(run(
                fault,
                List.of(selectNestedMethod(List.of(FaultyContract.class), BackendContract.Resources.class, method))));
    }

    @Test
    void aSharedCanvasIsFound() {
        assertThat(failures(Fault.SHARED_CANVAS, BackendContract.Tensors.class))
                .containsExactly("resizesTheCanvasAtTheFarEnd");
    }
}
