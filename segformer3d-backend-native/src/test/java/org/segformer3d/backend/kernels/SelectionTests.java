package org.segformer3d.backend.kernels;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.segformer3d.api.backend.BackendException;
import org.segformer3d.api.backend.BackendOptions;
import org.segformer3d.api.backend.BackendOptions.Implementation;
import org.segformer3d.api.backend.Backends;
import org.segformer3d.api.backend.Backends.Choice;
import org.segformer3d.api.backend.Need;
import org.segformer3d.api.config.SegFormer3DConfig;
import org.segformer3d.api.network.Network;
import org.segformer3d.api.network.SegFormer3D;
import org.segformer3d.api.network.SegFormer3DNetwork;
import org.segformer3d.api.tensor.DType;

/** Which backend is chosen where this one and the reference backend are there. */
class SelectionTests {
    private static final Network PAPERS = SegFormer3DNetwork.of(SegFormer3DConfig.defaults());

    private static Choice choose(BackendOptions options, Need need) {
        return Backends.choose(Optional.empty(), options, need);
    }

    @Test
    void itPredictsInFloat32OnTheProcessor() {
        Choice choice = choose(BackendOptions.defaults(), Need.prediction(PAPERS));
        assertThat(choice.provider().name()).isEqualTo("native");
        assertThat(choice.passedOver()).isEmpty();
    }

    @Test
    void anotherTypeIsTheNextOnes() {
        Choice choice = choose(BackendOptions.defaults().in(DType.FLOAT64), Need.prediction(PAPERS));
        assertThat(choice.provider().name()).isEqualTo("reference");
        assertThat(choice.passedOver()).as("it was asked for").isEmpty();
    }

    @Test
    void aReplacedLayerIsTheNextOnes() {
        Map<String, Object> map = new LinkedHashMap<>(PAPERS.toMap());
        map.put("layers", Map.of("self_attention", "pooled-attention"));
        Choice choice = choose(BackendOptions.defaults(), Need.prediction(new SegFormer3D().configure(map)));
        assertThat(choice.provider().name()).isEqualTo("reference");
        assertThat(choice.passedOver())
                .containsExactly("backend 'native' computes the paper's layers only; 'reference' is used");
    }

    @Test
    void singleOperationsAreTheNextOnes() {
        assertThat(choose(BackendOptions.defaults(), Need.everything())
                        .provider()
                        .name())
                .isEqualTo("reference");
    }

    @Test
    void oneThatIsNamedIsTakenAndSaysItself() {
        BackendOptions plain = BackendOptions.defaults().with(Implementation.PLAIN);
        Choice choice = Backends.choose(Optional.of("native"), plain, Need.prediction(PAPERS));
        assertThat(choice.provider().name()).isEqualTo("native");
        assertThatThrownBy(() -> choice.provider().open(plain))
                .isInstanceOf(BackendException.class)
                .hasMessageStartingWith("backend 'native' has no plain implementation");
    }
}
