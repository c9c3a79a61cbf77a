package org.segformer3d.train.tracking;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.CharConversionException;
import java.io.IOException;
import java.io.InterruptedIOException;
import java.net.URI;
import java.net.URLEncoder;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Base64;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import org.segformer3d.data.io.AtomicFiles;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Tells an MLflow server how a run goes, over its REST interface (version 2.0).
 *
 * <p>A run that can't be started there is an error, as somebody asked for it. Later a server that doesn't answer costs its metrics
 * nothing but time: they are kept and sent with the next ones, and training never waits more than the time-out of a request. A resumed
 * run goes on with the same run there.
 */
public final class MlflowRun implements Tracker {
    private static final Logger LOG = LoggerFactory.getLogger(MlflowRun.class);
    private static final ObjectMapper JSON = new ObjectMapper();
    private static final Duration TIMEOUT = Duration.ofSeconds(20);

    /** Most of each in one request, and the longest parameter, as the server's documentation has it. */
    private static final int MOST_METRICS = 1000;

    private static final int MOST_PARAMETERS = 100;
    private static final int LONGEST_PARAMETER = 500;

    /** So many metrics are kept while the server doesn't answer; then the oldest go. */
    private static final int MOST_KEPT = 100_000;

    private final Target target;
    private final Path note;
    private final HttpClient client;
    private final List<Map<String, Object>> metrics = new ArrayList<>();
    private String runId;
    private boolean complained;
    private String status = "FAILED";

    /**
     * Where a run is told of, and as what.
     *
     * @param uri address of the server
     * @param authorization value of the header Authorization, empty for none
     * @param experiment name of the experiment, made when it isn't there
     * @param runName name of the run
     * @param parameters what the run was started with
     */
    public record Target(
            URI uri,
            Optional<String> authorization,
            String experiment,
            String runName,
            Map<String, String> parameters) {
        /** Checks the address. */
        public Target {
            Objects.requireNonNull(experiment, "experiment");
            Objects.requireNonNull(runName, "runName");
            parameters = Map.copyOf(parameters);
            if (!"http".equals(uri.getScheme()) && !"https".equals(uri.getScheme())) {
                throw new IllegalArgumentException("tracking.mlflow.uri: found " + uri
                        + ", expected an address that starts with http:// or https://");
            }
        }

        /**
         * Returns the header that a server with access control wants.
         *
         * @param environment the environment's variables
         */
        public static Optional<String> authorization(Map<String, String> environment) {
            String token = environment.get("MLFLOW_TRACKING_TOKEN");
            String user = environment.get("MLFLOW_TRACKING_USERNAME");
            if (token != null) {
                return Optional.of("Bearer " + token);
            }
            if (user != null) {
                String pair = user + ":" + environment.getOrDefault("MLFLOW_TRACKING_PASSWORD", "");
                return Optional.of(
                        "Basic " + Base64.getEncoder().encodeToString(pair.getBytes(StandardCharsets.UTF_8)));
            }
            return Optional.empty();
        }
    }

    /**
     * Creates a tracker that tells nobody yet.
     *
     * @param target the server and the run, never {@code null}
     * @param note file that remembers the run there, for resumption
     */
    public MlflowRun(Target target, Path note) {
        this.target = Objects.requireNonNull(target, "target");
        this.note = Objects.requireNonNull(note, "note");
        this.client = HttpClient.newBuilder()
                .version(HttpClient.Version.HTTP_1_1)
                .connectTimeout(TIMEOUT)
                .build();
    }

    /**
     * Starts the run there, or goes on with the one of the note.
     *
     * @throws IOException when the server doesn't answer or refuses
     */
    @Override
    public void connect(long steps) throws IOException {
        if (steps > 0 && Files.isRegularFile(note)) {
            JsonNode noted;
            try {
                noted = JSON.readTree(note.toFile());
            } catch (JsonProcessingException | CharConversionException e) {
                throw new IOException(
                        note
                                + ": not valid JSON, expected the note of an MLflow run; remove it to start a new run there",
                        e);
            }
            if (target.uri().toString().equals(noted.path("uri").asText())) {
                runId = noted.path("run_id").asText();
                post("runs/update", Map.of("run_id", runId, "status", "RUNNING"));
                return;
            }
        }
        Map<String, Object> run = new LinkedHashMap<>();
        run.put("experiment_id", experiment());
        run.put("run_name", target.runName());
        run.put("start_time", System.currentTimeMillis());
        run.put("tags", List.of(Map.of("key", "mlflow.source.name", "value", "SegFormer3D for Java")));
        runId = post("runs/create", run).path("run").path("info").path("run_id").asText();
        if (runId.isEmpty()) {
            throw new IOException(
                    target.uri() + ": the answer to runs/create has no run_id; is this an MLflow server?");
        }
        List<Map<String, Object>> parameters = new ArrayList<>();
        target.parameters().entrySet().stream()
                .sorted(Map.Entry.comparingByKey())
                .forEach(entry -> {
                    String value = entry.getValue();
                    String shown = value.length() > LONGEST_PARAMETER
                            ? value.substring(0, LONGEST_PARAMETER - 1) + "…"
                            : value;
                    parameters.add(Map.of("key", entry.getKey(), "value", shown));
                });
        for (int from = 0; from < parameters.size(); from += MOST_PARAMETERS) {
            List<?> some = parameters.subList(from, Math.min(parameters.size(), from + MOST_PARAMETERS));
            post("runs/log-batch", Map.of("run_id", runId, "params", some));
        }
    }

