package org.segformer3d.server;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.net.Socket;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.TreeSet;
import java.util.concurrent.CompletableFuture;
import java.util.function.Predicate;
import java.util.zip.GZIPOutputStream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.segformer3d.data.format.VolumeFiles;
import org.segformer3d.data.nifti.NiftiReader;
import org.segformer3d.data.volume.Volume;
import org.segformer3d.server.http.Route;

@Timeout(120)
class SegmentationServerTests {
    private static final ObjectMapper JSON = new ObjectMapper();

    @TempDir
    static Path folder;

    private static TinyServer tiny;
    private static Path scan;

    @BeforeAll
    static void start() throws IOException {
        tiny = TinyServer.start(TinyServer.options());
        scan = TinyServer.scan(folder, "scan.nii.gz", 1, 20, 17, 9);
    }

    @AfterAll
    static void stop() {
        tiny.close();
    }

    private static JsonNode json(HttpResponse<byte[]> response) throws IOException {
        assertThat(response.headers().firstValue("content-type")).contains("application/json");
        return JSON.readTree(response.body());
    }

    private static void assertProblem(HttpResponse<byte[]> response, int status, String code, String... words)
            throws IOException {
        JsonNode problem = json(response);
        assertThat(response.statusCode()).as(problem.toString()).isEqualTo(status);
        assertThat(problem.get("status").asInt()).isEqualTo(status);
        assertThat(problem.get("error").asText()).isEqualTo(code);
        assertThat(List.of(words)).allMatch(problem.get("message").asText()::contains);
        assertThat(problem.get("message").asText()).isNotBlank().doesNotContain("\n");
        assertThat(problem.get("request_id").asText())
                .isEqualTo(response.headers().firstValue("x-request-id").orElseThrow());
        assertThat(problem.toString()).doesNotContain("Exception:", "\tat ", folder.toString(), "/tmp/");
    }

    private static byte[] form(String boundary, Object... namesAndContents) throws IOException {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        for (int n = 0; n < namesAndContents.length; n += 2) {
            out.write(("--" + boundary + "\r\nContent-Disposition: form-data; " + namesAndContents[n] + "\r\n\r\n")
                    .getBytes(StandardCharsets.UTF_8));
            Object content = namesAndContents[n + 1];
            out.write(
                    content instanceof Path path
                            ? Files.readAllBytes(path)
                            : content.toString().getBytes(StandardCharsets.UTF_8));
            out.write("\r\n".getBytes(StandardCharsets.UTF_8));
        }
        out.write(("--" + boundary + "--\r\n").getBytes(StandardCharsets.UTF_8));
        return out.toByteArray();
    }

    private static HttpResponse<byte[]> postForm(TinyServer server, String path, Object... namesAndContents)
            throws IOException, InterruptedException {
        return server.send(server.request(path)
                .header("Content-Type", "multipart/form-data; boundary=xyz")
                .POST(BodyPublishers.ofByteArray(form("xyz", namesAndContents))));
    }

    private static JsonNode await(TinyServer server, String job, Predicate<JsonNode> condition)
            throws IOException, InterruptedException {
        for (int n = 0; n < 2000; n++) {
            JsonNode node = JSON.readTree(server.get("/jobs/" + job).body());
            if (condition.test(node)) {
                return node;
            }
            Thread.sleep(10);
        }
        throw new AssertionError("the job never became what was waited for");
    }

    private static JsonNode await(TinyServer server, String job, String state)
            throws IOException, InterruptedException {
        return await(server, job, node -> node.path("state").asText().equals(state));
    }

    @Nested
    class Description {
        @Test
        void healthSaysThatItIsWell() throws Exception {
            JsonNode health = json(tiny.get("/health"));
            assertThat(health.get("status").asText()).isEqualTo("ok");
            assertThat(health.get("waiting").asInt()).isZero();
        }

