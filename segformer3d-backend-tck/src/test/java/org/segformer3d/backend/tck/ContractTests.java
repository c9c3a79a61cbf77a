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
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.platform.engine.DiscoverySelector;
import org.junit.platform.engine.support.descriptor.MethodSource;
import org.junit.platform.launcher.core.LauncherDiscoveryRequestBuilder;
import org.junit.platform.launcher.core.LauncherFactory;
import org.junit.platform.launcher.listeners.SummaryGeneratingListener;
import org.junit.platform.launcher.listeners.TestExecutionSummary;
import org.segformer3d.api.tensor.DType;
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
                BackendContract.Operations.class,
                BackendContract.OperationGradients.class,
                BackendContract.LossValues.class,
                BackendContract.BlockValues.class,
                BackendContract.Errors.class);
        assertThat(summary.getTotalFailureCount()).isZero();
        assertThat(summary.getTestsSucceededCount()).isGreaterThan(900);
    }

    @Test
    void aWrongNumberIsFoundInOperationsBlocksAndModels() {
        assertThat(failures(Fault.NUMBERS, BackendContract.Operations.class))
                .contains("valuesAreTheReferencesOnes", "valuesInFloat64AreTheReferencesOnesToAlmostAllDigits");
        assertThat(failures(Fault.NUMBERS, BackendContract.BlockValues.class)).contains("valuesAreTheReferencesOnes");
        assertThat(failures(Fault.NUMBERS, BackendContract.Models.class))
                .contains("logitsAndFeatureMapsAreTheReferencesOnes");
    }

    @Test
    void aWrongNumberIsFoundInLosses() {
        assertThat(failures(Fault.SIGMOID, BackendContract.LossValues.class))
                .contains("lossesAndTheirGradients", "lossesLeaveOutVoxelsThatDoNotCount");
    }

    @Test
    void anArgumentThatIsClosedOrReturnedIsFound() {
        assertThat(failures(Fault.CLOSES_ARGUMENT, BackendContract.Operations.class))
                .contains("argumentsStayOpenAndUnchanged");
        assertThat(failures(Fault.RETURNS_ARGUMENT, BackendContract.OperationGradients.class))
                .contains("gradientsOutliveTheTape");
    }

    @Test
    void anotherExceptionThanPromisedIsFound() {
        assertThat(failures(Fault.WRONG_EXCEPTION, BackendContract.Operations.class))
                .contains("refuseArgumentsThatDoNotFit");
    }

    @Test
    void masksOfAnotherSeedAreFound() {
        assertThat(failures(Fault.OTHER_MASKS, BackendContract.Operations.class))
                .contains("dropoutHasTheMasksOfItsPassSampleAndCall", "valuesAreTheReferencesOnes");
    }

    @Test
    void aWrongGradientIsFoundInOperationsLossesBlocksAndTraining() {
        assertThat(failures(Fault.GRADIENTS, BackendContract.OperationGradients.class))
                .contains("inFloat64EqualDifferencesOfTheReference", "inFloat32AreThoseInFloat64");
        assertThat(failures(Fault.GRADIENTS, BackendContract.LossValues.class)).contains("lossesAndTheirGradients");
        assertThat(failures(Fault.GRADIENTS, BackendContract.Gradients.class))
                .contains("inFloat64EqualDifferencesOfTheReference");
        assertThat(trainingFailures(
                        Fault.GRADIENTS, "gradientsOfTheWholeNetworkInFloat64EqualDifferencesOfTheReference"))
                .hasSize(1);
    }

    @Test
    void statisticsThatMoveTwiceAreFound() {
        assertThat(failures(Fault.MOVES_TWICE, BackendContract.OperationGradients.class))
                .containsExactly("aBatchNormThatIsRecordedMovesItsStatisticsOnce");
        assertThat(failures(run(
                        Fault.MOVES_TWICE,
                        List.of(selectNestedMethod(
                                List.of(FaultyContract.class),
                                BackendContract.Training.class,
                                "aPassLeavesTheWeightsAndMovesTheRunningStatistics",
                                DType.class.getName())))))
                .hasSize(1);
    }

    @ParameterizedTest
    @CsvSource({
        "NO_DECAY, weightsFollowTheOptimizersRule, org.segformer3d.api.training.OptimizerSpec",
        "NO_CLIPPING, largeGradientsAreScaledDownToTheLargestNorm,",
        "NO_WEIGHTS, gradientsOfSeveralBatchesAddUpByTheirWeights,",
        "NO_AVERAGES, averagedWeightsFollowTheWeights,",
        "OWN_MOMENTS, aRestoredSessionGoesOnBitForBit, org.segformer3d.api.training.OptimizerSpec"
    })
    void aTrainingThatLeavesSomethingOutIsFound(Fault fault, String method, String parameters) {
        assertThat(trainingFailures(fault, method, parameters)).hasSize(1);
        assertThat(trainingFailures(Fault.NONE, method, parameters)).isEmpty();
    }

    private static Set<String> trainingFailures(Fault fault, String method) {
        return trainingFailures(fault, method, null);
    }

    private static Set<String> trainingFailures(Fault fault, String method, String parameters) {
        return failures(run(
                fault,
                List.of(selectNestedMethod(
                        List.of(FaultyContract.class),
                        BackendContract.Training.class,
                        method,
                        parameters == null ? "" : parameters))));
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
