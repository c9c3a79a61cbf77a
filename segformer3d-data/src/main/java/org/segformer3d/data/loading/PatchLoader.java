package org.segformer3d.data.loading;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.FloatBuffer;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import java.util.SplittableRandom;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicIntegerArray;
import java.util.concurrent.atomic.AtomicLong;
import org.segformer3d.api.block.Grid;
import org.segformer3d.api.config.ConfigException;
import org.segformer3d.api.tensor.DType;
import org.segformer3d.api.tensor.HostTensor;
import org.segformer3d.data.labels.LabelSpec;
import org.segformer3d.data.preprocessing.PreparedCase;
import org.segformer3d.data.transform.PatchSampler;
import org.segformer3d.data.transform.RandomTransform;
import org.segformer3d.data.transform.Sample;

/**
 * Makes batches of augmented patches from cases.
 *
 * <pre>{@code
 * try (PatchLoader loader = new PatchLoader(cases, labels, spec)) {
 *     for (int e = 0; e < epochs; e++) {
 *         try (Epoch epoch = loader.epoch(e)) {
 *             for (Batch batch : epoch) { … }
 *         }
 *     }
 * }
 * }</pre>
 *
 * <p>In an epoch every case gives {@code samplesPerCase} samples. Each sample is a pure function of (seed, epoch, case id, number of the
 * sample), and their order one of (seed, epoch): the same batches come out whatever the number of workers and however often an epoch is
 * repeated.
 */
public final class PatchLoader implements AutoCloseable {
    private static final int UNSEEN = 0;
    private static final int CHECKED = 1;

    private final CaseSource source;
    private final LabelSpec labels;
    private final LoaderSpec spec;
    private final int rank;
    private final int processes;
    private final PatchSampler sampler;
    private final ExecutorService workers;
    private final AtomicLong waitNanos = new AtomicLong();
    private final AtomicIntegerArray seen;
    private volatile boolean closed;

    /**
     * Creates a loader; its workers start with the first epoch.
     *
     * @param source the cases, all with labels, never {@code null}
     * @param labels how labels become channels, never {@code null}
     * @param spec how batches are made, never {@code null}
     * @throws ConfigException when no batch would come out
     */
    public PatchLoader(CaseSource source, LabelSpec labels, LoaderSpec spec) {
        this(source, labels, spec, 0, 1);
    }

    /**
     * Creates a loader that makes one part of every batch: the parts of all processes, one after the other, are the batch that a loader
     * of the whole makes.
     *
     * <p>Where a last batch has fewer samples than there are processes, some parts would be empty. They hold the batch's first sample
     * instead, and their {@link #share} is 0.
     *
     * @param spec how whole batches are made, never {@code null}
     * @param rank which part, from 0
     * @param processes how many parts
     * @throws ConfigException when no batch would come out
     */
    public PatchLoader(CaseSource source, LabelSpec labels, LoaderSpec spec, int rank, int processes) {
        if (rank < 0 || rank >= processes) {
            throw new IllegalArgumentException("part: found " + rank + " of " + processes);
        }
        this.rank = rank;
        this.processes = processes;
        this.source = Objects.requireNonNull(source, "source");
        this.labels = Objects.requireNonNull(labels, "labels");
        this.spec = Objects.requireNonNull(spec, "spec");
        if (source.size() == 0) {
            throw ConfigException.of("training cases", "none", "at least one");
        }
        if (batchesPerEpoch() == 0) {
            throw ConfigException.of(
                    "batch_size",
                    spec.batchSize() + " with only " + source.size() * spec.samplesPerCase() + " samples per epoch",
                    "at most as many as there are samples, or drop_last: false");
        }
        this.sampler = new PatchSampler(spec.patch(), spec.foregroundFraction(), Set.copyOf(labels.ignored()));
        this.seen = new AtomicIntegerArray(source.size());
        AtomicInteger number = new AtomicInteger();
        this.workers = spec.workers() == 0
                ? null
                : Executors.newFixedThreadPool(spec.workers(), task -> {
                    Thread thread = new Thread(task, "patch-loader-" + number.incrementAndGet());
                    thread.setDaemon(true);
                    return thread;
                });
    }

    /** Returns the number of batches in each epoch. */
    public int batchesPerEpoch() {
        int samples = Math.multiplyExact(source.size(), spec.samplesPerCase());
        if (spec.caseByCase() && samples < spec.batchSize()) {
            return 1;
        }
        return spec.dropLast() ? samples / spec.batchSize() : (samples + spec.batchSize() - 1) / spec.batchSize();
    }

    /** Returns the number of samples that a whole batch has. */
    public int samples(int batch) {
        int all = Math.multiplyExact(source.size(), spec.samplesPerCase());
        return Math.min(spec.batchSize(), all - batch * spec.batchSize());
    }

    /** Returns the number of the first sample, within the whole batch, of this loader's part. */
    public int firstSample(int batch) {
        return (int) ((long) samples(batch) * rank / processes);
    }

    /** Returns which share of a whole batch's samples this loader's part is, from 0 to 1. */
    public double share(int batch) {
        int all = samples(batch);
        int next = (int) ((long) all * (rank + 1) / processes);
        return (next - firstSample(batch)) / (double) all;
    }

    /** Returns how long callers have waited for batches so far, over all epochs, in nanoseconds. */
    public long waitNanos() {
        return waitNanos.get();
    }

