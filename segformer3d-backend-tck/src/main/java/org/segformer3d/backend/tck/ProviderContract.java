package org.segformer3d.backend.tck;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.segformer3d.api.backend.Backend;
import org.segformer3d.api.backend.BackendException;
import org.segformer3d.api.backend.BackendOptions;
import org.segformer3d.api.backend.BackendOptions.Implementation;
import org.segformer3d.api.backend.BackendProvider;
import org.segformer3d.api.backend.Backends;
import org.segformer3d.api.model.ModelLayout;
import org.segformer3d.api.tensor.DType;
import org.segformer3d.api.tensor.Device;
import org.segformer3d.api.tensor.HostTensor;
import org.segformer3d.api.training.LossSpec;
import org.segformer3d.api.training.LossSpec.Activation;
import org.segformer3d.api.training.LossSpec.Kind;
import org.segformer3d.api.training.OptimizerSpec;
import org.segformer3d.api.training.TrainingSpec;
import org.segformer3d.api.weights.WeightInitializer;

abstract class ProviderContract extends Contract {
    ProviderContract(BackendContract subject) {
        super(subject);
    }

    private BackendProvider provider() {
        return subject().provider();
    }

    @Test
    void isFoundByNameThroughTheServiceLoader() {
        BackendProvider found = Backends.provider(provider().name());
        assertThat(found).hasSameClassAs(provider());
        assertThat(Backends.choose(Optional.of(found.name()))).hasSameClassAs(provider());
    }

    @Test
    void describesItself() {
        assertThat(provider().name()).matches("[a-z][a-z0-9-]*");
        assertThat(provider().description()).isNotBlank().doesNotContain("\n");
        assertThat(provider().whyUnavailable()).isEmpty();
        assertThat(provider().devices()).contains(subject().options().device());
    }

    @Test
    void resolvesTheNumberOfThreads() {
        try (Backend all = provider().open(subject().options().withThreads(0));
                Backend one = provider().open(subject().options().withThreads(1))) {
            assertThat(all.options().threads()).isPositive();
            assertThat(one.options().threads()).isEqualTo(1);
        }
    }

    @Test
    void saysWhatItComputesWith() {
        assertThat(backend().name()).isEqualTo(provider().name());
        assertThat(backend().device()).isEqualTo(subject().options().device());
        assertThat(backend().versions()).isNotEmpty().doesNotContainValue("");
        // a backend may compute more precisely than asked, never less
        if (subject().options().computeType() == DType.FLOAT64) {
            assertThat(backend().computeType()).isEqualTo(DType.FLOAT64);
        }
    }

    @Test
    void refusesADeviceThatIsNotThereNamingIt() {
        Device absent = new Device(Device.Type.CUDA, 9999);
        assertThat(provider().whyUnavailable(absent)).isPresent();
        assertThatThrownBy(() -> provider().open(subject().options().on(absent)))
                .isInstanceOf(BackendException.class)
                .hasMessageContaining("cuda:9999");
    }

    @Test
    void opensTheFusedFormOrSaysThatThereIsNone() {
        BackendOptions fused = subject().options().with(Implementation.FUSED);
        try (Backend backend = provider().open(fused)) {
            assertThat(backend.options().implementation()).isEqualTo(Implementation.FUSED);
        } catch (BackendException e) {
            assertThat(e)
                    .hasMessageContaining("fused")
                    .hasMessageContaining(provider().name());
        }
    }

    @Test
    void mayBeOpenedTwiceAndClosedIndependently() {
        try (Backend second = provider().open(subject().options())) {
            HostTensor host = new Samples(1).normal(2, 3);
            backend().close();
            try (var scope = second.newScope()) {
                assertThat(scope.tensor(host).toHost().toFloats()).isEqualTo(host.toFloats());
            }
        }
    }

    @Test
    void refusesUseAfterClose() {
        var config = new Samples(2).config();
        var weights = new Samples(2).weights(config);
        assertThat(backend().isClosed()).isFalse();
        backend().close();
        backend().close();
        assertThat(backend().isClosed()).isTrue();
        assertThatThrownBy(() -> backend().newScope()).isInstanceOf(IllegalStateException.class);
        assertThatThrownBy(() -> backend().load(config, weights)).isInstanceOf(IllegalStateException.class);
    }

    @Test
    void saysSoWhenItDoesNotTrain() {
        if (backend().supportsTraining()) {
            return;
        }
        var config = new Samples(3).config();
        TrainingSpec spec = TrainingSpec.of(
                config,
                WeightInitializer.initialize(ModelLayout.of(config).parameters(), 1),
                LossSpec.of(Kind.DICE, Activation.SIGMOID),
                OptimizerSpec.adamW(0));
        HostTensor ones = HostTensor.zeros(DType.FLOAT32, 1, 1, 2, 2, 2);
        assertThatThrownBy(() -> backend().train(spec))
                .isInstanceOf(UnsupportedOperationException.class)
                .hasMessageContaining(backend().name());
        assertThatThrownBy(() -> backend().loss(spec.loss(), ones, ones))
                .isInstanceOf(UnsupportedOperationException.class);
    }
}
