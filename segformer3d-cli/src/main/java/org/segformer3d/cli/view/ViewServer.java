package org.segformer3d.cli.view;

import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import org.segformer3d.data.dataset.CaseReader;
import org.segformer3d.data.dataset.ImageNames;
import org.segformer3d.data.format.VolumeFiles;
import org.segformer3d.data.volume.Geometry;
import org.segformer3d.data.volume.GridMatch;
import org.segformer3d.data.volume.Volume;
import org.segformer3d.data.volume.VolumeFormatException;
import org.segformer3d.eval.report.Viewer;

/**
 * Serves one page that shows a scan and labels, to this machine only.
 *
 * <p>It listens on the loopback interface and answers only requests for it by that name, so that no other machine and no other site's
 * page can reach it, and it gives out these volumes, the page and its script, nothing else.
 */
public final class ViewServer implements AutoCloseable {
    private final HttpServer server;
    private final ExecutorService threads;
    private final Map<String, Answer> answers = new LinkedHashMap<>();

    /** What is sent for a path. */
    private record Answer(String type, byte[] body) {}

    private ViewServer(HttpServer server) {
        this.server = server;
        threads = Executors.newFixedThreadPool(4);
    }

    /**
     * Reads the volumes and starts.
     *
     * @param images the scan: a file or several that hold its channels, of which one at a time is shown
     * @param labels label volumes; these, and channels, that lie on another grid than the first channel are brought to its
     * @param port on the loopback interface, 0 for a free one
     * @throws IOException when a file can't be read, this was built without the viewer, or the port can't be had
     */
    public static ViewServer start(List<Path> images, List<Path> labels, int port) throws IOException {
        byte[] library = Viewer.library()
                .orElseThrow(() -> new IOException("this program was built without npm and so without the viewer;"
                        + " install npm (Debian: apt-get install npm) and build again"));
        HttpServer http = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), port), 0);
        ViewServer server = new ViewServer(http);
        try {
            server.answers.put("/niivue.js", new Answer("text/javascript; charset=utf-8", library));
            server.page(images, labels);
        } catch (IOException | RuntimeException e) {
            server.close();
            throw e;
        }
        http.setExecutor(server.threads);
        http.createContext("/", server::answer);
        http.start();
        return server;
    }

    /** Returns where a browser finds the page. */
    public URI address() {
        return URI.create("http://127.0.0.1:" + server.getAddress().getPort() + "/");
    }

    private void page(List<Path> images, List<Path> labels) throws IOException {
        Path image = images.get(0);
        List<Map<String, Object>> channels = new ArrayList<>();
        Geometry grid = null;
        for (Path file : images) {
            Volume read = CaseReader.read(file);
            grid = grid == null ? read.geometry() : grid;
            for (int c = 0; c < read.channels(); c++) {
                String name = images.size() == 1
                        ? "Channel " + (c + 1)
                        : ImageNames.stem(file) + (read.channels() == 1 ? "" : " " + (c + 1));
                channels.add(source(
                        name, GridMatch.onGrid(file.toString(), read.channel(c), image.toString(), grid), false));
            }
        }
        List<Map<String, Object>> layers = new ArrayList<>();
        layers.add(Viewer.scan(channels, true));
        Map<Integer, String> values = new TreeMap<>();
        for (Path file : labels) {
            Volume volume;
            try {
                volume = CaseReader.read(file).asLabels();
            } catch (IllegalStateException e) {
                throw new VolumeFormatException(file, e.getMessage(), e);
            }
            Volume onGrid = GridMatch.onGrid(file.toString(), volume, image.toString(), grid);
            for (float value : onGrid.values()) {
                if (value != 0) {
                    values.putIfAbsent((int) value, "label " + (int) value);
                }
            }
            layers.add(Viewer.labelLayer(source(file.getFileName().toString(), onGrid, true)));
        }
        Map<String, Object> specification = new LinkedHashMap<>();
        specification.put("library", Map.of("url", "/niivue.js"));
        specification.put("eager", true);
        specification.put("cases", List.of(Map.of("name", image.getFileName().toString(), "layers", layers)));
        specification.put("labels", Viewer.labels(values));
        String title = escape(image.getFileName().toString());
        String page = """
                <!doctype html>
                <html lang="en">
                <head>
                <meta charset="utf-8">
                <meta name="viewport" content="width=device-width, initial-scale=1">
                <link rel="icon" href="data:,">
                <title>TITLE</title>
                <style>
                STYLE
                body > main { max-width: none; }
                header { margin: 1.25rem 0 1rem; }
                .viewer .stage { height: max(18rem, calc(100vh - 15rem)); }
                </style>
                </head>
                <body>
                <main>
                <header><h1>TITLE</h1><p class="quiet">GEOMETRY</p></header>
                <div class="viewer" id="viewer"><noscript>The viewer needs JavaScript.</noscript></div>
                </main>
                <script type="application/json" id="viewer-specification">SPECIFICATION</script>
                <script>
                SCRIPT
                segformerViewer(document.getElementById('viewer'), JSON.parse(document.getElementById('viewer-specification').textContent));
                </script>
                </body>
                </html>
                """.replace("STYLE", Viewer.style())
                .replace("SCRIPT", Viewer.script())
                .replace("SPECIFICATION", Viewer.json(specification))
                .replace("GEOMETRY", escape(grid.toString()))
                .replace("TITLE", title);
        answers.put("/", new Answer("text/html; charset=utf-8", page.getBytes(StandardCharsets.UTF_8)));
    }

    private Map<String, Object> source(String name, Volume volume, boolean labels) throws IOException {
        String path = "/" + answers.size() + ".nii.gz";
        Path file = Files.createTempFile("segformer3d", ".nii.gz");
        try {
            if (labels) {
                VolumeFiles.writeLabels(file, volume);
            } else {
                VolumeFiles.write(file, volume);
            }
            answers.put(path, new Answer("application/octet-stream", Files.readAllBytes(file)));
        } finally {
            Files.deleteIfExists(file);
        }
        return Viewer.source(name, Map.of("url", path), path.substring(1));
    }

    private static String escape(String text) {
        return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;");
    }

    private void answer(HttpExchange exchange) throws IOException {
        try (exchange) {
            exchange.getRequestBody().readAllBytes();
            Answer answer = answers.get(exchange.getRequestURI().getPath());
            boolean get = exchange.getRequestMethod().equals("GET");
            int status = !isForThisMachine(exchange) ? 403 : !get ? 405 : answer == null ? 404 : 200;
            byte[] body = status == 200
                    ? answer.body()
                    : (switch (status) {
                                case 403 -> "This viewer serves its own machine only.\n";
                                case 405 -> "Only GET is answered here.\n";
                                default -> "There is nothing here.\n";
                            })
                            .getBytes(StandardCharsets.UTF_8);
            exchange.getResponseHeaders().set("Content-Type", status == 200 ? answer.type() : "text/plain");
            exchange.getResponseHeaders().set("Cache-Control", "no-store");
            exchange.getResponseHeaders().set("X-Content-Type-Options", "nosniff");
            exchange.getResponseHeaders()
                    .set(
                            "Content-Security-Policy",
                            "default-src 'none'; img-src 'self' data: blob:; style-src 'unsafe-inline';"
                                    + " script-src 'self' 'unsafe-inline' blob:; connect-src 'self' data: blob:;"
                                    + " frame-ancestors 'none'");
            exchange.sendResponseHeaders(status, body.length);
            exchange.getResponseBody().write(body);
        }
    }

    /** A page elsewhere can make its own name mean this machine; what it then asks for still carries that name. */
    private static boolean isForThisMachine(HttpExchange exchange) {
        String host = exchange.getRequestHeaders().getFirst("Host");
        String name = host == null ? "" : host.toLowerCase(Locale.ROOT).replaceAll(":\\d+$", "");
        return exchange.getRemoteAddress().getAddress().isLoopbackAddress()
                && List.of("127.0.0.1", "localhost", "[::1]").contains(name);
    }

    @Override
    public void close() {
        server.stop(0);
        threads.shutdownNow();
    }
}
