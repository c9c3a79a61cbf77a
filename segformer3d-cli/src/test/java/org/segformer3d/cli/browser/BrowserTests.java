package org.segformer3d.cli.browser;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.awt.image.BufferedImage;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.segformer3d.api.block.Grid;
import org.segformer3d.cli.Program;
import org.segformer3d.cli.view.ViewServer;
import org.segformer3d.data.nifti.NiftiReader;
import org.segformer3d.data.nifti.NiftiWriter;
import org.segformer3d.data.volume.Volume;
import org.segformer3d.train.demo.PhantomDataset;

/**
 * Report and viewer in a real browser.
 *
 * <p>Skipped where there is no Chromium, unless the environment variable {@code SEGFORMER3D_BROWSER} is {@code required}, as it is in CI.
 */
class BrowserTests {
    private static final String VIEWER = "document.getElementById('viewer')";

    @TempDir
    static Path folder;

    private static Path data;
    private static Path report;
    private static Chromium browser;

    @BeforeAll
    static void writeReportAndStart() throws IOException {
        Optional<Path> program = Chromium.find();
        boolean required = "required".equals(System.getenv("SEGFORMER3D_BROWSER"));
        assumeTrue(program.isPresent() || required, "no Chromium here");
        data = folder.resolve("data");
        new PhantomDataset(5, 5).write(data);
        Path predictions = Files.createDirectories(folder.resolve("predictions"));
        for (int n = 1; n <= 5; n++) {
            String name = "phantom_00" + n + ".nii.gz";
            Volume truth = NiftiReader.read(data.resolve("labelsTr").resolve(name));
            NiftiWriter.writeLabels(predictions.resolve(name), shifted(truth, n));
        }
        StringWriter messages = new StringWriter();
        int code = Program.run(
                new PrintWriter(messages),
                new PrintWriter(messages),
                "evaluate",
                "--predictions=" + predictions,
                "--labels=" + data.resolve("labelsTr"),
                "--data=" + data,
                "--images=" + data,
                "--output=" + folder.resolve("scores"),
                "--report");
        assertThat(code).as(messages.toString()).isZero();
        report = folder.resolve("scores/report.html");
        browser = Chromium.start(program.orElseThrow());
        browser.resize(1280, 800, 1, false);
    }

    /** Returns labels moved along the first axis, so that they agree the less the further. */
    private static Volume shifted(Volume labels, int by) {
        Grid size = labels.geometry().size();
        float[] moved = new float[labels.voxels()];
        int slice = size.height() * size.width();
        System.arraycopy(labels.values(), 0, moved, by * slice, moved.length - by * slice);
        return Volume.of(moved, 1, labels.geometry());
    }

    @AfterAll
    static void stop() throws IOException {
        if (browser != null) {
            browser.close();
        }
    }

    private static void openViewer(URI address) throws IOException {
        browser.open(address);
        browser.evaluate(VIEWER + ".scrollIntoView()");
        browser.until("['ready', 'failed'].includes(" + VIEWER + ".dataset.state)");
        assertThat(browser.evaluate(VIEWER + ".dataset.state").asText())
                .as(browser.errors().toString())
                .isEqualTo("ready");
    }

    private static void press(String button) throws IOException {
        browser.evaluate("[...document.querySelectorAll('#viewer button')].find((one) => one.textContent === '" + button
                + "').click()");
    }

    private static void tick(String checkbox) throws IOException {
        browser.evaluate("[...document.querySelectorAll('#viewer label')].find((one) => one.textContent === '"
                + checkbox + "').querySelector('input').click()");
    }

    private static void moveSliceBy(int slices) throws IOException {
        browser.evaluate(
                "(() => { const slider = document.querySelector('#viewer .slice input'); slider.value = Number(slider.value) + "
                        + slices + "; slider.dispatchEvent(new Event('input')); })()");
    }

    private static BufferedImage canvas() throws IOException {
        return browser.picture("#viewer canvas");
    }

    private static double share(BufferedImage picture, java.util.function.IntPredicate wanted) {
        int[] pixels = picture.getRGB(0, 0, picture.getWidth(), picture.getHeight(), null, 0, picture.getWidth());
        return java.util.Arrays.stream(pixels).filter(wanted).count() / (double) pixels.length;
    }

