package org.segformer3d.eval.inference;

import java.time.Duration;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.segformer3d.api.tensor.HostTensor;
import org.segformer3d.data.labels.LabelSpec;
import org.segformer3d.data.preprocessing.Restoration;
import org.segformer3d.data.volume.Volume;
import org.segformer3d.eval.inference.SegmentationResult.Phase;
import org.segformer3d.eval.postprocessing.PostprocessingStep;

/** A case as the network left it: not yet back in the scan's geometry. */
record PredictedCase(
        String id,
        HostTensor labels,
        Optional<LogitsStore> logits,
        LabelSpec spec,
        List<PostprocessingStep> postprocessing,
        Restoration restoration,
        int windows,
        Map<Phase, Duration> timings,
        Map<String, Object> provenance) {
    /** Returns the result in the geometry of the scan. */
    SegmentationResult restore() {
        long start = System.nanoTime();
        Volume restored = PostprocessingStep.applyAll(postprocessing, restoration.labels(labels));
        Map<Phase, Duration> all = new EnumMap<>(timings);
        all.put(Phase.RESTORE, Duration.ofNanos(System.nanoTime() - start));
        return new SegmentationResult(id, restored, spec, restoration, logits, windows, all, provenance);
    }
}
