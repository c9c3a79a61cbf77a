package org.segformer3d.train.demo;

import java.io.IOException;
import java.nio.file.Path;
import java.util.Objects;
import org.segformer3d.train.config.ExperimentConfig;

/**
 * A synthetic data set in the Decathlon's layout: noisy scans of an organ with a lesion inside, in varying orientations.
 *
 * @param cases number of labelled cases, at least 4
 * @param seed equal seeds write equal files
 */
public record PhantomDataset(int cases, long seed) {
    /** Checks the number of cases. */
    public PhantomDataset {
        if (cases < 4) {
            throw new IllegalArgumentException("cases: found " + cases + ", expected at least 4");
        }
    }

    /** Returns the data set of the demonstration: 24 cases. */
    public static PhantomDataset demo() {
        return new PhantomDataset(24, 7);
    }

    /**
     * Writes the data set.
     *
     * @param folder to be created; an existing one must be empty
     * @throws IOException when it isn't, or writing fails
     */
    public void write(Path folder) throws IOException {
        Objects.requireNonNull(folder, "folder");
        throw new UnsupportedOperationException("phantoms are not there yet");
    }

    /**
     * Returns an experiment that trains a small network on this data set within minutes.
     *
     * @param data folder it was written to
     * @param runFolder folder for the run
     */
    public ExperimentConfig experiment(Path data, Path runFolder) {
        throw new UnsupportedOperationException("phantoms are not there yet");
    }
}
