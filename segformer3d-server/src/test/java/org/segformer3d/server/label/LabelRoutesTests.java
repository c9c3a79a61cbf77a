package org.segformer3d.server.label;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.segformer3d.server.TinyServer;

/** Requests as 3D Slicer's extension sends them, byte for byte, and answers taken apart as it takes them apart. */
@Timeout(120)
class LabelRoutesTests {
    private static final ObjectMapper JSON = new ObjectMapper();
    /** What the extension puts between the parts of every form. */
    private static final String BOUNDARY = "----------lImIt_of_THE_fIle_eW_$";

    @TempDir
    static Path folder;

    private static TinyServer server;
    private static Path store;
    private static Path scan;
    private static byte[] labels;

    @BeforeAll
    static void start() throws IOException {
        store = folder.resolve("store");
        server = TinyServer.start(TinyServer.options().withDatastore(store));
        scan = TinyServer.scan(folder, "scan.nii.gz", 3, 18, 20, 12);
        labels = server.expected(scan, folder.resolve("out"));
    }

    @AfterAll
    static void stop() {
        server.close();
    }

    /** An answer. */
    private record Answer(int status, String head, byte[] body) {
        JsonNode json() throws IOException {
            assertThat(head.toLowerCase(java.util.Locale.ROOT)).contains("content-type: application/json");
            return JSON.readTree(body);
        }

        String header(String name) {
            for (String line : head.split("\r\n")) {
                if (line.toLowerCase(java.util.Locale.ROOT).startsWith(name + ":")) {
                    return line.substring(name.length() + 1).strip();
                }
            }
            return null;
        }
    }

    /** Sends what Python's http.client sends: this head, this order, HTTP/1.1 without keep-alive at the end. */
    private static Answer send(String method, String selector, String contentType, byte[] body) throws IOException {
        StringBuilder head = new StringBuilder(method + " " + selector + " HTTP/1.1\r\nHost: 127.0.0.1:" + server.port()
                + "\r\nAccept-Encoding: identity\r\n");
        if (contentType != null) {
            head.append("content-type: ")
                    .append(contentType)
                    .append("\r\ncontent-length: ")
                    .append(body.length)
                    .append("\r\n");
        }
        head.append("Connection: close\r\n\r\n");
        String all = server.raw(head.toString().getBytes(StandardCharsets.UTF_8), body);
        int end = all.indexOf("\r\n\r\n");
        return new Answer(
                Integer.parseInt(all.substring(9, 12)),
                all.substring(0, end),
                all.substring(end + 4).getBytes(StandardCharsets.ISO_8859_1));
    }

    private static Answer get(String selector) throws IOException {
        return send("GET", selector, null, new byte[0]);
    }

    private static Answer delete(String selector) throws IOException {
        return send("DELETE", selector, null, new byte[0]);
    }

    /** The extension's form: a field, and a file with its whole path as its name. */
    private static Answer form(String method, String selector, String params, String name, Path file)
            throws IOException {
        ByteArrayOutputStream body = new ByteArrayOutputStream();
        if (params != null) {
            body.write(
                    ("--" + BOUNDARY + "\r\nContent-Disposition: form-data; name=\"params\"\r\n\r\n" + params + "\r\n")
                            .getBytes(StandardCharsets.UTF_8));
        }
        if (file != null) {
            body.write(("--" + BOUNDARY + "\r\nContent-Disposition: form-data; name=\"" + name + "\"; filename=\""
                            + file + "\"\r\nContent-Type: application/octet-stream\r\n\r\n")
                    .getBytes(StandardCharsets.UTF_8));
            body.write(Files.readAllBytes(file));
            body.write("\r\n".getBytes(StandardCharsets.UTF_8));
        }
        body.write(("--" + BOUNDARY + "--\r\n\r\n").getBytes(StandardCharsets.UTF_8));
        return send(method, selector, "multipart/form-data; boundary=" + BOUNDARY, body.toByteArray());
    }