        @Test
        void theModelCardHasWhatDeterminesAPrediction() throws Exception {
            JsonNode card = json(tiny.get("/model"));
            assertThat(card.get("name").asText()).isEqualTo("tiny model");
            assertThat(card.at("/model_parameters/in_channels").asInt()).isEqualTo(1);
            assertThat(card.at("/labels/regions").toString()).contains("organ", "lesion");
            assertThat(card.at("/weights/hash").asText()).hasSize(64);
            assertThat(card.at("/runs_on/backend").asText()).isEqualTo("reference");
            assertThat(card.at("/inference").isObject()).isTrue();
            assertThat(card.at("/limits/upload_bytes").asLong()).isEqualTo(1 << 20);
        }

        @Test
        void theOpenApiDocumentHasExactlyTheRoutesThereAre() throws Exception {
            JsonNode document = json(tiny.get("/openapi.json"));
            assertThat(document.get("openapi").asText()).startsWith("3.");
            assertThat(document.at("/info/version").asText()).matches("\\d+\\.\\d+\\.\\d+.*");
            TreeSet<String> documented = new TreeSet<>();
            for (Iterator<Map.Entry<String, JsonNode>> paths =
                            document.get("paths").properties().iterator();
                    paths.hasNext(); ) {
                Map.Entry<String, JsonNode> path = paths.next();
                path.getValue().properties().stream()
                        .filter(item -> !item.getKey().equals("parameters"))
                        .forEach(operation -> {
                            documented.add(operation.getKey().toUpperCase(java.util.Locale.ROOT) + " " + path.getKey());
                            assertThat(operation.getValue().path("summary").asText())
                                    .as(path.getKey())
                                    .isNotEmpty();
                            assertThat(operation.getValue().path("responses").isEmpty())
                                    .as(path.getKey())
                                    .isFalse();
                        });
            }
            TreeSet<String> real = new TreeSet<>();
            for (Route route : tiny.server().routes()) {
                real.add(route.method().name() + " " + route.path());
            }
            assertThat(documented).isEqualTo(real);
        }

        @Test
        void everyReferenceInTheOpenApiDocumentLeadsSomewhere() throws Exception {
            JsonNode document = json(tiny.get("/openapi.json"));
            List<String> references = document.findValuesAsText("$ref");
            assertThat(references).isNotEmpty();
            for (String reference : references) {
                assertThat(document.at(reference.substring(1)).isMissingNode())
                        .as(reference)
                        .isFalse();
            }
        }

        @Test
        void metricsCountRequestsAndJobs() throws Exception {
            tiny.get("/health");
            tiny.post("/segment", scan);
            String text = "";
            // The request and its job are counted after the answer has been sent.
            for (int n = 0;
                    n < 500
                            && !(text.contains("route=\"/segment\",status=\"200\"")
                                    && text.contains("segformer3d_jobs_total{state=\"done\"}"));
                    n++) {
                text = TinyServer.text(tiny.get("/metrics"));
                Thread.sleep(10);
            }
            assertThat(text)
                    .contains("segformer3d_http_requests_total{method=\"GET\",route=\"/health\",status=\"200\"} ")
                    .contains("segformer3d_jobs_total{state=\"done\"} ")
                    .contains("segformer3d_job_phase_seconds_bucket{phase=\"predict\",le=\"+Inf\"} ")
                    .contains("# TYPE segformer3d_jobs_waiting gauge\nsegformer3d_jobs_waiting 0\n");
            assertThat(text.lines()
                            .filter(line -> !line.startsWith("#"))
                            .filter(line ->
                                    !line.matches("[a-z0-9_]+(\\{[a-z_]+=\"[^\"]*\"(,[a-z_]+=\"[^\"]*\")*})? \\S+"))
                            .toList())
                    .isEmpty();
        }
    }

    @Nested
    class Segmentation {
        @Test
        void aScanComesBackAsTheLabelsThatTheCommandLineWrites() throws Exception {
            HttpResponse<byte[]> response = tiny.post("/segment", scan);
            assertThat(response.statusCode()).isEqualTo(200);
            assertThat(response.headers().firstValue("content-type")).contains("application/gzip");
            assertThat(response.body()).isEqualTo(tiny.expected(scan, folder.resolve("out")));
        }

