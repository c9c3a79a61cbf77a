package org.segformer3d.server.job;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.SecureRandom;
import java.time.Duration;
import java.time.Instant;
import java.util.Comparator;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.CancellationException;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.Executors;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.ScheduledFuture;
import java.util.concurrent.ThreadPoolExecutor;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Consumer;
import org.segformer3d.data.dataset.Case;
import org.segformer3d.data.format.VolumeFiles;
import org.segformer3d.eval.inference.SegmentationRequest;
import org.segformer3d.eval.inference.SegmentationResult;
import org.segformer3d.eval.inference.Segmenter;
import org.segformer3d.server.Limits;
import org.segformer3d.server.Timeouts;
import org.segformer3d.server.job.Job.State;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Segments scans one after the other, or several at once, while a bounded number waits.
 *
 * <p>A job's files are its own: they lie in a folder that goes as soon as nobody can ask for them any more.
 */
public final class JobQueue implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(JobQueue.class);
    private static final int ID_BYTES = 16;

    private final Segmenter segmenter;
    private final ScanCheck check;
    private final Limits limits;
    private final Timeouts timeouts;
    private final Path folder;
    private final Consumer<Job> ended;
    private final ThreadPoolExecutor workers;
    private final ScheduledExecutorService clock;
    private final Map<String, Job> jobs = new ConcurrentHashMap<>();
    private final AtomicInteger running = new AtomicInteger();
    private final SecureRandom random = new SecureRandom();
    private volatile boolean stopping;

    /**
     * Starts the workers.
     *
     * @param segmenter stays the caller's and must outlive the queue
     * @param folder where files are kept, exists
     * @param ended told about each job that ended
     */
    public JobQueue(Segmenter segmenter, Limits limits, Timeouts timeouts, Path folder, Consumer<Job> ended) {
        this.segmenter = segmenter;
        this.check = new ScanCheck(segmenter.bundle(), limits.scanBytes());
        this.limits = limits;
        this.timeouts = timeouts;
        this.folder = folder;
        this.ended = ended;
        this.workers = new ThreadPoolExecutor(
                limits.workers(),
                limits.workers(),
                0,
                TimeUnit.SECONDS,
                new ArrayBlockingQueue<>(limits.queue()),
                task -> thread(task, "segmentation"));
        this.clock = Executors.newSingleThreadScheduledExecutor(task -> thread(task, "job-clock"));
        long often = Math.max(1, timeouts.keep().toMillis() / 10);
        clock.scheduleWithFixedDelay(this::forgetOld, often, often, TimeUnit.MILLISECONDS);
    }

    private static Thread thread(Runnable task, String name) {
        Thread thread = new Thread(task, name);
        thread.setDaemon(true);
        return thread;
    }

    /** Returns how many jobs wait. */
    public int waiting() {
        return workers.getQueue().size();
    }

    /** Returns how many jobs are being worked on. */
    public int running() {
        return running.get();
    }

    /** Returns whether a further job would be refused at this moment. */
    public boolean isFull() {
        return workers.getQueue().remainingCapacity() == 0;
    }

    /** Returns whether no further jobs are taken. */
    public boolean isStopping() {
        return stopping;
    }

    /** Throws what a job that comes now would be answered with, if it would be refused whatever it holds. */
    public void requireRoom() {
        if (stopping) {
            throw new ProblemException(503, "stopping", "the server is stopping and takes no further scans");
        }
        if (isFull()) {
            throw full();
        }
    }

    private ProblemException full() {
        return new ProblemException(
                429,
                "queue_full",
                running() + " scans are being segmented and " + waiting()
                        + " are waiting, which is all this server takes; try again later");
    }

    /** Makes a folder for the files of a job to come. */
    public Path newFolder() throws IOException {
        return Files.createDirectory(folder.resolve(newId()));
    }

    private String newId() {
        byte[] bytes = new byte[ID_BYTES];
        random.nextBytes(bytes);
        return HexFormat.of().formatHex(bytes);
    }

    /** Accepts a scan whose labels are to be a {@code .nii.gz} file. */
    public Job submit(Scan scan, Path own, boolean held) throws IOException {
        return submit(scan, own, held, VolumeFiles.USUAL_ENDING);
    }

    /**
     * Accepts a scan.
     *
     * @param scan its files, in {@code own} or elsewhere
     * @param own from {@link #newFolder()}; the job's from now on when this returns, else still the caller's
     * @param held whether the caller itself {@linkplain #forget forgets} the job, which is kept until then
     * @param ending of the label file's name
     * @throws ProblemException when the scan can't be segmented, there is no room or the server is stopping
     */
    public Job submit(Scan scan, Path own, boolean held, String ending) throws IOException {
        check.require(scan);
        requireRoom();
        Job job = new Job(own.getFileName().toString(), scan, own, held, ending);
        jobs.put(job.id(), job);
        ScheduledFuture<?> limit =
                clock.schedule(() -> expire(job), timeouts.job().toMillis(), TimeUnit.MILLISECONDS);
        Task task = new Task(job, limit);
        try {
            workers.execute(task);
        } catch (RejectedExecutionException e) {
            jobs.remove(job.id());
            limit.cancel(false);
            throw stopping ? new ProblemException(503, "stopping", "the server is stopping") : full();
        }
        return job;
    }

    /** What a worker does with a job. */
    private final class Task implements Runnable {
        private final Job job;
        private final ScheduledFuture<?> limit;

        Task(Job job, ScheduledFuture<?> limit) {
            this.job = job;
            this.limit = limit;
        }

        @Override
        public void run() {
            if (!job.start()) {
                return;
            }
            running.incrementAndGet();
            try {
                SegmentationResult result = segmenter.segment(new SegmentationRequest(
                        new Case(job.scan().name(), job.scan().paths(), Optional.empty()), false, job::windowsDone));
                VolumeFiles.writeLabels(job.labelFile(), result.labels());
                limit.cancel(false);
                running.decrementAndGet();
                tell(job, job.finish(result));
            } catch (CancellationException e) {
                limit.cancel(false);
                running.decrementAndGet();
                // Whoever ended the job has said why.
                tell(job, job.end(State.CANCELLED, new Problem(409, "cancelled", "the job was cancelled")));
            } catch (IOException | RuntimeException | OutOfMemoryError e) {
                limit.cancel(false);
                running.decrementAndGet();
                if (!job.state().isFinal()) {
                    tell(job, job.end(State.FAILED, Problems.of(e, job)));
                }
            } finally {
                if (job.state() != State.DONE) {
                    discard(job);
                }
                trim();
            }
        }
    }

    private void tell(Job job, boolean first) {
        if (first) {
            ended.accept(job);
        }
    }

    private void expire(Job job) {
        Map<String, Object> progress = job.toMap();
        end(
                job,
                State.FAILED,
                new Problem(
                        504,
                        "timeout",
                        job.scan().name() + ": not done after " + timeouts.job().toSeconds() + " s ("
                                + progress.get("state") + ", " + progress.get("windows_done") + " of "
                                + progress.get("windows") + " windows)"));
    }

    /**
     * Ends a job before its time.
     *
     * @return whether it hadn't ended already
     */
    public boolean cancel(Job job) {
        return end(job, State.CANCELLED, new Problem(409, "cancelled", "the job was cancelled by its client"));
    }

    private boolean end(Job job, State state, Problem problem) {
        boolean waited = workers.getQueue().removeIf(task -> ((Task) task).job == job);
        boolean first = job.end(state, problem);
        tell(job, first);
        if (waited) {
            discard(job);
        }
        // A worker notices at its next batch of windows and discards the files then.
        return first;
    }

    /** Returns a job whose identity is known. */
    public Optional<Job> find(String id) {
        return Optional.ofNullable(jobs.get(id));
    }

    /**
     * Returns the labels of a job that is done.
     *
     * @throws ProblemException when they were discarded in the meantime
     */
    public Path labels(Job job) {
        if (!Files.exists(job.labelFile())) {
            throw new ProblemException(404, "no_labels", "the labels of this job aren't kept any more");
        }
        return job.labelFile();
    }

    /** Forgets an ended job and deletes its files. */
    public void forget(Job job) {
        jobs.remove(job.id());
        discard(job);
    }

    private static void discard(Job job) {
        try {
            job.discard();
        } catch (IOException e) {
            LOG.warn("can't delete {}: {}", job.folder(), e.toString());
        }
    }

    private void forgetOld() {
        Instant oldest = Instant.now().minus(timeouts.keep());
        for (Job job : jobs.values()) {
            if (!job.isHeld() && job.finished().filter(oldest::isAfter).isPresent()) {
                forget(job);
            }
        }
        trim();
    }

    /** Forgets the oldest results where there are too many. */
    private void trim() {
        List<Job> finished = jobs.values().stream()
                .filter(job -> !job.isHeld() && job.finished().isPresent())
                .sorted(Comparator.comparing(job -> job.finished().orElseThrow()))
                .toList();
        for (Job job : finished.subList(0, Math.max(0, finished.size() - limits.results()))) {
            forget(job);
        }
    }

    /**
     * Takes no further jobs and waits for those there are.
     *
     * @return whether all ended in time; those that didn't were cancelled
     */
    public boolean drain(Duration grace) throws InterruptedException {
        stopping = true;
        Instant end = Instant.now().plus(grace);
        boolean inTime = true;
        for (Job job : jobs.values()) {
            Duration left = Duration.between(Instant.now(), end);
            inTime &= job.await(left.isNegative() ? Duration.ZERO : left);
        }
        for (Job job : jobs.values()) {
            end(job, State.CANCELLED, new Problem(503, "stopping", "the server stopped before the scan was done"));
        }
        return inTime;
    }

    /** Ends the workers and deletes every job's files. Jobs that are still there are cancelled. */
    @Override
    public void close() {
        try {
            drain(Duration.ZERO);
            workers.shutdown();
            clock.shutdownNow();
            // The network isn't to be closed under a worker's feet.
            workers.awaitTermination(1, TimeUnit.MINUTES);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
        jobs.values().forEach(JobQueue::discard);
        jobs.clear();
    }
}
