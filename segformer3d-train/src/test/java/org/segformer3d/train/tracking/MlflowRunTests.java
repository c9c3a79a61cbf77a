package org.segformer3d.train.tracking;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledIfSystemProperty;
import org.junit.jupiter.api.io.TempDir;
import org.segformer3d.train.tracking.MlflowRun.Target;

/** Against a server in this process that answers as MLflow 3 does; docs/training.md has the check against MLflow itself. */
class MlflowRunTests {
    private static final ObjectMapper JSON = new ObjectMapper();

    @TempDir
    private Path folder;

    private HttpServer server;
    private final List<Call> calls = new ArrayList<>();
    private boolean known = true;
    private boolean failing;

    /** What the server was asked. */
    private record Call(String method, String path, JsonNode body, String authorization) {}

    @BeforeEach
    void serve() throws IOException {
        server = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
        server.createContext("/api/2.0/mlflow/", this::answer);
        server.start();
    }

    @AfterEach
    void stop() {
        server.stop(0);
    }

    private void answer(HttpExchange exchange) throws IOException {
        byte[] body = exchange.getRequestBody().readAllBytes();
        String path = exchange.getRequestURI().getPath().substring("/api/2.0/mlflow/".length());
        synchronized (calls) {
            calls.add(new Call(
                    exchange.getRequestMethod(),
                    path,
                    body.length == 0 ? JSON.createObjectNode() : JSON.readTree(body),
                    exchange.getRequestHeaders().getFirst("Authorization")));
        }
        String text = switch (path) {
            case "experiments/get-by-name" ->
                known
                        ? "{\"experiment\": {\"experiment_id\": \"4\", \"name\": \"p\", \"lifecycle_stage\": \"active\"}}"
                        : "{\"error_code\": \"RESOURCE_DOES_NOT_EXIST\", \"message\": \"Could not find experiment\"}";
            case "experiments/create" -> "{\"experiment_id\": \"7\"}";
            case "runs/create" -> "{\"run\": {\"info\": {\"run_id\": \"abc\", \"status\": \"RUNNING\"}, \"data\": {}}}";
            default -> "{}";
        };
        int status = failing ? 503 : !known && path.equals("experiments/get-by-name") ? 404 : 200;
        byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
        exchange.sendResponseHeaders(status, bytes.length);
        exchange.getResponseBody().write(bytes);
        exchange.close();
    }

    private Target target(Optional<String> authorization) {
        Map<String, String> parameters = new LinkedHashMap<>();
        IntStream.range(0, 150).forEach(n -> parameters.put("key." + n, "v".repeat(n == 3 ? 900 : 3)));
        return new Target(
                URI.create("http://127.0.0.1:" + server.getAddress().getPort() + "/"),
                authorization,
                "p",
                "run 1",
                parameters);
    }

    private MlflowRun run() {
        return new MlflowRun(target(Optional.empty()), folder.resolve("mlflow.json"));
    }

    private static void begin(MlflowRun run, long steps) throws IOException {
        run.connect(steps);
        run.start(List.of(), steps);
    }

    private static EpochRecord record() {
        Map<String, Double> classes = new LinkedHashMap<>();
        classes.put("left: kidney", 0.5);
        classes.put("rim", Double.NaN);
        return new EpochRecord(
                2, 30, 1e-3, 0.25, OptionalDouble.empty(), OptionalDouble.of(0.75), classes, false, true, 4, 1);
    }

    private List<Call> calls(String path) {
        return calls.stream().filter(call -> call.path().equals(path)).toList();
    }

    private List<JsonNode> metrics() {
        List<JsonNode> metrics = new ArrayList<>();
        calls("runs/log-batch").forEach(call -> call.body().path("metrics").forEach(metrics::add));
        return metrics;
    }

    @Nested
    class ARun {
        @Test
        void isCreatedInItsExperimentWithItsParametersInPieces() throws IOException {
            try (MlflowRun run = run()) {
                begin(run, 0);
            }

            assertThat(calls.get(0).method()).isEqualTo("GET");
            JsonNode created = calls("runs/create").get(0).body();
            assertThat(created.path("experiment_id").asText()).isEqualTo("4");
            assertThat(created.path("run_name").asText()).isEqualTo("run 1");
            assertThat(created.path("start_time").isIntegralNumber()).isTrue();
            List<JsonNode> pieces = calls("runs/log-batch").stream()
                    .map(call -> call.body().path("params"))
                    .toList();
            assertThat(pieces).extracting(JsonNode::size).containsExactly(100, 50);
            for (JsonNode piece : pieces) {
                for (JsonNode one : piece) {
                    assertThat(one.path("value").asText()).hasSizeBetween(3, 500);
                }
            }
        }

        @Test
        void makesTheExperimentWhenItIsNotThere() throws IOException {
            known = false;
            try (MlflowRun run = run()) {
                begin(run, 0);
            }

            assertThat(calls("experiments/create").get(0).body().path("name").asText())
                    .isEqualTo("p");
            assertThat(calls("runs/create").get(0).body().path("experiment_id").asText())
                    .isEqualTo("7");
        }

        @Test
        void hasStepsAndEpochsAsMetricsUnderNamesThatTheServerTakes() throws IOException {
            try (MlflowRun run = run()) {
                begin(run, 0);
                run.step(30, 0.5, 2);
                run.epoch(List.of(record()));
                run.finished(true);
            }

            assertThat(metrics())
                    .extracting(m -> m.path("key").asText() + "@"
                            + m.path("step").asLong() + "=" + m.path("value").asText())
                    .containsExactly(
                            "train/loss@30=0.5",
                            "train/gradient_norm@30=2.0",
                            "epoch/loss@30=0.25",
                            "epoch/learning_rate@30=0.001",
                            "epoch/wait_share@30=0.25",
                            "validation/dice@30=0.75",
                            "validation/dice_left_ kidney@30=0.5",
                            "validation/dice_rim@30=NaN");
            assertThat(metrics()).allMatch(m -> m.path("timestamp").isIntegralNumber());
            JsonNode end = calls("runs/update").get(0).body();
            assertThat(end.path("status").asText()).isEqualTo("FINISHED");
            assertThat(end.path("run_id").asText()).isEqualTo("abc");
        }