        @Test
        void aScanOfAnotherFormatHasTheSameLabels() throws Exception {
            Volume image = VolumeFiles.read(scan);
            byte[] expected = tiny.expected(scan, folder.resolve("formats"));
            for (String ending : new String[] {".nrrd", ".mha", ".mgz", ".mgh"}) {
                Path other = folder.resolve("other" + ending);
                VolumeFiles.write(other, image);
                HttpResponse<byte[]> response = tiny.post("/segment", other);
                assertThat(response.statusCode()).as(ending).isEqualTo(200);
                assertThat(labels(response.body())).as(ending).containsExactly(labels(expected));
            }
        }

        private float[] labels(byte[] file) throws IOException {
            return VolumeFiles.read(Files.write(folder.resolve("labels.nii.gz"), file))
                    .values();
        }

        @Test
        void anUncompressedScanHasTheSameLabels() throws Exception {
            Path plain = TinyServer.scan(folder, "plain.nii", 1, 20, 17, 9);
            assertThat(tiny.post("/segment", plain).body()).isEqualTo(tiny.expected(scan, folder.resolve("out")));
        }

        @Test
        void aFormsFileGivesTheLabelsTheirName() throws Exception {
            HttpResponse<byte[]> response = postForm(
                    tiny,
                    "/segment",
                    "name=\"image\"; filename=\"C:\\data\\pat 1.nii.gz\"",
                    scan,
                    "name=\"note\"",
                    "x");
            assertThat(response.statusCode()).isEqualTo(200);
            assertThat(response.headers().firstValue("content-disposition"))
                    .contains("attachment; filename=\"pat_1.nii.gz\"");
            assertThat(response.body()).isEqualTo(tiny.expected(scan, folder.resolve("out")));
        }

        @Test
        void aFormsFilesAreTheChannelsInTheirOrder() throws Exception {
            Path second = TinyServer.scan(folder, "second.nii.gz", 2, 20, 17, 9);
            try (TinyServer two = TinyServer.startWithChannels(2)) {
                byte[] there = postForm(
                                two, "/segment", "name=a; filename=a.nii.gz", scan, "name=b; filename=b.nii.gz", second)
                        .body();
                byte[] back = postForm(
                                two, "/segment", "name=a; filename=a.nii.gz", second, "name=b; filename=b.nii.gz", scan)
                        .body();
                Path out = Files.write(folder.resolve("two.nii.gz"), there);
                assertThat(NiftiReader.read(out).geometry().size())
                        .isEqualTo(NiftiReader.read(scan).geometry().size());
                assertThat(there).isNotEqualTo(back);
                assertProblem(
                        two.post("/segment", scan),
                        422,
                        "wrong_channels",
                        "found 1 channel",
                        "expected 2",
                        "tiny model");
            }
        }

        @Test
        void theClientsRequestIdComesBack() throws Exception {
            assertThat(tiny.send(tiny.request("/health").header("X-Request-Id", "abc-1"))
                            .headers()
                            .firstValue("x-request-id"))
                    .contains("abc-1");
            assertThat(tiny.send(tiny.request("/health").header("X-Request-Id", "a b; c"))
                            .headers()
                            .firstValue("x-request-id")
                            .orElseThrow())
                    .matches("[0-9a-f-]{36}");
        }
    }

