package org.segformer3d.data.loading;

import java.util.List;
import java.util.Objects;
import org.segformer3d.api.block.Grid;
import org.segformer3d.api.config.ConfigException;
import org.segformer3d.data.transform.RandomTransform;

/**
 * How batches are made.
 *
 * @param batchSize samples per batch, ≥ 1
 * @param shuffle whether the samples come in a random order, another one each epoch
 * @param dropLast whether a last batch with fewer samples is left out
 * @param workers background threads; 0 to make each batch when it is asked for, on the asking thread
 * @param patch size of the samples
 * @param samplesPerCase how many samples each case gives per epoch, ≥ 1
 * @param foregroundFraction share of the samples that are taken around labelled voxels, 0 to 1
 * @param augmentation random changes, applied in this order
 * @param seed what everything random is derived from
 * @param caseByCase whether all samples of a case come one after the other, so that a batch of n·samplesPerCase samples holds n whole
 *     cases, as in the official run; the order is then one of cases, and a set too small for one batch is one batch all the same
 */
public record LoaderSpec(
        int batchSize,
        boolean shuffle,
        boolean dropLast,
        int workers,
        Grid patch,
        int samplesPerCase,
        double foregroundFraction,
        List<RandomTransform> augmentation,
        long seed,
        boolean caseByCase) {
    /** Creates a specification under which samples of all cases are mixed. */
    public LoaderSpec(
            int batchSize,
            boolean shuffle,
            boolean dropLast,
            int workers,
            Grid patch,
            int samplesPerCase,
            double foregroundFraction,
            List<RandomTransform> augmentation,
            long seed) {
        this(
                batchSize,
                shuffle,
                dropLast,
                workers,
                patch,
                samplesPerCase,
                foregroundFraction,
                augmentation,
                seed,
                false);
    }

    /** Checks the numbers. */
    public LoaderSpec {
        Objects.requireNonNull(patch, "patch");
        augmentation = List.copyOf(augmentation);
        if (batchSize < 1) {
            throw ConfigException.of("batch size", batchSize, "at least 1");
        }
        if (workers < 0) {
            throw ConfigException.of("workers", workers, "0 or more");
        }
        if (samplesPerCase < 1) {
            throw ConfigException.of("samples per case", samplesPerCase, "at least 1");
        }
        if (!(foregroundFraction >= 0 && foregroundFraction <= 1)) {
            throw ConfigException.of("foreground fraction", foregroundFraction, "a number from 0 to 1");
        }
    }
}