    /** Takes a form apart that is an answer: its length must be stated, since the extension can't read chunks. */
    private static void assertIsResult(Answer answer, String fileName) throws IOException {
        assertThat(answer.status()).as(answer.toString()).isEqualTo(200);
        assertThat(answer.header("transfer-encoding")).isNull();
        assertThat(Integer.parseInt(answer.header("content-length"))).isEqualTo(answer.body().length);
        String type = answer.header("content-type");
        assertThat(type).startsWith("multipart/form-data; boundary=");
        String boundary = type.substring(type.indexOf('=') + 1);
        String text = new String(answer.body(), StandardCharsets.ISO_8859_1);
        String[] parts = text.split("--" + boundary);
        assertThat(parts).hasSize(4);
        assertThat(parts[3]).isEqualTo("--\r\n");
        assertThat(parts[1]).startsWith("\r\nContent-Disposition: form-data; name=\"params\"\r\n");
        JsonNode params = JSON.readTree(parts[1].substring(parts[1].indexOf("\r\n\r\n")));
        assertThat(params.at("/label_names/organ").asInt()).isEqualTo(1);
        assertThat(params.at("/label_names/lesion").asInt()).isEqualTo(2);
        assertThat(params.at("/latencies/total").isNumber()).isTrue();
        assertThat(parts[2]).contains("name=\"image\"; filename=\"" + fileName + "\"");
        String content = parts[2].substring(parts[2].indexOf("\r\n\r\n") + 4, parts[2].length() - 2);
        assertThat(content.getBytes(StandardCharsets.ISO_8859_1)).isEqualTo(labels);
    }

    @Nested
    class Info {
        @Test
        void namesTheModelAndItsLabelsAsTheExtensionReadsThem() throws Exception {
            JsonNode info = get("/info/").json();
            assertThat(info.get("name").asText()).contains("tiny model");
            assertThat(info.get("labels").toString()).isEqualTo("[\"organ\",\"lesion\"]");
            JsonNode model = info.at("/models/tiny model");
            assertThat(model.get("type").asText()).isEqualTo("segmentation");
            assertThat(model.get("dimension").asInt()).isEqualTo(3);
            assertThat(model.at("/labels/lesion").asInt()).isEqualTo(2);
            for (String empty : List.of("trainers", "strategies", "scoring", "train_stats")) {
                assertThat(info.get(empty).isObject()).as(empty).isTrue();
                assertThat(info.get(empty).isEmpty()).as(empty).isTrue();
            }
            assertThat(info.at("/datastore/total").isInt()).isTrue();
            assertThat(info.at("/datastore/completed").isInt()).isTrue();
        }

        @Test
        void whatIsNotOfferedIsNotFound() throws Exception {
            assertThat(get("/train/?check_if_running=true").status()).isEqualTo(404);
            assertThat(get("/info").status()).isEqualTo(200);
        }
    }

    @Nested
    class Inference {
        @Test
        void anUploadedImageIsSegmentedByItsIdentity() throws Exception {
            Answer put = form(
                    "PUT", "/datastore/?image=MR+head+%281%29.nii.gz", "{\"client_id\": \"user-xyz\"}", "file", scan);
            assertThat(put.status()).isEqualTo(200);
            String id = put.json().get("image").asText();
            assertThat(id).isEqualTo("MR head (1)");
            for (String given : List.of("MR+head+%281%29", "MR+head+%281%29.nii.gz")) {
                assertIsResult(
                        form("POST", "/infer/tiny+model?image=" + given, "{\"client_id\": \"user-xyz\"}", null, null),
                        "MR_head__1_.nii.gz");
            }
        }

        @Test
        void aFileInTheFormIsSegmentedWithoutBeingKept() throws Exception {
            assertIsResult(form("POST", "/infer/tiny%20model?image=", "{}", "file", scan), "scan.nii.gz");
            assertThat(get("/datastore/?output=all").body()).asString().doesNotContain("\"scan\"");
        }

        @Test
        void aSessionsImageIsSegmentedUntilTheSessionEnds() throws Exception {
            // This one comes from another library, with a boundary of its own and the field last.
            ByteArrayOutputStream body = new ByteArrayOutputStream();
            body.write("--0123abcd\r\nContent-Disposition: form-data; name=\"client_id\"\r\n\r\nuser-xyz\r\n"
                    .getBytes(StandardCharsets.UTF_8));
            body.write("--0123abcd\r\nContent-Disposition: form-data; name=\"files\"; filename=\"tmpk3.nii.gz\"\r\n\r\n"
                    .getBytes(StandardCharsets.UTF_8));
            body.write(Files.readAllBytes(scan));
            body.write("\r\n--0123abcd--\r\n".getBytes(StandardCharsets.UTF_8));
            JsonNode begun = send("PUT", "/session/", "multipart/form-data; boundary=0123abcd", body.toByteArray())
                    .json();
            String id = begun.get("session_id").asText();
            assertThat(begun.at("/session_info/name").asText()).isEqualTo(id);
            assertThat(get("/session/" + id).json().get("expiry").asInt()).isPositive();
            assertIsResult(
                    form("POST", "/infer/tiny+model?image=whatever&session_id=" + id, "{}", null, null),
                    "tmpk3.nii.gz");
            assertThat(delete("/session/" + id).status()).isEqualTo(200);
            Answer gone = form("POST", "/infer/tiny+model?image=whatever&session_id=" + id, "{}", null, null);
            assertThat(gone.status()).isEqualTo(404);
            assertThat(gone.json().get("error").asText()).isEqualTo("no_session");
        }

