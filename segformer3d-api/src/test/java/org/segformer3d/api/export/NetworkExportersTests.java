package org.segformer3d.api.export;

import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.Map;
import org.junit.jupiter.api.Test;
import org.segformer3d.api.config.ConfigException;
import org.segformer3d.api.config.SegFormer3DConfig;
import org.segformer3d.api.model.ModelLayout;
import org.segformer3d.api.network.SegFormer3DNetwork;
import org.segformer3d.api.weights.StateDict;
import org.segformer3d.api.weights.StateDictMismatchException;
import org.segformer3d.api.weights.WeightInitializer;

class NetworkExportersTests {
    private static final SegFormer3DConfig CONFIG = SegFormer3DConfig.defaults();

    @Test
    void aMissingKnownFormatNamesTheArtifactToAdd() {
        assertThatThrownBy(() -> NetworkExporters.of("torchscript"))
                .isInstanceOf(ConfigException.class)
                .hasMessage("format: found 'torchscript', expected an exporter on the class path;"
                        + " add the artifact org.segformer3d:segformer3d-backend-libtorch to the class path");
        assertThatThrownBy(() -> NetworkExporters.of("pickle")).hasMessageNotContaining("artifact");
    }

    @Test
    void weightsThatDoNotFitAreRefused() {
        StateDict weights = WeightInitializer.initialize(ModelLayout.of(CONFIG).parameters(), 1);
        assertThatThrownBy(() ->
                        new NetworkExport(SegFormer3DNetwork.of(CONFIG.withChannels(2, 2)), weights, "1", Map.of()))
                .isInstanceOf(StateDictMismatchException.class);
    }
}