    private static boolean isColoured(int rgb) {
        int r = rgb >> 16 & 0xff;
        int g = rgb >> 8 & 0xff;
        int b = rgb & 0xff;
        return Math.max(r, Math.max(g, b)) - Math.min(r, Math.min(g, b)) > 30;
    }

    private static boolean isGrey(int rgb) {
        return !isColoured(rgb) && (rgb & 0xff) > 24 && (rgb & 0xff) < 250;
    }

    private static double difference(BufferedImage a, BufferedImage b) {
        int changed = 0;
        for (int y = 0; y < a.getHeight(); y++) {
            for (int x = 0; x < a.getWidth(); x++) {
                changed += a.getRGB(x, y) == b.getRGB(x, y) ? 0 : 1;
            }
        }
        return changed / (double) (a.getWidth() * a.getHeight());
    }

    @Nested
    class TheReport {
        @Test
        void opensWithoutErrorsAndAsksNoNetwork() throws IOException {
            openViewer(report.toUri());
            assertThat(browser.errors()).isEmpty();
            assertThat(browser.requests())
                    .isNotEmpty()
                    .allMatch(url -> url.startsWith("file:") || url.startsWith("data:") || url.startsWith("blob:"));
            assertThat(browser.evaluate("document.querySelectorAll('.planes svg').length")
                            .asInt())
                    .isEqualTo(9);
            assertThat(browser.evaluate("[...document.querySelectorAll('h2')].map((one) => one.textContent).join()")
                            .asText())
                    .isEqualTo("Scores,Worst, median and best case,Viewer,Provenance,Hardware");
        }

        @Test
        void drawsTheVolumeAndItsLabels() throws IOException {
            openViewer(report.toUri());
            BufferedImage drawn = canvas();
            assertThat(share(drawn, BrowserTests::isGrey)).isGreaterThan(0.05);
            assertThat(share(drawn, BrowserTests::isColoured)).isGreaterThan(0.005);
        }

        @Test
        void showsAnotherSliceWhenTheSliderIsMoved() throws IOException {
            openViewer(report.toUri());
            press("Axial");
            BufferedImage before = canvas();
            int slice = browser.evaluate("Number(" + VIEWER + ".dataset.slice)").asInt();
            moveSliceBy(-6);
            assertThat(browser.evaluate("Number(" + VIEWER + ".dataset.slice)").asInt())
                    .isEqualTo(slice - 6);
            assertThat(difference(before, canvas())).isGreaterThan(0.02);
        }

        @Test
        void hidesLayersAndLabelsThatAreUnticked() throws IOException {
            openViewer(report.toUri());
            press("Axial");
            double all = share(canvas(), BrowserTests::isColoured);
            tick("lesion");
            double organOnly = share(canvas(), BrowserTests::isColoured);
            assertThat(organOnly).isBetween(0.001, all);
            tick("lesion");
            tick("Truth");
            double predictionOnly = share(canvas(), BrowserTests::isColoured);
            assertThat(predictionOnly).isBetween(0.001, all * 0.999);
            tick("Prediction");
            assertThat(share(canvas(), BrowserTests::isColoured)).isLessThan(0.001);
            tick("Truth");
            tick("Prediction");
            assertThat(share(canvas(), BrowserTests::isColoured)).isEqualTo(all);
        }

        @Test
        void showsTheOtherCasesAndThreeDimensions() throws IOException {
            openViewer(report.toUri());
            browser.evaluate(
                    "(() => { const picker = document.querySelector('#viewer select'); picker.selectedIndex = 2; picker.dispatchEvent(new Event('change')); })()");
            browser.until(
                    VIEWER + ".dataset.case === 'phantom_001 (best)' && " + VIEWER + ".dataset.state === 'ready'");
            press("3D");
            assertThat(share(canvas(), BrowserTests::isColoured)).isGreaterThan(0.005);
            assertThat(browser.errors()).isEmpty();
        }

        @Test
        void fitsAPhoneAndIsDarkWhenAsked() throws IOException {
            browser.resize(390, 844, 2, true);
            browser.dark(true);
            try {
                openViewer(report.toUri());
                assertThat(browser.evaluate("document.documentElement.scrollWidth")
                                .asInt())
                        .isLessThanOrEqualTo(390);
                assertThat(browser.evaluate("getComputedStyle(document.body).backgroundColor")
                                .asText())
                        .isEqualTo("rgb(20, 22, 26)");
                Path pictures = Files.createDirectories(Path.of("target", "screenshots"));
                Files.write(pictures.resolve("report-phone-dark.png"), browser.screenshot(true));
            } finally {
                browser.resize(1280, 800, 1, false);
                browser.dark(false);
            }
        }

