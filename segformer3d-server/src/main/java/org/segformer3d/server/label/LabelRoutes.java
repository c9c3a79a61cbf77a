package org.segformer3d.server.label;

import io.javalin.http.Context;
import io.javalin.http.HandlerType;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import org.segformer3d.data.format.VolumeFiles;
import org.segformer3d.data.labels.LabelSpec;
import org.segformer3d.data.labels.Region;
import org.segformer3d.eval.bundle.ModelBundle;
import org.segformer3d.eval.inference.SegmentationResult.Phase;
import org.segformer3d.eval.result.Json;
import org.segformer3d.eval.result.Provenance;
import org.segformer3d.server.http.Answers;
import org.segformer3d.server.http.Names;
import org.segformer3d.server.http.Route;
import org.segformer3d.server.http.Uploads;
import org.segformer3d.server.job.Folders;
import org.segformer3d.server.job.Job;
import org.segformer3d.server.job.JobQueue;
import org.segformer3d.server.job.ProblemException;
import org.segformer3d.server.job.Scan;
import org.segformer3d.server.job.Scan.ScanFile;

/**
 * The part of MONAI Label's interface that running a model takes: information, datastore, sessions, inference.
 *
 * <p>Answers keep to what 3D Slicer's extension reads; errors are this server's. Training, active learning and scoring aren't offered, and {@code
 * /info/} says so by leaving them empty.
 */
public final class LabelRoutes {
    private static final String FINAL = "final";
    /** What label files' names may end in: those of images in one file. */
    private static final List<String> ENDINGS = List.of(".nii.gz", ".nii", ".nrrd", ".mha", ".mgz", ".mgh");
    /** What MONAI Label calls the parts of the work, which follow each other. */
    private static final Map<String, Phase> LATENCIES = new LinkedHashMap<>();

    static {
        LATENCIES.put("read", Phase.READ);
        LATENCIES.put("pre", Phase.PREPARE);
        LATENCIES.put("infer", Phase.PREDICT);
        LATENCIES.put("post", Phase.RESTORE);
    }

    private final ModelBundle bundle;
    private final JobQueue queue;
    private final Uploads uploads;
    private final Answers answers;
    private final Datastore datastore;
    private final Sessions sessions;
    private final Path folder;

    /**
     * Creates the routes' handlers.
     *
     * @param folder where uploads wait that aren't jobs
     */
    public LabelRoutes(
            ModelBundle bundle,
            JobQueue queue,
            Uploads uploads,
            Answers answers,
            Datastore datastore,
            Sessions sessions,
            Path folder) {
        this.bundle = bundle;
        this.queue = queue;
        this.uploads = uploads;
        this.answers = answers;
        this.datastore = datastore;
        this.sessions = sessions;
        this.folder = folder;
    }

    /** Returns the routes. */
    public List<Route> routes() {
        return List.of(
                Route.of(HandlerType.GET, "/info/", this::info),
                Route.of(HandlerType.POST, "/infer/{model}", this::infer),
                Route.of(HandlerType.GET, "/datastore/", this::list),
                Route.of(HandlerType.PUT, "/datastore/", this::addImage),
                Route.of(HandlerType.DELETE, "/datastore/", this::remove),
                Route.of(HandlerType.GET, "/datastore/image", this::image),
                Route.of(HandlerType.GET, "/datastore/label", this::label),
                Route.of(HandlerType.PUT, "/datastore/label", this::addLabel),
                Route.of(HandlerType.PUT, "/session/", this::beginSession),
                Route.of(HandlerType.GET, "/session/{id}", this::session),
                Route.of(HandlerType.DELETE, "/session/{id}", this::endSession));
    }

    /** Returns the values that label maps hold and their names; the background is none of them. */
    private Map<String, Object> labelNames() {
        Map<String, Object> names = new LinkedHashMap<>();
        LabelSpec labels = bundle.labels();
        for (Region region : labels.regions()) {
            if (region.write() != 0) {
                names.put(region.name(), region.write());
            }
        }
        return names;
    }

    private void info(Context ctx) throws IOException {
        Map<String, Object> model = new LinkedHashMap<>();
        model.put("type", "segmentation");
        model.put("labels", labelNames());
        model.put("dimension", 3);
        model.put("description", "SegFormer3D, " + bundle.network().inChannels() + " input channels");
        model.put("config", Map.of());
        Map<String, Object> map = new LinkedHashMap<>();
        map.put("name", "SegFormer3D for Java - " + bundle.name());
        map.put("description", "Segments scans with the model '" + bundle.name() + "'");
        map.put("version", Provenance.version());
        map.put("labels", labelNames().keySet().stream().toList());
        map.put("models", Map.of(bundle.name(), model));
        map.put("trainers", Map.of());
        map.put("strategies", Map.of());
        map.put("scoring", Map.of());
        map.put("train_stats", Map.of());
        map.put("datastore", datastore.status());
        answers.json(ctx, 200, map);
    }

