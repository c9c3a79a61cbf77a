package org.segformer3d.cli;

import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.io.Writer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.SplittableRandom;
import org.segformer3d.api.block.Grid;
import org.segformer3d.data.format.VolumeFiles;
import org.segformer3d.data.volume.Affine;
import org.segformer3d.data.volume.Geometry;
import org.segformer3d.data.volume.Volume;

/**
 * The run from which the launcher script makes its archive for class data sharing: a network of random weights segments a small
 * volume of noise, so that the archive holds the classes of a prediction from the command line to the written labels.
 */
final class ArchiveRun {
    private static final int EDGE = 24;

    private ArchiveRun() {}

    /** Runs in the empty folder that is the one argument; fails where a command fails. */
    public static void main(String[] arguments) throws IOException {
        if (arguments.length != 1) {
            throw new IllegalArgumentException("found " + arguments.length + " arguments, expected an empty folder");
        }
        Path folder = Path.of(arguments[0]);
        Path experiment = Files.writeString(folder.resolve("experiment.yaml"), """
                project: start-up
                model_name: segformer3d
                model_parameters: {in_channels: 1, num_classes: 3}
                sliding_window_inference: {roi: [32, 32, 32]}
                dataset_parameters:
                  dataset_type: decathlon
                  root: none
                  preprocessing: {normalization: z_score}
                  labels: {mode: softmax}
                """);
        SplittableRandom random = new SplittableRandom(1);
        float[] values = new float[EDGE * EDGE * EDGE];
        for (int i = 0; i < values.length; i++) {
            values[i] = 100 + (float) random.nextGaussian();
        }
        Path scan = folder.resolve("scan.nii.gz");
        VolumeFiles.write(scan, Volume.of(values, 1, Geometry.of(new Grid(EDGE, EDGE, EDGE), Affine.IDENTITY)));
        Path bundle = folder.resolve("bundle");

        run("bundle", "--config", experiment, "--random", 1, "--output", bundle);
        run("predict", "--model", bundle, "--input", scan, "--output", folder.resolve("labels"));
    }

    private static void run(Object... arguments) throws IOException {
        String[] texts = new String[arguments.length];
        for (int i = 0; i < texts.length; i++) {
            texts[i] = arguments[i].toString();
        }
        StringWriter err = new StringWriter();
        int code = Program.run(new PrintWriter(Writer.nullWriter()), new PrintWriter(err), texts);
        if (code != 0) {
            throw new IOException(texts[0] + ": exit code " + code + ": " + err);
        }
    }
}