    @Nested
    class Jobs {
        @Test
        void anAsynchronousJobTellsItsProgressAndKeepsItsLabels() throws Exception {
            try (TinyServer gated = TinyServer.startGated(TinyServer.options())) {
                HttpResponse<byte[]> accepted = gated.post("/segment?async=true&name=late", scan);
                assertThat(accepted.statusCode()).isEqualTo(202);
                String id = json(accepted).get("id").asText();
                assertThat(accepted.headers().firstValue("location")).contains("/jobs/" + id);
                assertProblem(gated.get("/jobs/" + id + "/labels"), 409, "not_done");
                gated.letPass(1);
                JsonNode half =
                        await(gated, id, node -> node.get("windows_done").asInt() == 1);
                assertThat(half.get("windows").asInt()).isGreaterThan(1);
                assertThat(half.get("progress").asDouble()).isGreaterThan(0).isLessThan(1);
                gated.letPass(1000);
                JsonNode done = await(gated, id, "done");
                assertThat(done.get("progress").asDouble()).isEqualTo(1);
                assertThat(done.at("/provenance/inputs/0/sha256").asText()).hasSize(64);
                assertThat(done.toString()).doesNotContain("/tmp/");
                for (int n = 0; n < 2; n++) {
                    HttpResponse<byte[]> labels = gated.get(done.get("labels").asText());
                    assertThat(labels.headers()
                                    .firstValue("content-disposition")
                                    .orElseThrow())
                            .contains("late.nii.gz");
                    assertThat(labels.body()).isEqualTo(tiny.expected(scan, folder.resolve("out")));
                }
                assertThat(gated.send(gated.request("/jobs/" + id).DELETE()).statusCode())
                        .isEqualTo(200);
                assertProblem(gated.get("/jobs/" + id), 404, "no_job");
            }
        }

        @Test
        void aFullQueueIsAnsweredWith429AndTheOthersAreDone() throws Exception {
            ServerOptions options =
                    TinyServer.options().with(TinyServer.options().limits().withJobs(1, 2));
            try (TinyServer gated = TinyServer.startGated(options)) {
                List<String> ids = new ArrayList<>();
                ids.add(json(gated.post("/segment?async=true", scan)).get("id").asText());
                await(gated, ids.get(0), "running");
                for (int n = 0; n < 2; n++) {
                    ids.add(json(gated.post("/segment?async=true", scan))
                            .get("id")
                            .asText());
                }
                HttpResponse<byte[]> refused = gated.post("/segment", scan);
                assertProblem(refused, 429, "queue_full", "1 scans", "2 are waiting");
                assertThat(refused.headers().firstValue("retry-after")).isPresent();
                assertThat(json(gated.get("/health")).get("waiting").asInt()).isEqualTo(2);
                gated.letPass(1000);
                for (String id : ids) {
                    await(gated, id, "done");
                }
            }
        }

        @Test
        void aCancelledJobMakesRoom() throws Exception {
            ServerOptions options =
                    TinyServer.options().with(TinyServer.options().limits().withJobs(1, 1));
            try (TinyServer gated = TinyServer.startGated(options)) {
                String running =
                        json(gated.post("/segment?async=true", scan)).get("id").asText();
                await(gated, running, "running");
                String waiting =
                        json(gated.post("/segment?async=true", scan)).get("id").asText();
                gated.send(gated.request("/jobs/" + waiting).DELETE());
                assertThat(await(gated, waiting, "cancelled")
                                .at("/problem/error")
                                .asText())
                        .isEqualTo("cancelled");
                assertProblem(gated.get("/jobs/" + waiting + "/labels"), 409, "cancelled");
                assertThat(json(gated.get("/health")).get("waiting").asInt()).isZero();
                gated.send(gated.request("/jobs/" + running).DELETE());
                await(gated, running, "cancelled");
                gated.letPass(1000);
                assertThat(gated.post("/segment", scan).statusCode()).isEqualTo(200);
            }
        }

        @Test
        void aJobThatTakesTooLongIsAnsweredWith504() throws Exception {
            ServerOptions options = TinyServer.options().with(TinyServer.QUICK.withJob(Duration.ofMillis(300)));
            try (TinyServer gated = TinyServer.startGated(options)) {
                assertProblem(gated.post("/segment", scan), 504, "timeout", "windows", "scan");
            }
        }

        @Test
        void onlyTheLatestResultsAreKept() throws Exception {
            ServerOptions options =
                    TinyServer.options().with(TinyServer.options().limits().withResults(1));
            try (TinyServer server = TinyServer.start(options)) {
                String first =
                        json(server.post("/segment?async=true", scan)).get("id").asText();
                await(server, first, "done");
                String second =
                        json(server.post("/segment?async=true", scan)).get("id").asText();
                await(server, second, "done");
                for (int n = 0; n < 500 && server.get("/jobs/" + first).statusCode() == 200; n++) {
                    Thread.sleep(10);
                }
                assertProblem(server.get("/jobs/" + first), 404, "no_job");
                assertThat(server.get("/jobs/" + second + "/labels").statusCode())
                        .isEqualTo(200);
            }
        }
    }