        @Test
        void onlyTheLabelsOrOnlyTheParametersCanBeAskedFor() throws Exception {
            Answer image = form("POST", "/infer/tiny+model?output=image", "{}", "file", scan);
            assertThat(image.header("content-disposition")).contains("filename=\"scan.nii.gz\"");
            assertThat(image.body()).isEqualTo(labels);
            JsonNode json = form("POST", "/infer/tiny+model?output=json", "{\"client_id\": 7}", "file", scan)
                    .json();
            assertThat(json.get("model").asText()).isEqualTo("tiny model");
            assertThat(json.get("client_id").asInt()).isEqualTo(7);
        }

        @Test
        void aLabelWithScribblesIsPassedOver() throws Exception {
            form("PUT", "/datastore/?image=scribbled", null, "file", scan);
            assertIsResult(form("POST", "/infer/tiny+model?image=scribbled", "{}", "label", scan), "scribbled.nii.gz");
        }

        @Test
        void whatCannotBeDoneIsSaid() throws Exception {
            assertProblem(form("POST", "/infer/other?image=x", "{}", null, null), 404, "no_model", "tiny model");
            assertProblem(
                    form("POST", "/infer/tiny+model?image=nowhere", "{}", null, null), 404, "no_image", "nowhere");
            assertProblem(form("POST", "/infer/tiny+model?image=", "{}", null, null), 400, "no_image", "session_id");
            assertProblem(
                    form("POST", "/infer/tiny+model?output=dicom_seg", "{}", "file", scan),
                    400,
                    "bad_parameter",
                    "dicom_seg");
            assertProblem(form("POST", "/infer/tiny+model", "[1]", "file", scan), 400, "bad_params", "JSON object");
            assertProblem(
                    form("POST", "/infer/tiny+model", "{\"result_extension\": \".tiff\"}", "file", scan),
                    400,
                    "bad_params",
                    ".tiff",
                    ".nrrd");
        }

        @Test
        void theResultHasTheFormatThatIsAskedFor() throws Exception {
            Answer answer = form("POST", "/infer/tiny+model", "{\"result_extension\": \".nrrd\"}", "file", scan);
            assertThat(answer.status()).isEqualTo(200);
            assertThat(new String(answer.body(), StandardCharsets.ISO_8859_1))
                    .contains(".nrrd")
                    .contains("NRRD0004\n");
        }
    }

    private static void assertProblem(Answer answer, int status, String code, String... words) throws IOException {
        JsonNode problem = answer.json();
        assertThat(answer.status()).as(problem.toString()).isEqualTo(status);
        assertThat(problem.get("error").asText()).isEqualTo(code);
        assertThat(List.of(words)).allMatch(problem.get("message").asText()::contains);
        assertThat(problem.toString()).doesNotContain(folder.toString());
    }

    @Nested
    class Datastore {
        @Test
        void imagesAndLabelsComeBackAsTheyWent() throws Exception {
            form("PUT", "/datastore/?image=patient+7.nii.gz", null, "file", scan);
            Answer image = get("/datastore/image?image=patient+7");
            assertThat(image.body()).isEqualTo(Files.readAllBytes(scan));
            Path label = Files.write(folder.resolve("label.nii.gz"), labels);
            JsonNode saved = form("PUT", "/datastore/label?image=patient+7&tag=final", "{}", "label", label)
                    .json();
            assertThat(saved.get("image").asText()).isEqualTo("patient 7");
            Answer back = get("/datastore/label?label=patient+7&tag=final");
            assertThat(back.header("content-disposition")).contains("filename=\"patient_7.nii.gz\"");
            assertThat(back.body()).isEqualTo(labels);
            JsonNode all = get("/datastore/?output=all").json();
            assertThat(all.at("/objects/patient 7/image/ext").asText()).isEqualTo(".nii.gz");
            assertThat(all.at("/objects/patient 7/labels/final/ext").asText()).isEqualTo(".nii.gz");
            JsonNode status = get("/datastore/").json();
            assertThat(status.at("/label_tags/final").asInt()).isEqualTo(1);
            assertThat(status.get("completed").asInt()).isEqualTo(1);
            assertThat(delete("/datastore/?id=patient+7&type=label").status()).isEqualTo(200);
            assertProblem(get("/datastore/label?label=patient+7&tag=final"), 404, "no_label", "patient 7", "final");
            assertThat(delete("/datastore/?id=patient+7&type=image").status()).isEqualTo(200);
            assertProblem(get("/datastore/image?image=patient+7"), 404, "no_image", "patient 7");
        }