        @Test
        void thatIsResumedGoesOnUnderItsName() throws IOException {
            try (MlflowRun run = run()) {
                begin(run, 0);
                run.finished(false);
            }
            try (MlflowRun run = run()) {
                begin(run, 30);
                run.finished(true);
            }

            assertThat(calls("runs/create")).hasSize(1);
            assertThat(calls("runs/update"))
                    .extracting(call -> call.body().path("status").asText())
                    .containsExactly("KILLED", "RUNNING", "FINISHED");
        }

        @Test
        void thatEndsInAnErrorHasFailed() throws IOException {
            try (MlflowRun run = run()) {
                begin(run, 0);
            }

            assertThat(calls("runs/update").get(0).body().path("status").asText())
                    .isEqualTo("FAILED");
        }
    }

    /** With {@code -Dtest.argLine=-Dsegformer3d.mlflow=http://127.0.0.1:5000}, where {@code mlflow server} runs. */
    @Test
    @EnabledIfSystemProperty(named = "segformer3d.mlflow", matches = "http.+")
    void isUnderstoodByMlflowItself() throws Exception {
        String uri = System.getProperty("segformer3d.mlflow");
        Target target = new Target(
                URI.create(uri),
                Optional.empty(),
                "test " + System.nanoTime(),
                "run 1",
                target(Optional.empty()).parameters());
        try (MlflowRun run = new MlflowRun(target, folder.resolve("mlflow.json"))) {
            begin(run, 0);
            for (int step = 1; step <= 1200; step++) {
                run.step(step, 1.0 / step, 2);
            }
            run.epoch(List.of(record()));
            run.finished(true);
        }

        String id = JSON.readTree(folder.resolve("mlflow.json").toFile())
                .path("run_id")
                .asText();
        JsonNode found = get(uri, "runs/get?run_id=" + id).path("run");
        assertThat(found.path("info").path("status").asText()).isEqualTo("FINISHED");
        assertThat(found.path("data").path("params")).hasSize(150);
        assertThat(found.path("data").path("metrics"))
                .anyMatch(metric -> metric.path("key").asText().equals("validation/dice_rim"))
                .anyMatch(metric -> metric.path("key").asText().equals("validation/dice")
                        && metric.path("value").asDouble() == 0.75);
        JsonNode history = get(uri, "metrics/get-history?max_results=5000&metric_key=train/loss&run_id=" + id);
        assertThat(history.path("metrics")).hasSize(1200);
    }

    private static JsonNode get(String uri, String method) throws Exception {
        return JSON.readTree(HttpClient.newHttpClient()
                .send(
                        HttpRequest.newBuilder(URI.create(uri + "/api/2.0/mlflow/" + method))
                                .build(),
                        HttpResponse.BodyHandlers.ofString())
                .body());
    }

    @Nested
    class AServer {
        @Test
        void thatDoesNotAnswerAtTheStartIsAnErrorThatNamesIt() {
            server.stop(0);

            assertThatThrownBy(() -> run().connect(0))
                    .isInstanceOf(IOException.class)
                    .hasMessageContaining("http://127.0.0.1:")
                    .hasMessageContaining("no MLflow server answers there")
                    .hasMessageNotContaining("\n");
            assertThat(folder.resolve("mlflow.json")).doesNotExist();
        }

        @Test
        void thatFailsForAWhileIsToldEverythingLater() throws IOException {
            try (MlflowRun run = run()) {
                begin(run, 0);
                failing = true;
                run.step(29, 0.5, 2);
                run.epoch(List.of(record()));
                failing = false;
                calls.clear();
                run.step(31, 0.25, 1);
                run.epoch(List.of(record()));
            }

            assertThat(metrics())
                    .filteredOn(m -> m.path("key").asText().equals("train/loss"))
                    .extracting(m -> m.path("step").asLong())
                    .containsExactly(29L, 31L);
        }

        @Test
        void withAccessControlIsToldWhoAsks() throws IOException {
            Optional<String> header = Target.authorization(Map.of("MLFLOW_TRACKING_TOKEN", "t0k"));
            try (MlflowRun run = new MlflowRun(target(header), folder.resolve("mlflow.json"))) {
                begin(run, 0);
            }

            assertThat(calls).allMatch(call -> "Bearer t0k".equals(call.authorization()));
            assertThat(Target.authorization(Map.of("MLFLOW_TRACKING_USERNAME", "u", "MLFLOW_TRACKING_PASSWORD", "p")))
                    .contains("Basic dTpw");
            assertThat(Target.authorization(Map.of())).isEmpty();
        }

        @Test
        void mustHaveAWebAddress() {
            assertThatThrownBy(() -> new Target(URI.create("file:mlruns"), Optional.empty(), "p", "run", Map.of()))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessageContaining("file:mlruns");
        }

        @Test
        void isNotNotedWhenTheRunNeverBegan() throws IOException {
            failing = true;
            assertThatThrownBy(() -> run().connect(0))
                    .isInstanceOf(IOException.class)
                    .hasMessageContaining("MLflow answered 503");
            assertThat(Files.list(folder)).isEmpty();
        }
    }
}