    @Nested
    class BadRequests {
        @Test
        void whatIsNoNiftiFileIsNamed() throws Exception {
            assertProblem(
                    tiny.post("/segment", "no scan at all".repeat(100).getBytes(StandardCharsets.UTF_8)),
                    422,
                    "invalid_scan",
                    "the uploaded file",
                    "not a NIfTI file");
            assertProblem(
                    postForm(tiny, "/segment", "name=f; filename=\"../../x.nii.gz\"", "garbage"),
                    422,
                    "invalid_scan",
                    "x.nii.gz: found only 7 bytes");
        }

        @Test
        void aDamagedScanIsNamed() throws Exception {
            byte[] bytes = Files.readAllBytes(scan);
            bytes[bytes.length / 2] ^= 0x55;
            HttpResponse<byte[]> response = tiny.post("/segment", bytes);
            assertThat(response.statusCode()).isEqualTo(422);
            assertThat(json(response).get("error").asText()).isEqualTo("invalid_scan");
            assertProblem(
                    tiny.post("/segment", java.util.Arrays.copyOf(bytes, bytes.length / 3)),
                    422,
                    "invalid_scan",
                    "the uploaded file");
        }

        @Test
        void anEmptyBodyIsNoScan() throws Exception {
            assertProblem(tiny.post("/segment", new byte[0]), 400, "empty_file", "no bytes");
            assertProblem(postForm(tiny, "/segment", "name=\"a\"", "b"), 400, "no_file", "filename");
        }

        @ParameterizedTest
        @ValueSource(
                strings = {
                    "--xyz\r\nContent-Disposition: form-data; name=\"a\"; filename=\"b\"\r\n\r\nhalf",
                    "no boundary anywhere",
                    "--xyz\r\n\r\nno name\r\n--xyz--\r\n",
                    "--xyz\r\nContent-Disposition form-data\r\n\r\n\r\n--xyz--\r\n"
                })
        void aBrokenFormIsRefused(String body) throws Exception {
            HttpResponse<byte[]> response = tiny.send(tiny.request("/segment")
                    .header("Content-Type", "multipart/form-data; boundary=xyz")
                    .POST(BodyPublishers.ofString(body)));
            assertProblem(response, 400, "bad_form");
        }

        @Test
        void aFieldThatIsAFileInDisguiseIsRefused() throws Exception {
            assertProblem(
                    postForm(tiny, "/segment", "name=\"params\"", "x".repeat(100_000)),
                    413,
                    "field_too_large",
                    "params");
        }

        @Test
        void unknownRoutesMethodsAndParametersAreNamed() throws Exception {
            assertProblem(tiny.get("/nothing"), 404, "no_such_route");
            assertProblem(tiny.get("/segment"), 405, "wrong_method");
            assertProblem(tiny.post("/segment?asinc=true", scan), 400, "unknown_parameter", "'asinc'", "async");
            assertProblem(tiny.post("/segment?async=yes", scan), 400, "bad_parameter", "async", "'yes'");
            assertProblem(tiny.get("/jobs/..%5C..%5Cx"), 404, "no_job");
        }

        @Test
        void anotherHostNameIsRefusedOnLoopback() throws Exception {
            String answer = tiny.raw("GET /model HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n"
                    .getBytes(StandardCharsets.UTF_8));
            assertThat(answer)
                    .startsWith("HTTP/1.1 421")
                    .contains("\"wrong_host\"")
                    .contains("evil.example");
            assertThat(tiny.raw("GET /model HTTP/1.1\r\nHost: localhost:99\r\nConnection: close\r\n\r\n"
                            .getBytes(StandardCharsets.UTF_8)))
                    .startsWith("HTTP/1.1 200");
        }

