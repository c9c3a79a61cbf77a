package org.segformer3d.server.http;

import io.javalin.http.Context;
import io.javalin.http.HandlerType;
import java.io.IOException;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import org.segformer3d.eval.bundle.ModelBundle;
import org.segformer3d.eval.inference.Ensemble;
import org.segformer3d.eval.inference.Segmenter;
import org.segformer3d.eval.result.Provenance;
import org.segformer3d.server.Limits;
import org.segformer3d.server.job.Folders;
import org.segformer3d.server.job.Job;
import org.segformer3d.server.job.JobQueue;
import org.segformer3d.server.job.ProblemException;
import org.segformer3d.server.job.Scan;

/** The server's own routes: health, model card, segmentation, jobs, metrics, and the document that describes them. */
public final class Segmentations {
    private final Segmenter segmenter;
    private final JobQueue queue;
    private final Uploads uploads;
    private final Answers answers;
    private final Metrics metrics;
    private final Limits limits;
    private final long started = System.nanoTime();

    /** Creates the routes' handlers. */
    public Segmentations(
            Segmenter segmenter, JobQueue queue, Uploads uploads, Answers answers, Metrics metrics, Limits limits) {
        this.segmenter = segmenter;
        this.queue = queue;
        this.uploads = uploads;
        this.answers = answers;
        this.metrics = metrics;
        this.limits = limits;
    }

    /** Returns the routes. */
    public List<Route> routes() {
        return List.of(
                new Route(HandlerType.GET, "/health", true, this::health),
                new Route(HandlerType.GET, "/openapi.json", true, this::openApi),
                Route.of(HandlerType.GET, "/metrics", this::metrics),
                Route.of(HandlerType.GET, "/model", this::model),
                Route.of(HandlerType.POST, "/segment", this::segment),
                Route.of(HandlerType.GET, "/jobs/{id}", this::job),
                Route.of(HandlerType.GET, "/jobs/{id}/labels", this::labels),
                Route.of(HandlerType.DELETE, "/jobs/{id}", this::cancel));
    }

    private void health(Context ctx) {
        Map<String, Object> map = new LinkedHashMap<>();
        map.put("status", queue.isStopping() ? "stopping" : "ok");
        map.put("running", queue.running());
        map.put("waiting", queue.waiting());
        map.put("uptime_seconds", (System.nanoTime() - started) / 1_000_000_000);
        answers.json(ctx, queue.isStopping() ? 503 : 200, map);
    }

    private void openApi(Context ctx) throws IOException {
        answers.json(ctx, 200, OpenApi.document());
    }

    private void metrics(Context ctx) {
        ctx.contentType("text/plain; version=0.0.4; charset=utf-8").result(metrics.text());
    }

    private void model(Context ctx) {
        ModelBundle bundle = segmenter.bundle();
        Map<String, Object> map = new LinkedHashMap<>();
        map.put("name", bundle.name());
        map.put("model_parameters", bundle.network().toMap());
        map.put("labels", bundle.labels().toMap());
        map.put("preprocessing", bundle.preprocessing().toMap());
        map.put("inference", bundle.inference().toMap());
        map.put(
                "weights",
                Map.of(
                        "parameters",
                        bundle.weights().elements(),
                        "hash",
                        bundle.weights().hash()));
        map.put("configuration_hash", bundle.configurationHash());
        map.put("provenance", bundle.provenance());
        if (segmenter.ensemble().size() > 1) {
            map.put("ensemble", brief(segmenter.ensemble()));
        }
        map.put("runs_on", Provenance.of(segmenter.backend()));
        Map<String, Object> most = new LinkedHashMap<>();
        most.put("workers", limits.workers());
        most.put("queue", limits.queue());
        most.put("upload_bytes", limits.uploadBytes());
        most.put("scan_bytes", limits.scanBytes());
        map.put("limits", most);
        answers.json(ctx, 200, map);
    }

    /** Returns what an ensemble consists of. Clients aren't to learn where this machine keeps files. */
    private static Map<String, Object> brief(Ensemble ensemble) {
        Map<String, Object> map = new LinkedHashMap<>(ensemble.toMap());
        map.put(
                "members",
                ensemble.members().stream()
                        .map(member -> Map.of(
                                "name", member.name(),
                                "weights_hash", member.weights().hash(),
                                "configuration_hash", member.configurationHash(),
                                "inference", member.inference().toMap()))
                        .toList());
        return map;
    }

    private void segment(Context ctx) throws IOException, InterruptedException {
        requireKnownQuery(ctx, Set.of("async", "name"));
        boolean later = flag(ctx, "async");
        queue.requireRoom();
        Path own = queue.newFolder();
        Job job;
        try {
            Uploads.Upload upload = uploads.receive(ctx, own, part -> true);
            if (upload.files().isEmpty()) {
                throw new ProblemException(
                        400, "no_file", "found a form without files, expected one per channel, each with a filename");
            }
            String name = ctx.queryParam("name");
            if (name == null) {
                String first = upload.files().get(0).shown();
                name = first.equals("the uploaded file") ? "scan" : first;
            }
            job = queue.submit(
                    new Scan(Names.plain(Names.stem(Names.last(name)), "scan"), upload.files()), own, !later);
        } catch (IOException | RuntimeException e) {
            Folders.delete(own);
            throw e;
        }
        ctx.header("X-Job-Id", job.id());
        if (later) {
            ctx.header("Location", "/jobs/" + job.id());
            answers.json(ctx, 202, job.toMap());
            return;
        }
        try {
            job.await();
            sendLabels(ctx, job);
        } finally {
            queue.forget(job);
        }
    }

    private void sendLabels(Context ctx, Job job) throws IOException {
        if (job.problem().isPresent()) {
            throw job.problem().get().exception();
        }
        ctx.header("X-Weights-Hash", segmenter.ensemble().weightsHash());
        answers.file(ctx, queue.labels(job), job.fileName());
    }

    private void job(Context ctx) {
        answers.json(ctx, 200, find(ctx).toMap());
    }

    private void labels(Context ctx) throws IOException {
        Job job = find(ctx);
        if (!job.state().isFinal()) {
            throw new ProblemException(
                    409,
                    "not_done",
                    "the job is " + job.state().name().toLowerCase(Locale.ROOT) + ", its labels come when it is done");
        }
        sendLabels(ctx, job);
    }

    private void cancel(Context ctx) {
        Job job = find(ctx);
        if (!queue.cancel(job)) {
            queue.forget(job);
        }
        answers.json(ctx, 200, job.toMap());
    }

    private Job find(Context ctx) {
        String id = ctx.pathParam("id");
        return queue.find(id)
                .orElseThrow(() -> new ProblemException(
                        404, "no_job", "found no job '" + Names.shown(id, "?") + "'; old ones are forgotten"));
    }

    /** Refuses parameters that would be ignored, which are most often misspelt ones. */
    static void requireKnownQuery(Context ctx, Set<String> known) {
        for (String name : ctx.queryParamMap().keySet()) {
            if (!known.contains(name)) {
                throw new ProblemException(
                        400,
                        "unknown_parameter",
                        "found query parameter '" + Names.shown(name, "?") + "', expected one of "
                                + String.join(", ", known.stream().sorted().toList()));
            }
        }
    }

    static boolean flag(Context ctx, String name) {
        String text = ctx.queryParam(name);
        if (text == null || text.equals("false")) {
            return false;
        }
        if (text.equals("true")) {
            return true;
        }
        throw new ProblemException(
                400, "bad_parameter", name + ": found '" + Names.shown(text, "") + "', expected true or false");
    }
}