        @Test
        void theOwnersFilesAreThereToo() throws Exception {
            Files.copy(scan, store.resolve("put [here].nii.gz"));
            assertThat(get("/datastore/?output=all").json().at("/objects").has("put [here]"))
                    .isTrue();
            assertIsResult(
                    form("POST", "/infer/tiny+model?image=put+%5Bhere%5D", "{}", null, null), "put__here_.nii.gz");
            Files.delete(store.resolve("put [here].nii.gz"));
        }

        @ParameterizedTest
        @ValueSource(
                strings = {
                    "..%2F..%2Fsecret",
                    "%2Fetc%2Fpasswd",
                    "..%5Csecret",
                    "a%00b",
                    "..",
                    ".",
                    "%2E%2E%2Fsecret",
                    "labels%2Ffinal%2Fx",
                    "C%3A%5Csecret",
                    ""
                })
        void noIdentityLeadsOutOfTheFolder(String id) throws Exception {
            Path secret = Files.copy(
                    scan, folder.resolve("secret.nii.gz"), java.nio.file.StandardCopyOption.REPLACE_EXISTING);
            byte[] before = Files.readAllBytes(secret);
            assertThat(get("/datastore/image?image=" + id).status()).isIn(400, 404);
            assertThat(get("/datastore/label?label=" + id).status()).isIn(400, 404);
            assertThat(get("/datastore/label?label=x&tag=" + id).status()).isIn(400, 404);
            assertThat(delete("/datastore/?type=image&id=" + id).status()).isIn(400, 404);
            assertThat(form("POST", "/infer/tiny+model?image=" + id, "{}", null, null)
                            .status())
                    .isIn(400, 404);
            form("PUT", "/datastore/?image=" + id, null, "file", folder.resolve("out/scan.nii.gz"));
            assertThat(secret).hasBinaryContent(before);
            try (var files = Files.walk(folder)) {
                assertThat(files.filter(Files::isRegularFile)
                                .map(file -> folder.relativize(file).toString()))
                        .allMatch(name -> name.startsWith("store/")
                                || List.of(
                                                "secret.nii.gz",
                                                "scan.nii.gz",
                                                "label.nii.gz",
                                                "out/scan.nii.gz",
                                                "out/scan.json")
                                        .contains(name));
            }
            delete("/datastore/?type=image&id=" + id);
        }

        @Test
        void whatIsNoIdentityIsRefused() throws Exception {
            assertProblem(get("/datastore/image?image=a%2Fb"), 400, "bad_id", "without slashes");
            assertProblem(get("/datastore/image"), 400, "missing_parameter", "image");
            assertProblem(get("/datastore/?output=train"), 400, "bad_parameter", "train");
            assertProblem(delete("/datastore/?id=x&type=everything"), 400, "bad_parameter", "everything");
            assertProblem(
                    form("PUT", "/datastore/label?image=unknown", "{}", "label", scan), 404, "no_image", "unknown");
            assertProblem(form("PUT", "/datastore/?image=x", "{}", "wrong", scan), 400, "no_file", "'file'");
        }

        @Test
        void itTakesNoMoreThanItMayHold() throws Exception {
            org.segformer3d.server.Limits limits = TinyServer.options().limits();
            try (TinyServer small = TinyServer.start(TinyServer.options()
                    .withDatastore(folder.resolve("small"))
                    .with(limits.withDatastoreBytes(Files.size(scan) + 10)))) {
                TinyServer all = server;
                server = small;
                try {
                    assertThat(form("PUT", "/datastore/?image=one", null, "file", scan)
                                    .status())
                            .isEqualTo(200);
                    assertProblem(form("PUT", "/datastore/?image=two", null, "file", scan), 507, "datastore_full");
                } finally {
                    server = all;
                }
            }
            org.segformer3d.server.job.Folders.delete(folder.resolve("small"));
        }
    }
}