    private void infer(Context ctx) throws IOException, InterruptedException {
        requireModel(ctx.pathParam("model"));
        String output = output(ctx);
        queue.requireRoom();
        Path own = queue.newFolder();
        Job job;
        Map<String, Object> params;
        try {
            Uploads.Upload upload = uploads.receive(ctx, own, "file"::equals);
            params = params(upload);
            job = queue.submit(scan(ctx, upload), own, true, ending(params));
        } catch (IOException | RuntimeException e) {
            Folders.delete(own);
            throw e;
        }
        try {
            job.await();
            if (job.problem().isPresent()) {
                throw job.problem().get().exception();
            }
            Map<String, Object> told = told(job, params);
            switch (output) {
                case "json" -> answers.json(ctx, 200, told);
                case "image" -> answers.file(ctx, queue.labels(job), job.fileName());
                default ->
                    answers.form(
                            ctx,
                            told,
                            queue.labels(job),
                            job.fileName(),
                            UUID.randomUUID().toString().replace("-", ""));
            }
        } finally {
            queue.forget(job);
        }
    }

    private void requireModel(String given) {
        // The client writes spaces in the path as plus signs, as it does in queries.
        if (!given.equals(bundle.name()) && !given.replace('+', ' ').equals(bundle.name())) {
            throw new ProblemException(
                    404,
                    "no_model",
                    "found model '" + Names.shown(given, "") + "', expected '" + bundle.name()
                            + "', the one this server has");
        }
    }

    private static String output(Context ctx) {
        String output = ctx.queryParam("output");
        if (output == null || output.isEmpty()) {
            return "all";
        }
        if (!List.of("all", "image", "json").contains(output)) {
            throw new ProblemException(
                    400,
                    "bad_parameter",
                    "output: found '" + Names.shown(output, "") + "', expected all, image or json");
        }
        return output;
    }

    private static Map<String, Object> params(Uploads.Upload upload) {
        String text = upload.fields().getOrDefault("params", "{}");
        Map<String, Object> params;
        try {
            params = text.isBlank() ? Map.of() : Json.parse(text);
        } catch (IOException e) {
            throw new ProblemException(400, "bad_params", "params: found something else than a JSON object");
        }
        return params == null ? Map.of() : params;
    }

    /** Returns what the label file's name is to end in. */
    private static String ending(Map<String, Object> params) {
        Object extension = params.get("result_extension");
        if (extension == null) {
            return VolumeFiles.USUAL_ENDING;
        }
        if (!ENDINGS.contains(extension)) {
            throw new ProblemException(
                    400,
                    "bad_params",
                    "result_extension: found '" + Names.shown(extension.toString(), "") + "', expected one of "
                            + String.join(", ", ENDINGS));
        }
        return extension.toString();
    }

    /** Returns the scan to segment: a session's, else an uploaded one, else one of the datastore. */
    private Scan scan(Context ctx, Uploads.Upload upload) throws IOException {
        String session = ctx.queryParam("session_id");
        String image = ctx.queryParam("image");
        if (session != null && !session.isEmpty()) {
            Sessions.Session found = sessions.require(session);
            return scan(found.name(), new ScanFile(found.image(), found.name()));
        }
        if (!upload.files().isEmpty()) {
            return new Scan(Names.plain(Names.stem(upload.files().get(0).shown()), "scan"), upload.files());
        }
        if (image != null && !image.isEmpty()) {
            return scan(image, new ScanFile(datastore.image(image), Names.shown(image, "image")));
        }
        throw new ProblemException(
                400, "no_image", "found neither image, session_id nor a part 'file' of the form, expected one of them");
    }

    private static Scan scan(String name, ScanFile file) {
        return new Scan(Names.plain(Names.stem(Names.last(name)), "scan"), List.of(file));
    }

