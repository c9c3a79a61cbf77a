package org.segformer3d.train.parity;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.Consumer;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.segformer3d.api.tensor.DType;
import org.segformer3d.api.tensor.HostTensor;
import org.segformer3d.data.preprocessing.Interpolation;
import org.segformer3d.data.preprocessing.Normalization;
import org.segformer3d.data.transform.AdjustContrast;
import org.segformer3d.data.transform.Flip;
import org.segformer3d.data.transform.GaussianSmooth;
import org.segformer3d.data.transform.GibbsNoise;
import org.segformer3d.data.transform.Padding;
import org.segformer3d.data.transform.Rotate;
import org.segformer3d.data.transform.Sample;
import org.segformer3d.data.transform.ScalePercentiles;
import org.segformer3d.data.transform.Transform;
import org.segformer3d.data.transform.Zoom;
import org.segformer3d.train.parity.Parity.ParityCase;

/**
 * {@code transforms.safetensors}: an {@code image} and what transforms with fixed arguments, which the other names give, make
 * of it.
 *
 * <p>The recorded {@code image} was normalised in place after some of the others had been computed from it. What those started from is
 * the recorded flip, flipped back. A transform is compared from both starting points and the nearer result counts; where the file has
 * only one, both are the same.
 */
final class TransformCases {
    private static final double TOLERANCE = 1e-5;
    private static final String NUMBER = "-?\\d+(?:\\.\\d+)?(?:e-?\\d+)?";
    private static final Pattern FLIP = Pattern.compile("flip_axis_?([012])");
    private static final Pattern ROTATE =
            Pattern.compile("rotate_([xyz]+)((?:_" + NUMBER + ")*)_(bilinear|nearest)_(border|zeros)");
    private static final Pattern ZOOM = Pattern.compile("zoom_(" + NUMBER + ")_(?:tri|bi)linear");
    private static final Pattern ONE = Pattern.compile("(gibbs|gaussian_smooth|adjust_contrast)_(" + NUMBER + ")");
    private static final Pattern PERCENTILES = Pattern.compile("scale_percentiles_(" + NUMBER + ")_(" + NUMBER + ")");
    private static final Pattern NORMALIZE = Pattern.compile("normalize(_nonzero)?(_channelwise)?");

    /** The angles behind {@code rotate_xyz} without numbers. */
    private static final double[] UNNAMED_ANGLES = {0.1, -0.2, 0.3};

    private TransformCases() {}

    static List<ParityCase> in(ReferenceFolder folder) {
        List<ParityCase> cases = new ArrayList<>();
        for (Path file : folder.named(".*transforms.*\\.safetensors")) {
            folder.use(file);
            cases.add(new Transforms(folder.title(file, ".safetensors"), file));
        }
        return cases;
    }

    private record Transforms(String name, Path file) implements ParityCase {
        @Override
        public String module() {
            return "transforms";
        }

        @Override
        public void run(Consumer<ParityLine> sink) throws IOException {
            Map<String, HostTensor> tensors = ReferenceFolder.tensors(file);
            HostTensor image = ReferenceFolder.require(file, tensors, "image");
            HostTensor original = original(tensors).orElse(image);
            for (Map.Entry<String, HostTensor> entry : tensors.entrySet()) {
                String key = entry.getKey();
                if (key.equals("image") || key.equals("label")) {
                    continue;
                }
                try {
                    sink.accept(compared(key, image, original, entry.getValue()));
                } catch (IllegalArgumentException e) {
                    sink.accept(ParityLine.failed(name + " " + key, module(), e.getMessage()));
                }
            }
        }

        private ParityLine compared(String key, HostTensor image, HostTensor original, HostTensor expected) {
            Optional<Transform> transform = transform(key);
            if (transform.isEmpty()) {
                return ParityLine.skipped(name + " " + key, module(), "this transform isn't known here");
            }
            double difference = difference(transform.get(), image, expected);
            if (original != image) {
                // The recorded flip is one side of this by definition: it must normalise to the other.
                double other = FLIP.matcher(key).matches()
                        ? difference(new Normalize(true, true), expected, flipped(transform.get(), image))
                        : difference(transform.get(), original, expected);
                difference = Double.isNaN(difference) ? other : Math.min(difference, other);
            }
            return ParityLine.compared(name + " " + key, module(), difference, TOLERANCE);
        }