        @Test
        void whatIsNotHttpIsRefusedWithoutAStackTrace() throws Exception {
            assertThat(tiny.raw("\u0000\u0001garbage\r\n\r\n".getBytes(StandardCharsets.ISO_8859_1)))
                    .startsWith("HTTP/1.1 400")
                    .doesNotContain("\tat ", "Exception");
            String long8k = "GET /health HTTP/1.1\r\nHost: localhost\r\nX-Long: " + "x".repeat(20_000) + "\r\n\r\n";
            assertThat(tiny.raw(long8k.getBytes(StandardCharsets.UTF_8)))
                    .startsWith("HTTP/1.1 431")
                    .doesNotContain("\tat ", "Exception");
        }
    }

    @Nested
    class Sizes {
        @Test
        void aBodyThatIsAnnouncedTooLargeIsRefusedBeforeItIsRead() throws Exception {
            String answer = tiny.raw(("POST /segment HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999999\r\n"
                            + "Connection: close\r\n\r\n")
                    .getBytes(StandardCharsets.UTF_8));
            assertThat(answer)
                    .startsWith("HTTP/1.1 413")
                    .contains("\"body_too_large\"")
                    .contains("99999999999");
        }

        @Test
        void aBodyThatTurnsOutTooLargeIsRefused() throws Exception {
            byte[] much = new byte[(1 << 20) + 1];
            HttpResponse<byte[]> response = tiny.send(
                    tiny.request("/segment").POST(BodyPublishers.fromPublisher(BodyPublishers.ofByteArray(much))));
            assertProblem(response, 413, "body_too_large", "1048576");
        }

        /** A NIfTI header that claims sizes, gzipped with some zeros behind. */
        private byte[] claiming(int d, int h, int w, float spacing) throws IOException {
            Path file = TinyServer.scan(folder, "claim.nii", 1, 2, 2, 2);
            byte[] bytes = Files.readAllBytes(file);
            ByteBuffer header = ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN);
            header.putShort(42, (short) d).putShort(44, (short) h).putShort(46, (short) w);
            for (int row = 0; row < 3; row++) {
                header.putFloat(280 + 16 * row + 4 * row, spacing);
            }
            ByteArrayOutputStream out = new ByteArrayOutputStream();
            try (GZIPOutputStream gzip = new GZIPOutputStream(out)) {
                gzip.write(bytes);
                gzip.write(new byte[8 << 20]);
            }
            return out.toByteArray();
        }

        @Test
        void aDecompressionBombIsRefusedByItsHeader() throws Exception {
            assertProblem(
                    tiny.post("/segment", claiming(1000, 1000, 1000, 1)),
                    413,
                    "scan_too_large",
                    "1000×1000×1000",
                    "allows 64 MiB");
            assertProblem(tiny.post("/segment", claiming(32767, 32767, 32767, 1)), 413, "scan_too_large");
        }

        @Test
        void aHeaderThatNamesFilesOfThisMachineIsRefusedWhereverTheyAre() throws Exception {
            String nrrd = "NRRD0004\ntype: uchar\ndimension: 3\nsizes: 2 2 2\nencoding: raw\ndata file: ";
            String meta = "ObjectType = Image\nNDims = 3\nDimSize = 2 2 2\nElementType = MET_UCHAR\nElementDataFile = ";
            for (String file : new String[] {"/etc/passwd", "/nowhere/at/all"}) {
                for (String header : new String[] {nrrd + file + "\n", meta + file + "\n"}) {
                    HttpResponse<byte[]> answer = tiny.post("/segment", header.getBytes(StandardCharsets.US_ASCII));
                    assertProblem(answer, 422, "invalid_scan", "in another file");
                    assertThat(new String(answer.body(), StandardCharsets.UTF_8))
                            .doesNotContain(file);
                }
            }
        }

