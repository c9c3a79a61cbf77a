package org.segformer3d.eval;

import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.SplittableRandom;
import org.segformer3d.api.backend.Backend;
import org.segformer3d.api.backend.BackendOptions;
import org.segformer3d.api.backend.Backends;
import org.segformer3d.api.block.Grid;
import org.segformer3d.api.network.Network;
import org.segformer3d.api.network.SegFormer3D;
import org.segformer3d.data.labels.LabelSpec;
import org.segformer3d.data.preprocessing.Normalization;
import org.segformer3d.data.preprocessing.PreprocessingSpec;
import org.segformer3d.data.volume.Affine;
import org.segformer3d.data.volume.Geometry;
import org.segformer3d.data.volume.Volume;
import org.segformer3d.eval.bundle.ModelBundle;
import org.segformer3d.eval.inference.Blend;
import org.segformer3d.eval.inference.InferenceSpec;

/** A network of a few thousand parameters with random weights, and scans for it. */
public final class TinyModel {
    private TinyModel() {}

    /** Opens the backend that needs no native code. */
    public static Backend backend() {
        return Backends.choose(Optional.of("reference")).open(BackendOptions.defaults());
    }

    /** Returns a configuration. */
    public static Network network(int channels, int classes) {
        return new SegFormer3D()
                .configure(Map.of(
                        "in_channels", channels,
                        "num_classes", classes,
                        "embed_dims", List.of(4, 4, 8, 8),
                        "num_heads", List.of(1, 1, 2, 2),
                        "mlp_ratios", List.of(2, 2, 2, 2),
                        "depths", List.of(1, 1, 1, 1),
                        "decoder_head_embedding_dim", 8));
    }

    /** Returns a bundle with the usual preprocessing: RAS, z-score. */
    public static ModelBundle bundle(int channels, LabelSpec labels) {
        return bundle(channels, labels, PreprocessingSpec.fromMap(Map.of()));
    }

    /** Returns a bundle. */
    public static ModelBundle bundle(int channels, LabelSpec labels, PreprocessingSpec preprocessing) {
        return ModelBundle.random(
                network(channels, labels.channels()),
                preprocessing,
                labels,
                new InferenceSpec(new Grid(16, 16, 16), 0.5, Blend.GAUSSIAN, 2),
                7);
    }

    /** Returns preprocessing that changes nothing but the intensities. */
    public static PreprocessingSpec intensitiesOnly() {
        return PreprocessingSpec.of(Normalization.zScore());
    }

    /** Returns a scan with a bright ellipsoid and noise. */
    public static Volume scan(long seed, Geometry geometry) {
        SplittableRandom random = new SplittableRandom(seed);
        Grid size = geometry.size();
        float[] values = new float[size.tokens()];
        int n = 0;
        for (int i = 0; i < size.depth(); i++) {
            for (int j = 0; j < size.height(); j++) {
                for (int k = 0; k < size.width(); k++) {
                    double r = square(i, size.depth()) + square(j, size.height()) + square(k, size.width());
                    values[n++] = (float) ((r < 0.4 ? 300 : 100) + random.nextDouble(50));
                }
            }
        }
        return Volume.of(values, 1, geometry);
    }

    private static double square(int n, int size) {
        double x = (2.0 * n + 1) / size - 1;
        return x * x;
    }

    /** Returns the affine of a patient who lies obliquely, with voxel axes permuted and flipped. */
    public static Affine oblique() {
        double c = Math.cos(0.3);
        double s = Math.sin(0.3);
        // The voxel axes point roughly posterior, superior and to the left.
        return Affine.ofRows(0, -s * 0.8, -c * 2.5, 17, -1.1, 0, 0, -30.25, 0, c * 0.8, -s * 2.5, 4.5);
    }
}
