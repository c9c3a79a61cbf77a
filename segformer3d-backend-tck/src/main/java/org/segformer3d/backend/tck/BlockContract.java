package org.segformer3d.backend.tck;

import static org.assertj.core.api.Assertions.assertThat;
import static org.segformer3d.backend.tck.Comparison.assertClose;

import java.util.Arrays;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.segformer3d.api.backend.Backend;
import org.segformer3d.api.block.BlockSpec.SelfAttentionSpec;
import org.segformer3d.api.block.Grid;
import org.segformer3d.api.ops.Pass;
import org.segformer3d.api.tensor.DType;
import org.segformer3d.api.tensor.HostTensor;
import org.segformer3d.api.tensor.Scope;
import org.segformer3d.api.tensor.Tensor;

/** The paper's blocks, which are the same code on every backend: here with its operations in one another's company. */
@ExtendWith(OnlyIf.Operations.class)
abstract class BlockContract extends Contract {
    BlockContract(BackendContract subject) {
        super(subject);
    }

    static List<BlockCase> cases() {
        return BlockCase.all();
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource("cases")
    void valuesAreTheReferencesOnes(BlockCase given) {
        HostTensor expected = given.run(oracle(), Pass.INFERENCE);
        HostTensor actual = given.run(backend(), Pass.INFERENCE);
        assertThat(actual.dtype()).isEqualTo(backend().computeType());
        assertClose(given.toString(), actual, expected, tolerance());
        try (Backend precise = open(DType.FLOAT64)) {
            assertClose(
                    given.toString(),
                    given.run(precise, Pass.INFERENCE),
                    expected,
                    subject().tolerance(DType.FLOAT64));
        }
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource("cases")
    void inputsAndWeightsStayOpenAndTheResultOutlivesThem(BlockCase given) {
        HostTensor expected = given.run(backend(), Pass.INFERENCE);
        try (Scope results = backend().newScope()) {
            Tensor result;
            try (Scope scope = backend().newScope()) {
                Map<String, Tensor> weights = given.weightsIn(scope);
                List<Tensor> inputs = given.inputs().stream().map(scope::tensor).toList();
                result = given.on(backend().ops(results, Pass.INFERENCE), weights, inputs);
                for (int i = 0; i < inputs.size(); i++) {
                    assertThat(inputs.get(i).toHost().toDoubles())
                            .isEqualTo(given.inputs().get(i).toDoubles());
                }
                weights.forEach(
                        (name, tensor) -> assertThat(tensor.isClosed()).as(name).isFalse());
            }
            assertThat(result.toHost()).isEqualTo(expected);
        }
    }

    @Test
    void selfAttentionStaysFiniteForLargeScores() {
        BlockCase given = BlockCase.tokens(new Samples(4), new SelfAttentionSpec(8, 2, 1), 8, new Grid(2, 3, 4), 1);
        float[] large = given.inputs().get(0).toFloats();
        for (int i = 0; i < large.length; i++) {
            large[i] *= 300;
        }
        HostTensor input = HostTensor.of(large, given.inputs().get(0).shape());
        HostTensor output = given.with(given.weights(), List.of(input)).run(backend(), Pass.INFERENCE);
        assertThat(Arrays.stream(output.toDoubles()).allMatch(Double::isFinite)).isTrue();
    }
}
