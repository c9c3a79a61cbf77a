package org.segformer3d.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.SplittableRandom;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.segformer3d.api.block.Grid;
import org.segformer3d.data.nifti.NiftiWriter;
import org.segformer3d.data.volume.Affine;
import org.segformer3d.data.volume.Geometry;
import org.segformer3d.data.volume.Volume;
import org.segformer3d.eval.bundle.ModelBundle;
import org.segformer3d.eval.inference.Blend;
import org.segformer3d.eval.inference.InferenceSpec;

@Timeout(120)
class ServeCommandTests {
    @TempDir
    static Path folder;

    private static Path bundle;
    private static Path scan;

    @BeforeAll
    static void write() throws IOException {
        bundle = folder.resolve("bundle");
        TinyModel.bundle(new InferenceSpec(new Grid(32, 32, 32), 0.5, Blend.GAUSSIAN, 2))
                .write(bundle);
        SplittableRandom random = new SplittableRandom(4);
        float[] values = new float[45 * 30 * 37];
        for (int n = 0; n < values.length; n++) {
            values[n] = (float) random.nextDouble(200);
        }
        scan = folder.resolve("scan.nii.gz");
        NiftiWriter.write(scan, Volume.of(values, 1, Geometry.of(new Grid(45, 30, 37), Affine.scaling(-1, 1.2, 2))));
    }

    /** The command in a thread of this process. */
    private static final class Serving implements AutoCloseable {
        private final StringWriter out = new StringWriter();
        private final StringWriter err = new StringWriter();
        private final AtomicInteger code = new AtomicInteger(-1);
        private final Thread thread;

        Serving(Object... options) {
            List<String> arguments = new ArrayList<>(List.of("serve", "--port", "0"));
            if (!List.of(options).contains("--model")) {
                arguments.addAll(List.of("--model", bundle.toString()));
            }
            for (Object option : options) {
                arguments.add(option.toString());
            }
            thread = new Thread(() -> code.set(
                    Program.run(new PrintWriter(out), new PrintWriter(err), arguments.toArray(String[]::new))));
            thread.start();
        }

        String url() throws InterruptedException {
            Pattern url = Pattern.compile("at (http://\\S+)");
            while (thread.isAlive()) {
                Matcher matcher = url.matcher(out.toString());
                if (matcher.find()) {
                    return matcher.group(1);
                }
                Thread.sleep(20);
            }
            throw new AssertionError(err.toString());
        }

        @Override
        public void close() {
            thread.interrupt();
            try {
                thread.join();
            } catch (InterruptedException e) {
                throw new AssertionError("interrupted while the server stops", e);
            }
        }
    }

    private static HttpResponse<byte[]> post(String url, Optional<String> token) throws Exception {
        HttpRequest.Builder request =
                HttpRequest.newBuilder(URI.create(url + "/segment")).POST(BodyPublishers.ofFile(scan));
        token.ifPresent(text -> request.header("Authorization", "Bearer " + text));
        return HttpClient.newHttpClient().send(request.build(), BodyHandlers.ofByteArray());
    }

    @Test
    void servesExactlyWhatPredictWritesUntilItIsStopped() throws Exception {
        Path output = folder.resolve("predictions");
        assertThat(Run.of("predict", "--model", bundle, "--input", scan, "--output", output, "--threads", 1, "--quiet")
                        .code())
                .isZero();
        Serving serving = new Serving("--threads", 1);
        try (serving) {
            HttpResponse<byte[]> response = post(serving.url(), Optional.empty());
            assertThat(response.statusCode()).isEqualTo(200);
            assertThat(response.body()).isEqualTo(Files.readAllBytes(output.resolve("scan.nii.gz")));
        }
        assertThat(serving.err.toString()).isEmpty();
        assertThat(serving.code.get()).isZero();
        assertThat(serving.out.toString())
                .contains("serving 'random-3' at http://127.0.0.1:")
                .endsWith("stopped\n");
    }

    @Test
    void servesWhatPredictWritesWithTheSameOptionsAndModels() throws Exception {
        Path second = folder.resolve("second");
        ModelBundle first = ModelBundle.read(bundle);
        new ModelBundle(
                        "second",
                        first.network(),
                        TinyModel.weights(),
                        first.preprocessing(),
                        first.labels(),
                        first.inference(),
                        first.provenance())
                .write(second);
        Object[][] ways = {
            {"--overlap", 0.25, "--threads", 1},
            {"--tta-axes", 0, "--threads", 1},
            {"--blend", "constant", "--roi", "32,64,32", "--window-batch", 1, "--threads", 1},
            {"--postprocess", "keep_largest@1", "remove_small=60", "--threads", 1},
            {"--model", bundle + "," + second, "--tta-axes", 2, "--threads", 1}
        };
        List<byte[]> seen = new ArrayList<>();
        for (int n = 0; n < ways.length; n++) {
            Path output = folder.resolve("way" + n);
            List<Object> arguments =
                    new ArrayList<>(List.of("predict", "--input", scan, "--output", output, "--quiet"));
            if (!List.of(ways[n]).contains("--model")) {
                arguments.addAll(List.of("--model", bundle));
            }
            arguments.addAll(List.of(ways[n]));
            assertThat(Run.of(arguments.toArray()).code()).isZero();
            byte[] expected = Files.readAllBytes(output.resolve("scan.nii.gz"));
            try (Serving serving = new Serving(ways[n])) {
                assertThat(post(serving.url(), Optional.empty()).body())
                        .as("way %d", n)
                        .isEqualTo(expected);
            }
            assertThat(seen).noneMatch(other -> java.util.Arrays.equals(other, expected));
            seen.add(expected);
        }
    }

    @Test
    void aTokenComesFromAFile() throws Exception {
        Path token = Files.writeString(folder.resolve("token"), "0123456789abcdef\n");
        try (Serving serving = new Serving("--threads", 1, "--token-file", token)) {
            assertThat(post(serving.url(), Optional.empty()).statusCode()).isEqualTo(401);
            assertThat(post(serving.url(), Optional.of("0123456789abcdef")).statusCode())
                    .isEqualTo(200);
        }
    }

    @Nested
    class WrongUse {
        @ParameterizedTest
        @CsvSource({
            "--workers=0, workers",
            "--queue=0, queue",
            "--port=70000, port",
            "--max-upload=lots, 512M",
            "--job-timeout=-1, seconds",
            "--job-timeout=0, job",
            "--grace=1000, grace"
        })
        void isNamed(String option, String word) {
            Run run = Run.of("serve", "--model", bundle, option);
            assertThat(run.code()).isEqualTo(2);
            assertThat(run.err()).contains(word);
        }

        @Test
        void aTokenThatIsTooShortIsRefusedWithoutShowingIt() throws IOException {
            Path token = Files.writeString(folder.resolve("short"), "secret");
            Run run = Run.of("serve", "--model", bundle, "--token-file", token);
            assertThat(run.code()).isEqualTo(2);
            assertThat(run.err()).contains("16").doesNotContain("secret");
        }

        @Test
        void aMissingBundleIsNamed() {
            Run run = Run.of("serve", "--model", folder.resolve("none"));
            assertThat(run.code()).isEqualTo(1);
            assertThat(run.err()).contains("none").contains("no such file or folder");
        }
    }
}
