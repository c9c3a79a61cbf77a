package org.segformer3d.server;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Objects;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import org.segformer3d.eval.inference.ProcessMemory;
import org.segformer3d.eval.inference.Segmenter;
import org.segformer3d.server.http.Answers;
import org.segformer3d.server.http.FrontEnd;
import org.segformer3d.server.http.Metrics;
import org.segformer3d.server.http.Route;
import org.segformer3d.server.http.Segmentations;
import org.segformer3d.server.http.Uploads;
import org.segformer3d.server.job.Folders;
import org.segformer3d.server.job.Job;
import org.segformer3d.server.job.JobQueue;
import org.segformer3d.server.label.Datastore;
import org.segformer3d.server.label.LabelRoutes;
import org.segformer3d.server.label.Sessions;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * A model behind HTTP.
 *
 * <p>Scans come in and label maps go out through a bounded queue; what clients may send is limited in size and time before it costs memory.
 * 3D Slicer's MONAI Label extension can use it as its server.
 */
public final class SegmentationServer implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(SegmentationServer.class);
    private static final Duration LAST_ANSWERS = Duration.ofSeconds(5);

    private final ServerOptions options;
    private final Path folder;
    private final ScheduledExecutorService clock;
    private final JobQueue queue;
    private final FrontEnd frontEnd;
    private final List<Route> routes;

    private SegmentationServer(Segmenter segmenter, ServerOptions options) throws IOException {
        this.options = options;
        this.folder = Files.createTempDirectory("segformer3d-server");
        this.clock = Executors.newSingleThreadScheduledExecutor(task -> {
            Thread thread = new Thread(task, "server-clock");
            thread.setDaemon(true);
            return thread;
        });
        Metrics metrics = new Metrics();
        Path jobs = Files.createDirectory(folder.resolve("jobs"));
        this.queue = new JobQueue(segmenter, options.limits(), options.timeouts(), jobs, job -> count(metrics, job));
        declare(metrics, queue);
        Uploads uploads = new Uploads(
                options.limits(), options.timeouts(), bytes -> metrics.add("segformer3d_upload_bytes_total", bytes));
        Answers answers = new Answers(clock, options.timeouts().transfer());
        Path images = options.datastore().isPresent()
                ? options.datastore().get()
                : Files.createDirectory(folder.resolve("datastore"));
        Datastore datastore = Datastore.open(images, options.limits().datastoreBytes());
        Sessions sessions = Sessions.in(
                Files.createDirectory(folder.resolve("sessions")),
                options.timeouts().keep());
        this.routes = new ArrayList<>(
                new Segmentations(segmenter, queue, uploads, answers, metrics, options.limits()).routes());
        routes.addAll(
                new LabelRoutes(segmenter.bundle(), queue, uploads, answers, datastore, sessions, folder).routes());
        this.frontEnd = new FrontEnd(options, routes, metrics, clock);
    }

    private static void declare(Metrics metrics, JobQueue queue) {
        metrics.counter("segformer3d_jobs_total", "Jobs that ended, by how.")
                .histogram("segformer3d_job_phase_seconds", "Time that the parts of jobs took that were done.")
                .counter("segformer3d_upload_bytes_total", "Bytes received in bodies of requests.")
                .gauge("segformer3d_jobs_running", "Scans being segmented.", queue::running)
                .gauge("segformer3d_jobs_waiting", "Scans that wait.", queue::waiting)
                .gauge(
                        "segformer3d_heap_bytes",
                        "Java memory in use.",
                        () -> Runtime.getRuntime().totalMemory()
                                - Runtime.getRuntime().freeMemory())
                .gauge(
                        "segformer3d_peak_memory_bytes",
                        "Largest resident memory of the process so far.",
                        () -> ProcessMemory.peakBytes().orElse(0));
    }

    private static void count(Metrics metrics, Job job) {
        metrics.add("segformer3d_jobs_total", 1, "state", job.state().name().toLowerCase(Locale.ROOT));
        job.timings()
                .forEach((phase, time) -> metrics.observe(
                        "segformer3d_job_phase_seconds",
                        time.toNanos() / 1e9,
                        "phase",
                        phase.name().toLowerCase(Locale.ROOT)));
    }

    /**
     * Starts a server.
     *
     * @param segmenter stays the caller's and must outlive the server, never {@code null}
     * @param options where to listen and what to allow, never {@code null}
     * @throws IOException when the address can't be had or folders can't be made
     */
    public static SegmentationServer start(Segmenter segmenter, ServerOptions options) throws IOException {
        Objects.requireNonNull(segmenter, "segmenter");
        Objects.requireNonNull(options, "options");
        SegmentationServer server = new SegmentationServer(segmenter, options);
        try {
            server.frontEnd.start();
        } catch (IOException | RuntimeException e) {
            server.release();
            throw e;
        }
        return server;
    }

    /** Returns the port it listens on. */
    public int port() {
        return frontEnd.port();
    }

    /** Returns where it is, for example {@code http://127.0.0.1:8000}. */
    public String url() {
        String host = options.host().contains(":") ? "[" + options.host() + "]" : options.host();
        return "http://" + host + ":" + port();
    }

    /** Returns where it keeps what clients send for as long as it is needed. */
    Path folder() {
        return folder;
    }

    /** Returns what it answers. */
    List<Route> routes() {
        return List.copyOf(routes);
    }

    /**
     * Stops: refuses further scans with 503, lets accepted ones end within the grace, cancels those that don't, and deletes what was
     * temporary. Has no effect on a stopped server.
     */
    @Override
    public void close() {
        try {
            if (!queue.drain(options.timeouts().grace())) {
                LOG.warn("stopped before all scans were done");
            }
            long end = System.nanoTime() + LAST_ANSWERS.toNanos();
            while (frontEnd.active() > 0 && System.nanoTime() < end) {
                Thread.sleep(10);
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
        frontEnd.close();
        release();
    }

    private void release() {
        queue.close();
        clock.shutdownNow();
        try {
            Folders.delete(folder);
        } catch (IOException e) {
            LOG.warn("can't delete {}: {}", folder, e.toString());
        }
    }
}
