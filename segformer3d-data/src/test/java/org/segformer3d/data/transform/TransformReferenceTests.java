package org.segformer3d.data.transform;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.util.SplittableRandom;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import org.segformer3d.api.tensor.DType;
import org.segformer3d.api.tensor.HostTensor;
import org.segformer3d.data.ReferenceTensors;
import org.segformer3d.data.preprocessing.Interpolation;
import org.segformer3d.data.preprocessing.Normalization;

/**
 * Compares the fixed transforms with values that MONAI 1.3.2 computed.
 *
 * <p>The file's {@code image} was normalised in place after most of the others had been computed from it. What those started from is
 * {@code flip_axis1}, flipped back; {@code zoom} and {@code scale_percentiles} started from the normalised one.
 */
class TransformReferenceTests {
    private static Sample original(ReferenceTensors reference) {
        return Flip.axis(1).apply(sample(reference.get("flip_axis1")));
    }

    private static Sample sample(HostTensor image) {
        return Sample.of(image, HostTensor.zeros(DType.UINT8, image.size(1), image.size(2), image.size(3)));
    }

    private static Stream<Arguments> transforms() {
        return Stream.of(
                Arguments.of(
                        "rotate_x_0.3_bilinear_border", new Rotate(0.3, 0, 0, Interpolation.LINEAR, Padding.BORDER)),
                Arguments.of(
                        "rotate_x_-0.2_bilinear_border", new Rotate(-0.2, 0, 0, Interpolation.LINEAR, Padding.BORDER)),
                Arguments.of(
                        "rotate_x_0.3_nearest_border", new Rotate(0.3, 0, 0, Interpolation.NEAREST, Padding.BORDER)),
                Arguments.of(
                        "rotate_x_-0.2_nearest_border", new Rotate(-0.2, 0, 0, Interpolation.NEAREST, Padding.BORDER)),
                Arguments.of(
                        "rotate_xyz_bilinear_zeros", new Rotate(0.1, -0.2, 0.3, Interpolation.LINEAR, Padding.ZEROS)),
                Arguments.of("gibbs_0.2", new GibbsNoise(0.2)),
                Arguments.of("gibbs_0.5", new GibbsNoise(0.5)),
                Arguments.of("gibbs_0.9", new GibbsNoise(0.9)),
                Arguments.of("gaussian_smooth_1", new GaussianSmooth(1)),
                Arguments.of("adjust_contrast_0.7", new AdjustContrast(0.7)));
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource("transforms")
    void gives_the_reference_values(String key, Transform transform) throws IOException {
        ReferenceTensors reference = ReferenceTensors.open("pipeline/transforms.safetensors");
        assertClose(transform.apply(original(reference)).image(), reference.get(key));
    }

    @Test
    void zooms_and_scales_percentiles_as_the_reference() throws IOException {
        ReferenceTensors reference = ReferenceTensors.open("pipeline/transforms.safetensors");
        assertClose(new Zoom(1.2).apply(sample(reference.get("image"))).image(), reference.get("zoom_1.2_trilinear"));
        assertClose(
                new ScalePercentiles(5, 95)
                        .apply(sample(reference.get("image")))
                        .image(),
                reference.get("scale_percentiles_5_95"));
    }

    @Test
    void normalises_nonzero_voxels_channel_by_channel_as_the_reference() throws IOException {
        ReferenceTensors reference = ReferenceTensors.open("pipeline/transforms.safetensors");
        HostTensor expected = reference.get("normalize_nonzero_channelwise");
        for (float[] image : new float[][] {
            original(reference).image(), reference.get("image").toFloats()
        }) {
            int voxels = image.length / 2;
            Normalization.zScoreNonzero().apply(image, 0, voxels, 0);
            Normalization.zScoreNonzero().apply(image, voxels, voxels, 1);
            assertClose(image, expected);
        }
    }

    @Test
    void moves_labels_with_the_image_to_the_nearest_voxel() throws IOException {
        ReferenceTensors reference = ReferenceTensors.open("pipeline/transforms.safetensors");
        // Labels that say where each voxel came from tell that the nearest image voxel and the label are the same one.
        Sample sample = original(reference);
        short[] label = new short[sample.voxels()];
        for (int n = 0; n < label.length; n++) {
            label[n] = (short) n;
        }
        Sample numbered = new Sample(sample.image().clone(), sample.channels(), label, sample.size());
        Sample rotated = new Rotate(0.3, 0, 0, Interpolation.LINEAR, Padding.BORDER).apply(numbered);
        float[] nearest = reference.get("rotate_x_0.3_nearest_border").toFloats();
        for (int n = 0; n < label.length; n++) {
            assertThat(sample.image()[rotated.label()[n]]).isEqualTo(nearest[n]);
        }
    }

    @Test
    void transforms_lines_of_any_length_as_the_definition_says() {
        SplittableRandom random = new SplittableRandom(5);
        for (int n : new int[] {1, 2, 7, 12, 30, 48, 49}) {
            double[] re = random.doubles(n).toArray();
            double[] im = random.doubles(n).toArray();
            double[] outRe = re.clone();
            double[] outIm = im.clone();
            Fourier fourier = new Fourier(n, 1);
            fourier.forward(outRe, outIm);
            for (int k = 0; k < n; k++) {
                double sumRe = 0;
                double sumIm = 0;
                for (int j = 0; j < n; j++) {
                    double angle = -2 * Math.PI * j * k / n;
                    sumRe += re[j] * Math.cos(angle) - im[j] * Math.sin(angle);
                    sumIm += re[j] * Math.sin(angle) + im[j] * Math.cos(angle);
                }
                assertThat(Math.hypot(outRe[k] - sumRe, outIm[k] - sumIm))
                        .as("length %d frequency %d", n, k)
                        .isLessThan(1e-11);
            }
            fourier.inverse(outRe, outIm);
            for (int k = 0; k < n; k++) {
                assertThat(Math.hypot(outRe[k] - re[k], outIm[k] - im[k])).isLessThan(1e-12);
            }
        }
    }

    @Test
    void transforms_all_columns_of_a_block_at_once() {
        SplittableRandom random = new SplittableRandom(6);
        double[] re = random.doubles(12 * 5).toArray();
        double[] im = random.doubles(12 * 5).toArray();
        double[] blockRe = re.clone();
        double[] blockIm = im.clone();
        new Fourier(12, 5).forward(blockRe, blockIm);
        for (int column = 0; column < 5; column++) {
            double[] lineRe = new double[12];
            double[] lineIm = new double[12];
            for (int j = 0; j < 12; j++) {
                lineRe[j] = re[j * 5 + column];
                lineIm[j] = im[j * 5 + column];
            }
            new Fourier(12, 1).forward(lineRe, lineIm);
            for (int k = 0; k < 12; k++) {
                assertThat(Math.hypot(blockRe[k * 5 + column] - lineRe[k], blockIm[k * 5 + column] - lineIm[k]))
                        .isLessThan(1e-13);
            }
        }
    }

    private static void assertClose(float[] values, HostTensor expected) {
        float[] reference = expected.toFloats();
        assertThat(values).hasSize(reference.length);
        double worst = 0;
        for (int n = 0; n < values.length; n++) {
            worst = Math.max(worst, Math.abs((double) values[n] - reference[n]));
        }
        assertThat(worst).isLessThan(1e-5);
    }
}