        @Test
        void canBePrinted() throws IOException {
            browser.open(report.toUri());
            assertThat(browser.pdf()).startsWith("%PDF-".getBytes(java.nio.charset.StandardCharsets.US_ASCII));
            Path pictures = Files.createDirectories(Path.of("target", "screenshots"));
            Files.write(pictures.resolve("report-laptop.png"), browser.screenshot(true));
        }
    }

    @Nested
    class TheServedViewer {
        private ViewServer start() throws IOException {
            return ViewServer.start(
                    List.of(data.resolve("imagesTr/phantom_002.nii.gz")),
                    List.of(
                            data.resolve("labelsTr/phantom_002.nii.gz"),
                            folder.resolve("predictions/phantom_002.nii.gz")),
                    0);
        }

        @Test
        void drawsMovesAndTogglesAsTheReportDoes() throws IOException {
            try (ViewServer server = start()) {
                openViewer(server.address());
                BufferedImage drawn = canvas();
                assertThat(share(drawn, BrowserTests::isGrey)).isGreaterThan(0.05);
                assertThat(share(drawn, BrowserTests::isColoured)).isGreaterThan(0.005);
                press("Coronal");
                BufferedImage before = canvas();
                moveSliceBy(5);
                assertThat(difference(before, canvas())).isGreaterThan(0.02);
                moveSliceBy(-5);
                tick("label 1");
                tick("label 2");
                assertThat(share(canvas(), BrowserTests::isColoured)).isLessThan(0.001);
                assertThat(browser.errors()).isEmpty();
                assertThat(browser.requests())
                        .allMatch(url -> url.startsWith(server.address().toString())
                                || url.startsWith("data:")
                                || url.startsWith("blob:"));
            }
        }

        @Test
        void changesTheChannelAndStaysWhereItIs() throws IOException {
            try (ViewServer server = ViewServer.start(
                    List.of(data.resolve("imagesTr/phantom_002.nii.gz"), data.resolve("imagesTr/phantom_003.nii.gz")),
                    List.of(data.resolve("labelsTr/phantom_002.nii.gz")),
                    0)) {
                openViewer(server.address());
                press("Axial");
                moveSliceBy(-4);
                String slice = browser.evaluate(VIEWER + ".dataset.slice").asText();
                BufferedImage first = canvas();
                chooseChannel(1, "phantom_003");
                assertThat(difference(first, canvas())).isGreaterThan(0.05);
                assertThat(share(canvas(), BrowserTests::isColoured)).isGreaterThan(0.005);
                assertThat(browser.evaluate(VIEWER + ".dataset.slice").asText()).isEqualTo(slice);
                chooseChannel(0, "phantom_002");
                assertThat(difference(first, canvas())).isLessThan(0.001);
                assertThat(browser.errors()).isEmpty();
            }
        }

        private void chooseChannel(int index, String name) throws IOException {
            browser.evaluate(
                    "(() => { const picker = document.querySelector('#viewer select.channel'); picker.selectedIndex = "
                            + index + "; picker.dispatchEvent(new Event('change')); })()");
            browser.until(VIEWER + ".dataset.channel === '" + name + "' && " + VIEWER + ".dataset.state === 'ready'");
        }

        @Test
        void answersThisMachineOnly() throws IOException, InterruptedException {
            try (ViewServer server = start()) {
                assertThat(server.address().getHost()).isEqualTo("127.0.0.1");
                HttpClient client = HttpClient.newHttpClient();
                URI elsewhere = server.address().resolve("/etc/passwd");
                assertThat(client.send(
                                        HttpRequest.newBuilder(elsewhere).build(),
                                        HttpResponse.BodyHandlers.discarding())
                                .statusCode())
                        .isEqualTo(404);
                try (java.net.Socket socket =
                        new java.net.Socket("127.0.0.1", server.address().getPort())) {
                    socket.getOutputStream()
                            .write("GET / HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n"
                                    .getBytes(java.nio.charset.StandardCharsets.US_ASCII));
                    assertThat(new String(
                                    socket.getInputStream().readAllBytes(), java.nio.charset.StandardCharsets.US_ASCII))
                            .startsWith("HTTP/1.1 403");
                }
            }
        }
    }
}
