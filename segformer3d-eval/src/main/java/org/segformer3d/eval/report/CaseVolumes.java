package org.segformer3d.eval.report;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import org.segformer3d.data.dataset.CaseReader;
import org.segformer3d.data.volume.GridMatch;
import org.segformer3d.data.volume.Volume;

/** A case's scan, channel by channel, and labels on the truth's grid; there are no channels where the scan isn't at hand. */
record CaseVolumes(List<Volume> channels, Volume truth, Volume prediction) {
    CaseVolumes {
        channels = List.copyOf(channels);
    }

    /** Reads a case; a scan or prediction that lies on another grid is brought to the truth's. */
    static CaseVolumes read(ReportCase one) throws IOException {
        Volume truth = CaseReader.read(one.truth()).asLabels();
        Volume prediction = CaseReader.read(one.prediction()).asLabels();
        List<Volume> channels = new ArrayList<>();
        for (Path file : one.images()) {
            Volume image = CaseReader.read(file);
            for (int c = 0; c < image.channels(); c++) {
                channels.add(GridMatch.onGrid(
                        file.toString(), image.channel(c), one.truth().toString(), truth.geometry()));
            }
        }
        return new CaseVolumes(
                channels,
                truth,
                GridMatch.onGrid(
                        one.prediction().toString(), prediction, one.truth().toString(), truth.geometry()));
    }

    /** Returns the first channel, which slices show. */
    Optional<Volume> image() {
        return channels.stream().findFirst();
    }

    /** Returns the values between which grey goes from black to white: percentiles, so that a few bright voxels don't darken the rest. */
    static float[] window(float[] values, double low, double high) {
        // Every so many values are enough for percentiles, and sorting all of a large scan takes seconds.
        int step = Math.max(1, values.length / 200_000);
        float[] sample = new float[(values.length + step - 1) / step];
        int count = 0;
        for (int n = 0; n < values.length; n += step) {
            if (Float.isFinite(values[n])) {
                sample[count++] = values[n];
            }
        }
        if (count == 0) {
            return new float[] {0, 1};
        }
        Arrays.sort(sample, 0, count);
        float from = sample[(int) (low * (count - 1))];
        float to = sample[(int) (high * (count - 1))];
        return new float[] {from, to > from ? to : Math.max(from + 1e-6f, sample[count - 1])};
    }

    /** Returns a value's grey level, 0 to 255. */
    static int grey(float value, float... window) {
        double level = 255 * (value - window[0]) / (window[1] - window[0]);
        return Double.isNaN(level) ? 0 : (int) Math.round(Math.min(255, Math.max(0, level)));
    }
}