    @Override
    public void start(List<EpochRecord> history, long steps) throws IOException {
        AtomicFiles.writeString(
                note, JSON.writeValueAsString(Map.of("uri", target.uri().toString(), "run_id", runId)) + "\n");
    }

    @Override
    public void step(long step, double loss, double gradientNorm) {
        metric("train/loss", step, loss);
        metric("train/gradient_norm", step, gradientNorm);
        // Not at every step again when the server doesn't answer.
        if (metrics.size() % MOST_METRICS == 0) {
            send();
        }
    }

    @Override
    public void epoch(List<EpochRecord> history) {
        history.get(history.size() - 1)
                .scalars()
                .forEach((name, value) ->
                        metric(name, history.get(history.size() - 1).steps(), value));
        send();
    }

    @Override
    public void finished(boolean complete) {
        status = complete ? "FINISHED" : "KILLED";
    }

    /** Sends what is left and says how the run ended; a server that doesn't answer is only complained about. */
    @Override
    public void close() {
        if (runId == null) {
            return;
        }
        send();
        try {
            post("runs/update", Map.of("run_id", runId, "status", status, "end_time", System.currentTimeMillis()));
        } catch (IOException e) {
            complain(e);
        }
    }

    private String experiment() throws IOException {
        HttpResponse<String> found = send(request("experiments/get-by-name?experiment_name="
                        + URLEncoder.encode(target.experiment(), StandardCharsets.UTF_8))
                .GET()
                .build());
        JsonNode answer = found.statusCode() == 404
                ? post("experiments/create", Map.of("name", target.experiment()))
                : answer(found).path("experiment");
        if ("deleted".equals(answer.path("lifecycle_stage").asText())) {
            throw new IOException(target.uri() + ": experiment '" + target.experiment()
                    + "' was deleted there; restore it or choose another name with tracking.mlflow.experiment");
        }
        String id = answer.path("experiment_id").asText();
        if (id.isEmpty()) {
            throw new IOException(target.uri() + ": the answer has no experiment_id; is this an MLflow server?");
        }
        return id;
    }

    private void metric(String name, long step, double value) {
        Map<String, Object> metric = new LinkedHashMap<>();
        // The server wants names of letters, digits and _-./ and space; classes may be called anything.
        metric.put("key", name.replaceAll("[^\\p{Alnum}_\\-./ ]", "_"));
        // JSON has no NaN; the server's protocol buffers read these texts.
        metric.put("value", Double.isFinite(value) ? value : String.valueOf(value));
        metric.put("timestamp", System.currentTimeMillis());
        metric.put("step", step);
        metrics.add(metric);
    }

    private void send() {
        try {
            while (!metrics.isEmpty()) {
                List<Map<String, Object>> some = metrics.subList(0, Math.min(MOST_METRICS, metrics.size()));
                post("runs/log-batch", Map.of("run_id", runId, "metrics", some));
                some.clear();
            }
        } catch (IOException e) {
            complain(e);
            if (metrics.size() > MOST_KEPT) {
                metrics.subList(0, metrics.size() - MOST_KEPT).clear();
            }
        }
    }

    private void complain(IOException e) {
        if (!complained) {
            LOG.warn("{}; keeping what it should be told for later", e.getMessage());
            complained = true;
        }
    }

    private JsonNode post(String method, Map<String, ?> body) throws IOException {
        return answer(send(request(method)
                .header("Content-Type", "application/json")
                .POST(HttpRequest.BodyPublishers.ofString(JSON.writeValueAsString(body)))
                .build()));
    }

    private HttpRequest.Builder request(String method) {
        String base = target.uri().toString().replaceAll("/+$", "");
        HttpRequest.Builder request = HttpRequest.newBuilder(URI.create(base + "/api/2.0/mlflow/" + method))
                .timeout(TIMEOUT);
        target.authorization().ifPresent(value -> request.header("Authorization", value));
        return request;
    }

    private HttpResponse<String> send(HttpRequest request) throws IOException {
        try {
            return client.send(request, HttpResponse.BodyHandlers.ofString());
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new InterruptedIOException("interrupted while telling " + target.uri());
        } catch (IOException e) {
            throw new IOException(
                    target.uri() + ": no MLflow server answers there (" + e
                            + "); start one, or set tracking.mlflow.enabled=false",
                    e);
        }
    }

    private JsonNode answer(HttpResponse<String> response) throws IOException {
        if (response.statusCode() / 100 != 2) {
            String text = response.body().replaceAll("\\s+", " ");
            throw new IOException(target.uri() + ": MLflow answered " + response.statusCode() + " to "
                    + response.request().uri().getPath() + ": " + text.substring(0, Math.min(300, text.length())));
        }
        try {
            return JSON.readTree(response.body());
        } catch (JsonProcessingException e) {
            throw new IOException(target.uri() + ": the answer isn't JSON; is this an MLflow server?", e);
        }
    }
}