        private static HostTensor flipped(Transform flip, HostTensor image) {
            return flip.apply(sample(image)).imageTensor();
        }
    }

    private static double difference(Transform transform, HostTensor from, HostTensor expected) {
        return Differences.largest(transform.apply(sample(from)).imageTensor(), expected);
    }

    private static Sample sample(HostTensor image) {
        return Sample.of(image, HostTensor.zeros(DType.UINT8, image.size(1), image.size(2), image.size(3)));
    }

    /** Returns what a recorded flip started from. */
    private static Optional<HostTensor> original(Map<String, HostTensor> tensors) {
        for (Map.Entry<String, HostTensor> entry : tensors.entrySet()) {
            Matcher flip = FLIP.matcher(entry.getKey());
            if (flip.matches()) {
                return Optional.of(Flip.axis(Integer.parseInt(flip.group(1)))
                        .apply(sample(entry.getValue()))
                        .imageTensor());
            }
        }
        return Optional.empty();
    }

    /** Returns the transform that a name describes; nothing where it is unknown. */
    static Optional<Transform> transform(String key) {
        Matcher flip = FLIP.matcher(key);
        if (flip.matches()) {
            return Optional.of(Flip.axis(Integer.parseInt(flip.group(1))));
        }
        Matcher rotate = ROTATE.matcher(key);
        if (rotate.matches()) {
            return rotation(rotate);
        }
        Matcher zoom = ZOOM.matcher(key);
        if (zoom.matches()) {
            return Optional.of(new Zoom(Double.parseDouble(zoom.group(1))));
        }
        Matcher percentiles = PERCENTILES.matcher(key);
        if (percentiles.matches()) {
            return Optional.of(new ScalePercentiles(
                    Double.parseDouble(percentiles.group(1)), Double.parseDouble(percentiles.group(2))));
        }
        Matcher normalize = NORMALIZE.matcher(key);
        if (normalize.matches()) {
            return Optional.of(new Normalize(normalize.group(1) != null, normalize.group(2) != null));
        }
        Matcher one = ONE.matcher(key);
        if (!one.matches()) {
            return Optional.empty();
        }
        double argument = Double.parseDouble(one.group(2));
        return Optional.of(
                switch (one.group(1)) {
                    case "gibbs" -> new GibbsNoise(argument);
                    case "gaussian_smooth" -> new GaussianSmooth(argument);
                    default -> new AdjustContrast(argument);
                });
    }

    private static Optional<Transform> rotation(Matcher rotate) {
        String axes = rotate.group(1);
        double[] given = Arrays.stream(rotate.group(2).split("_"))
                .filter(text -> !text.isEmpty())
                .mapToDouble(Double::parseDouble)
                .toArray();
        double[] angles = new double[3];
        if (given.length == 0 && axes.equals("xyz")) {
            angles = UNNAMED_ANGLES;
        } else if (given.length == axes.length()) {
            for (int n = 0; n < given.length; n++) {
                angles[axes.charAt(n) - 'x'] = given[n];
            }
        } else {
            return Optional.empty();
        }
        return Optional.of(new Rotate(
                angles[0],
                angles[1],
                angles[2],
                rotate.group(3).equals("nearest") ? Interpolation.NEAREST : Interpolation.LINEAR,
                rotate.group(4).equals("border") ? Padding.BORDER : Padding.ZEROS));
    }

    /** A normalisation as a transform. */
    private record Normalize(boolean nonzero, boolean channelwise) implements Transform {
        @Override
        public Sample apply(Sample sample) {
            Normalization normalization = nonzero ? Normalization.zScoreNonzero() : Normalization.zScore();
            int parts = channelwise ? sample.channels() : 1;
            int count = sample.image().length / parts;
            for (int part = 0; part < parts; part++) {
                normalization.apply(sample.image(), part * count, count, part);
            }
            return sample;
        }
    }
}