    boolean isClosed() {
        return closed;
    }

    void addWait(long nanos) {
        waitNanos.addAndGet(nanos);
    }

    /**
     * Returns the batches of an epoch; making them begins when they are iterated.
     *
     * <p>Iterating throws {@link LoadingException} for the first case that cannot be loaded or used.
     *
     * @param epoch its number, ≥ 0, part of the seed
     * @throws IllegalStateException when this loader is closed
     */
    public Epoch epoch(int epoch) {
        if (closed) {
            throw new IllegalStateException("this loader is closed");
        }
        if (epoch < 0) {
            throw new IllegalArgumentException("epoch: found " + epoch + ", expected at least 0");
        }
        int[] order = order(epoch);
        Epoch[] self = new Epoch[1];
        self[0] = new Epoch(
                this, batchesPerEpoch(), index -> make(self[0], epoch, order, index), workers, spec.workers() + 1);
        return self[0];
    }

    /** Returns samples in the order of the epoch: sample s stands for number s mod samplesPerCase of case s / samplesPerCase. */
    private int[] order(int epoch) {
        int together = spec.caseByCase() ? spec.samplesPerCase() : 1;
        int[] order = new int[source.size() * spec.samplesPerCase() / together];
        for (int n = 0; n < order.length; n++) {
            order[n] = n;
        }
        if (spec.shuffle()) {
            SplittableRandom random = SampleSeed.order(spec.seed(), epoch);
            for (int n = order.length - 1; n > 0; n--) {
                int other = random.nextInt(n + 1);
                int swapped = order[n];
                order[n] = order[other];
                order[other] = swapped;
            }
        }
        return together == 1 ? order : spread(order, together);
    }

    private static int[] spread(int[] cases, int together) {
        int[] order = new int[cases.length * together];
        for (int n = 0; n < order.length; n++) {
            order[n] = cases[n / together] * together + n % together;
        }
        return order;
    }

    /** Makes one batch; {@code null} when nobody wants it any more. */
    private Batch make(Epoch epoch, int epochNumber, int[] order, int index) {
        int first = index * spec.batchSize() + firstSample(index);
        int count = (int) Math.round(share(index) * samples(index));
        if (count == 0) {
            first = index * spec.batchSize();
            count = 1;
        }
        Grid patch = spec.patch();
        List<String> ids = new ArrayList<>(count);
        HostTensor input = null;
        HostTensor target = null;
        FloatBuffer images = null;
        ByteBuffer targets = null;
        HostTensor mask = null;
        boolean masked = false;
        ByteBuffer counts = null;
        int channels = 0;
        for (int b = 0; b < count; b++) {
            if (epoch.isClosed()) {
                return null;
            }
            int caseIndex = order[first + b] / spec.samplesPerCase();
            String id = source.id(caseIndex);
            try {
                Sample sample = sample(epochNumber, caseIndex, id, order[first + b] % spec.samplesPerCase());
                if (input == null) {
                    channels = sample.channels();
                    input = HostTensor.zeros(
                            DType.FLOAT32, count, channels, patch.depth(), patch.height(), patch.width());
                    target = HostTensor.zeros(
                            DType.UINT8, count, labels.channels(), patch.depth(), patch.height(), patch.width());
                    images = input.floatBuffer();
                    targets = target.bytes();
                    if (!labels.ignored().isEmpty()) {
                        mask = HostTensor.zeros(DType.UINT8, count, 1, patch.depth(), patch.height(), patch.width());
                        counts = mask.bytes();
                    }
                }
                if (sample.channels() != channels) {
                    throw new IllegalArgumentException(
                            "found " + sample.channels() + " channels, but case " + ids.get(0) + " has " + channels);
                }
                images.put(sample.image());
                labels.encode(sample.label(), targets, "label");
                if (counts != null) {
                    masked |= labels.mask(sample.label(), counts);
                }
            } catch (IOException | RuntimeException e) {
                throw new LoadingException(id, e);
            }
            ids.add(id);
        }
        return new Batch(input, target, masked ? Optional.of(mask) : Optional.empty(), ids, index);
    }

    private Sample sample(int epoch, int caseIndex, String id, int number) throws IOException {
        PreparedCase prepared = source.load(caseIndex);
        if (seen.get(caseIndex) == UNSEEN) {
            // Once per case and over the whole volume, so that a rare strange value doesn't surface in the fiftieth
            // epoch.
            prepared.label().ifPresent(label -> labels.requireKnown(label, "label"));
            seen.set(caseIndex, CHECKED);
        }
        SplittableRandom random = SampleSeed.sample(spec.seed(), epoch, id, number);
        Sample sample = sampler.draw(prepared, random);
        for (RandomTransform transform : spec.augmentation()) {
            // Each transform gets a generator of its own: what one draws doesn't shift what the next one draws.
            sample = transform.apply(sample, random.split());
        }
        if (!sample.size().equals(spec.patch())) {
            throw new IllegalStateException(
                    "augmentation turned a patch of " + spec.patch() + " into " + sample.size());
        }
        return sample;
    }

    /** Stops the workers and waits until they are done. Has no effect on a closed loader. */
    @Override
    public void close() {
        closed = true;
        if (workers != null) {
            // Not interrupted: what a worker is loading may be what a shared cache has promised to others.
            workers.shutdown();
            try {
                workers.awaitTermination(10, TimeUnit.SECONDS);
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
            }
        }
    }
}