    private Map<String, Object> told(Job job, Map<String, Object> params) {
        Map<Phase, Duration> timings = job.timings();
        Map<String, Object> latencies = new LinkedHashMap<>();
        double total = 0;
        for (Map.Entry<String, Phase> part : LATENCIES.entrySet()) {
            double seconds =
                    timings.getOrDefault(part.getValue(), Duration.ZERO).toMillis() / 1000.0;
            total += seconds;
            latencies.put(part.getKey(), seconds);
        }
        latencies.put("total", Math.round(total * 1000) / 1000.0);
        Map<String, Object> told = new LinkedHashMap<>();
        told.put("label_names", labelNames());
        told.put("latencies", latencies);
        told.put("model", bundle.name());
        if (params.containsKey("client_id")) {
            told.put("client_id", params.get("client_id"));
        }
        return told;
    }

    private void list(Context ctx) throws IOException {
        String output = ctx.queryParam("output");
        if (output == null || output.isEmpty() || output.equals("stats")) {
            answers.json(ctx, 200, datastore.status());
        } else if (output.equals("all")) {
            answers.json(ctx, 200, datastore.objects());
        } else {
            throw new ProblemException(
                    400, "bad_parameter", "output: found '" + Names.shown(output, "") + "', expected stats or all");
        }
    }

    private void addImage(Context ctx) throws IOException {
        received(ctx, "file", (file, upload) -> {
            String image = ctx.queryParam("image");
            String id = datastore.addImage(image == null || image.isEmpty() ? file.shown() : image, file.path());
            answers.json(ctx, 200, Map.of("image", id));
        });
    }

    private void addLabel(Context ctx) throws IOException {
        String image = required(ctx, "image");
        String tag = ctx.queryParam("tag");
        received(ctx, "label", (file, upload) -> {
            String id = datastore.addLabel(image, tag == null || tag.isEmpty() ? FINAL : tag, file.path());
            Map<String, Object> map = new LinkedHashMap<>();
            map.put("image", image);
            map.put("label", id);
            answers.json(ctx, 200, map);
        });
    }

    private void beginSession(Context ctx) throws IOException {
        received(ctx, "files", (file, upload) -> {
            Sessions.Session session = sessions.begin(file.path(), file.shown());
            Map<String, Object> map = new LinkedHashMap<>();
            map.put("session_id", session.id());
            map.put("session_info", sessions.toMap(session));
            answers.json(ctx, 200, map);
        });
    }

    /** Does something with the one file of a form. */
    private interface Received {
        void accept(ScanFile file, Uploads.Upload upload) throws IOException;
    }

    private void received(Context ctx, String part, Received then) throws IOException {
        if (queue.isStopping()) {
            throw new ProblemException(503, "stopping", "the server is stopping");
        }
        Path own = Files.createTempDirectory(folder, "upload");
        try {
            Uploads.Upload upload = uploads.receive(ctx, own, part::equals);
            if (upload.files().size() != 1) {
                throw new ProblemException(
                        400,
                        "no_file",
                        "found " + upload.files().size() + " files in parts named '" + part
                                + "', expected one image file");
            }
            then.accept(upload.files().get(0), upload);
        } finally {
            Folders.delete(own);
        }
    }

    private static String required(Context ctx, String name) {
        String value = ctx.queryParam(name);
        if (value == null || value.isEmpty()) {
            throw new ProblemException(
                    400, "missing_parameter", "found no query parameter '" + name + "', expected one");
        }
        return value;
    }

    private void remove(Context ctx) throws IOException {
        String id = required(ctx, "id");
        String type = required(ctx, "type");
        switch (type) {
            case "image" -> datastore.removeImage(id);
            case "label" -> datastore.removeLabel(id, "");
            default ->
                throw new ProblemException(
                        400, "bad_parameter", "type: found '" + Names.shown(type, "") + "', expected image or label");
        }
        answers.json(ctx, 200, Map.of());
    }

    private void image(Context ctx) throws IOException {
        String id = required(ctx, "image");
        Path file = datastore.image(id);
        answers.file(ctx, file, Names.plain(Names.stem(id), "image") + Datastore.extension(file));
    }

    private void label(Context ctx) throws IOException {
        String id = required(ctx, "label");
        String tag = ctx.queryParam("tag");
        Path file = datastore.label(id, tag == null ? "" : tag);
        answers.file(ctx, file, Names.plain(Names.stem(id), "label") + Datastore.extension(file));
    }

    private void session(Context ctx) throws IOException {
        answers.json(ctx, 200, sessions.toMap(sessions.require(ctx.pathParam("id"))));
    }

    private void endSession(Context ctx) throws IOException {
        Sessions.Session session = sessions.require(ctx.pathParam("id"));
        sessions.end(session);
        answers.json(ctx, 200, sessions.toMap(session));
    }
}