        @Test
        void aThinScanThatPaddingWouldBlowUpIsRefused() throws Exception {
            assertProblem(tiny.post("/segment", claiming(1, 32767, 1000, 1)), 413, "scan_too_large");
        }
    }

    @Nested
    class SlowClients {
        private final ServerOptions impatient = TinyServer.options()
                .with(TinyServer.QUICK.withNetwork(
                        Duration.ofMillis(1500), Duration.ofMillis(600), Duration.ofMillis(500)));

        @Test
        void aBodyThatStopsComingIsGivenUp() throws Exception {
            try (TinyServer server = TinyServer.start(impatient)) {
                assertThat(server.raw("POST /segment HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\nabc"
                                .getBytes(StandardCharsets.UTF_8)))
                        .startsWith("HTTP/1.1 408")
                        .contains("\"too_slow\"")
                        .contains("after 3 bytes");
            }
        }

        @Test
        void aScanMayTakeLongerThanAConnectionMayBeIdle() throws Exception {
            try (TinyServer gated = TinyServer.startGated(impatient)) {
                CompletableFuture<Void> later = CompletableFuture.runAsync(
                        () -> gated.letPass(1000),
                        CompletableFuture.delayedExecutor(2, java.util.concurrent.TimeUnit.SECONDS));
                HttpResponse<byte[]> response = gated.post("/segment", scan);
                later.get();
                assertThat(response.statusCode()).isEqualTo(200);
                assertThat(response.body()).isEqualTo(tiny.expected(scan, folder.resolve("out")));
            }
        }

        @Test
        void aBodyThatDripsIsGivenUp() throws Exception {
            try (TinyServer server = TinyServer.start(impatient);
                    Socket socket = new Socket("127.0.0.1", server.port())) {
                socket.getOutputStream()
                        .write("POST /segment HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000\r\n\r\n"
                                .getBytes(StandardCharsets.UTF_8));
                CompletableFuture<Void> drip = CompletableFuture.runAsync(() -> drip(socket));
                byte[] answer = socket.getInputStream().readNBytes(12);
                assertThat(new String(answer, StandardCharsets.UTF_8)).isEqualTo("HTTP/1.1 408");
                drip.cancel(true);
            }
        }

        @Test
        void aHeadThatDripsIsGivenUp() throws Exception {
            try (TinyServer server = TinyServer.start(impatient);
                    Socket socket = new Socket("127.0.0.1", server.port())) {
                socket.setSoTimeout(20_000);
                socket.getOutputStream().write("GET /health HTTP/1.1\r\nX-A: ".getBytes(StandardCharsets.UTF_8));
                CompletableFuture<Void> drip = CompletableFuture.runAsync(() -> drip(socket));
                int end;
                try {
                    end = socket.getInputStream().read();
                } catch (java.net.SocketException e) {
                    end = -1;
                }
                assertThat(end).isEqualTo(-1);
                drip.cancel(true);
                assertThat(server.get("/health").statusCode()).isEqualTo(200);
            }
        }

        private void drip(Socket socket) {
            try {
                for (int n = 0; n < 200; n++) {
                    socket.getOutputStream().write('x');
                    socket.getOutputStream().flush();
                    Thread.sleep(100);
                }
            } catch (IOException | InterruptedException e) {
                // The server ended it, as it should.
            }
        }

        @Test
        void asManyStallingClientsAsThereAreConnectionsHoldItUpOnlyUntilTheyAreGivenUp() throws Exception {
            ServerOptions few = impatient.with(impatient.limits().withConnections(4));
            try (TinyServer server = TinyServer.start(few)) {
                List<Socket> stalling = new ArrayList<>();
                for (int n = 0; n < 6; n++) {
                    Socket socket = new Socket("127.0.0.1", server.port());
                    socket.getOutputStream().write("GET".getBytes(StandardCharsets.UTF_8));
                    stalling.add(socket);
                }
                assertThat(server.get("/health").statusCode()).isEqualTo(200);
                for (Socket socket : stalling) {
                    socket.close();
                }
            }
        }
    }

    @Nested
    class Token {
        private static final String SECRET = "correct-horse-battery";

        @Test
        void isAskedForEverywhereButAtHealth() throws Exception {
            try (TinyServer server = TinyServer.start(TinyServer.options().withToken(SECRET))) {
                assertThat(server.get("/health").statusCode()).isEqualTo(200);
                for (Route route : server.server().routes()) {
                    String path = route.path().replace("{id}", "x").replace("{model}", "x");
                    int status = server.send(
                                    server.request(path).method(route.method().name(), BodyPublishers.noBody()))
                            .statusCode();
                    assertThat(status).as(path).matches(code -> route.open() ? code == 200 : code == 401);
                }
                HttpResponse<byte[]> none = server.get("/model");
                assertProblem(none, 401, "unauthorized", "no Authorization header");
                assertThat(none.headers().firstValue("www-authenticate")).contains("Bearer");
                for (String wrong :
                        List.of("Bearer x", "Bearer " + SECRET + "x", "Basic " + SECRET, "Bearer ", SECRET)) {
                    assertThat(server.send(server.request("/model").header("Authorization", wrong))
                                    .statusCode())
                            .as(wrong)
                            .isEqualTo(401);
                }
                assertThat(server.send(server.request("/model").header("Authorization", "Bearer " + SECRET))
                                .statusCode())
                        .isEqualTo(200);
            }
        }

        @Test
        void mustBeLongAndIsNotShown() {
            assertThatThrownBy(() -> TinyServer.options().withToken("short"))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessageContaining("16")
                    .hasMessageNotContaining("short");
            assertThat(TinyServer.options().withToken(SECRET).toString()).doesNotContain(SECRET);
        }
    }

    @Nested
    class Stopping {
        /** Sends a scan and waits until it is worked on. */
        private CompletableFuture<HttpResponse<byte[]>> running(TinyServer gated) throws Exception {
            CompletableFuture<HttpResponse<byte[]>> accepted = CompletableFuture.supplyAsync(() -> {
                try {
                    return gated.post("/segment", scan);
                } catch (IOException | InterruptedException e) {
                    throw new AssertionError(e);
                }
            });
            while (json(gated.get("/health")).get("running").asInt() == 0) {
                Thread.sleep(10);
            }
            return accepted;
        }

        @Test
        void acceptedScansAreDoneAndFurtherOnesRefused() throws Exception {
            TinyServer gated = TinyServer.startGated(TinyServer.options());
            CompletableFuture<HttpResponse<byte[]>> accepted = running(gated);
            CompletableFuture<Void> stop =
                    CompletableFuture.runAsync(() -> gated.server().close());
            HttpResponse<byte[]> health = gated.get("/health");
            while (health.statusCode() == 200) {
                Thread.sleep(10);
                health = gated.get("/health");
            }
            assertThat(health.statusCode()).isEqualTo(503);
            assertProblem(gated.post("/segment", scan), 503, "stopping");
            gated.letPass(1000);
            stop.get();
            assertThat(accepted.get().statusCode()).isEqualTo(200);
            assertThat(accepted.get().body()).isEqualTo(tiny.expected(scan, folder.resolve("out")));
            assertThatThrownBy(() -> gated.get("/health")).isInstanceOf(IOException.class);
            gated.close();
        }

        @Test
        void scansThatOutlastTheGraceAreAnsweredWith503() throws Exception {
            TinyServer gated = TinyServer.startGated(
                    TinyServer.options().with(TinyServer.QUICK.withGrace(Duration.ofMillis(100))));
            CompletableFuture<HttpResponse<byte[]>> accepted = running(gated);
            CompletableFuture<Void> stop =
                    CompletableFuture.runAsync(() -> gated.server().close());
            assertProblem(accepted.get(), 503, "stopping");
            gated.letPass(1000);
            stop.get();
            gated.close();
        }

        @Test
        void aTakenPortIsNamed() {
            assertThatThrownBy(() -> SegmentationServer.start(
                            tiny.segmenter(), TinyServer.options().at("127.0.0.1", tiny.port())))
                    .isInstanceOf(IOException.class)
                    .hasMessageContaining("127.0.0.1:" + tiny.port());
        }
    }
}
