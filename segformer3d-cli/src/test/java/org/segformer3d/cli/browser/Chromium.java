package org.segformer3d.cli.browser;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.awt.image.BufferedImage;
import java.io.BufferedReader;
import java.io.ByteArrayInputStream;
import java.io.File;
import java.io.IOException;
import java.io.InputStreamReader;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.WebSocket;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Base64;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.Stream;
import javax.imageio.ImageIO;

/** A headless Chromium with one page, driven through its DevTools protocol. */
public final class Chromium implements AutoCloseable {
    private static final ObjectMapper JSON = new ObjectMapper();
    private static final String LISTENING = "DevTools listening on ";
    private static final int PATIENCE_SECONDS = 120;

    private final Process process;
    private final Path profile;
    private final WebSocket socket;
    private final AtomicInteger lastId = new AtomicInteger();
    private final Map<Integer, CompletableFuture<JsonNode>> waiting = new ConcurrentHashMap<>();
    private final List<String> errors = new CopyOnWriteArrayList<>();
    private final List<String> requests = new CopyOnWriteArrayList<>();
    private final String session;

    private Chromium(Process process, Path profile, String address) throws IOException {
        this.process = process;
        this.profile = profile;
        socket = HttpClient.newHttpClient()
                .newWebSocketBuilder()
                .buildAsync(URI.create(address), new Listener())
                .join();
        String target = call(null, "Target.createTarget", Map.of("url", "about:blank"))
                .get("targetId")
                .asText();
        session = call(null, "Target.attachToTarget", Map.of("targetId", target, "flatten", true))
                .get("sessionId")
                .asText();
        for (String domain : List.of("Page", "Runtime", "Log", "Network")) {
            call(domain + ".enable", Map.of());
        }
    }

    /** Returns the browser's program: that of the variable {@code CHROMIUM}, or one on the path. */
    public static Optional<Path> find() {
        List<Path> candidates = new ArrayList<>();
        if (System.getenv("CHROMIUM") != null) {
            candidates.add(Path.of(System.getenv("CHROMIUM")));
        }
        for (String folder : System.getenv("PATH").split(File.pathSeparator)) {
            for (String name : List.of("chromium", "chromium-browser", "google-chrome")) {
                candidates.add(Path.of(folder, name));
            }
        }
        return candidates.stream().filter(Files::isExecutable).findFirst();
    }

    /** Starts the browser with a page of laptop size. */
    public static Chromium start(Path program) throws IOException {
        Path profile = Files.createTempDirectory("segformer3d-chromium");
        Process process = new ProcessBuilder(
                        program.toString(),
                        "--headless=new",
                        // Containers mostly run as root and without the rights that the sandbox needs.
                        "--no-sandbox",
                        "--disable-dev-shm-usage",
                        "--use-gl=angle",
                        "--use-angle=swiftshader",
                        "--enable-unsafe-swiftshader",
                        "--hide-scrollbars",
                        "--no-first-run",
                        "--disable-background-networking",
                        "--remote-debugging-port=0",
                        "--user-data-dir=" + profile,
                        "about:blank")
                .redirectOutput(ProcessBuilder.Redirect.DISCARD)
                .start();
        BufferedReader messages =
                new BufferedReader(new InputStreamReader(process.getErrorStream(), StandardCharsets.UTF_8));
        StringBuilder heard = new StringBuilder();
        for (String line = messages.readLine(); line != null; line = messages.readLine()) {
            heard.append(line).append('\n');
            if (line.startsWith(LISTENING)) {
                // Read on, or the browser would stop once the pipe is full.
                Thread drain = new Thread(() -> messages.lines().forEach(ignored -> {}), "chromium messages");
                drain.setDaemon(true);
                drain.start();
                return new Chromium(process, profile, line.substring(LISTENING.length()));
            }
        }
        throw new IOException(program + " ended without listening: " + heard);
    }

    /** Opens an address and waits until it is loaded. */
    public void open(URI address) throws IOException {
        errors.clear();
        requests.clear();
        call("Page.navigate", Map.of("url", address.toString()));
        until("document.readyState === 'complete' && location.href === " + JSON.writeValueAsString(address.toString()));
    }

    /** Returns the value of an expression, awaited when it is a promise. */
    public JsonNode evaluate(String expression) throws IOException {
        JsonNode answer =
                call("Runtime.evaluate", Map.of("expression", expression, "returnByValue", true, "awaitPromise", true));
        if (answer.has("exceptionDetails")) {
            throw new IOException(expression + ": " + answer.get("exceptionDetails"));
        }
        return answer.get("result").path("value");
    }

    /** Waits until an expression is true. */
    public void until(String expression) throws IOException {
        long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(PATIENCE_SECONDS);
        while (!evaluate(expression).asBoolean()) {
            if (System.nanoTime() > end) {
                throw new IOException("never true: " + expression + "; errors of the page: " + errors);
            }
            try {
                Thread.sleep(50);
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
                throw new IOException(e);
            }
        }
    }

    /** Sets the size of the page. */
    public void resize(int width, int height, double scale, boolean phone) throws IOException {
        call(
                "Emulation.setDeviceMetricsOverride",
                Map.of("width", width, "height", height, "deviceScaleFactor", scale, "mobile", phone));
    }

    /** Asks the page for its dark or light form. */
    public void dark(boolean dark) throws IOException {
        call(
                "Emulation.setEmulatedMedia",
                Map.of("features", List.of(Map.of("name", "prefers-color-scheme", "value", dark ? "dark" : "light"))));
    }

    /** Returns what is visible of the page, or all of it. */
    public byte[] screenshot(boolean all) throws IOException {
        JsonNode shot = call("Page.captureScreenshot", Map.of("format", "png", "captureBeyondViewport", all));
        return Base64.getDecoder().decode(shot.get("data").asText());
    }

    /** Returns the picture of the first element that a selector finds, scrolled into view first. */
    public BufferedImage picture(String selector) throws IOException {
        String element = "document.querySelector(" + JSON.writeValueAsString(selector) + ")";
        evaluate(element + ".scrollIntoView({block: 'center'})");
        // Two frames: what was drawn for the first is on the screen with the second.
        evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => done(1))))");
        JsonNode box = evaluate("(() => { const r = " + element + ".getBoundingClientRect();"
                + " return {x: r.x + scrollX, y: r.y + scrollY, width: r.width, height: r.height, scale: 1}; })()");
        JsonNode shot = call("Page.captureScreenshot", Map.of("format", "png", "clip", box));
        return ImageIO.read(new ByteArrayInputStream(
                Base64.getDecoder().decode(shot.get("data").asText())));
    }

    /** Returns the page as it would be printed. */
    public byte[] pdf() throws IOException {
        return Base64.getDecoder()
                .decode(call("Page.printToPDF", Map.of("printBackground", false, "preferCSSPageSize", true))
                        .get("data")
                        .asText());
    }

    /** Returns what the page complained about since it was opened. */
    public List<String> errors() {
        return List.copyOf(errors);
    }

    /** Returns the addresses that the page asked for since it was opened. */
    public List<String> requests() {
        return List.copyOf(requests);
    }

    private JsonNode call(String method, Map<String, ?> parameters) throws IOException {
        return call(session, method, parameters);
    }

    private JsonNode call(String inSession, String method, Map<String, ?> parameters) throws IOException {
        int id = lastId.incrementAndGet();
        CompletableFuture<JsonNode> answer = new CompletableFuture<>();
        waiting.put(id, answer);
        ObjectNode message = JSON.createObjectNode().put("id", id).put("method", method);
        message.set("params", JSON.valueToTree(parameters));
        if (inSession != null) {
            message.put("sessionId", inSession);
        }
        try {
            socket.sendText(JSON.writeValueAsString(message), true).get(PATIENCE_SECONDS, TimeUnit.SECONDS);
            JsonNode found = answer.get(PATIENCE_SECONDS, TimeUnit.SECONDS);
            if (found.has("error")) {
                throw new IOException(method + ": " + found.get("error"));
            }
            return found.get("result");
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new IOException(e);
        } catch (java.util.concurrent.ExecutionException | java.util.concurrent.TimeoutException e) {
            throw new IOException(method + ": " + e, e);
        }
    }

    private void heard(JsonNode message) {
        if (message.has("id")) {
            CompletableFuture<JsonNode> answer =
                    waiting.remove(message.get("id").asInt());
            if (answer != null) {
                answer.complete(message);
            }
            return;
        }
        JsonNode parameters = message.path("params");
        switch (message.path("method").asText()) {
            case "Runtime.exceptionThrown" ->
                errors.add(parameters.path("exceptionDetails").toString());
            case "Runtime.consoleAPICalled" -> {
                if (parameters.path("type").asText().equals("error")) {
                    errors.add(parameters.path("args").toString());
                }
            }
            case "Log.entryAdded" -> {
                if (parameters.path("entry").path("level").asText().equals("error")) {
                    errors.add(parameters.path("entry").toString());
                }
            }
            case "Network.requestWillBeSent" ->
                requests.add(parameters.path("request").path("url").asText());
            default -> {
                // Nothing to keep.
            }
        }
    }

    @Override
    public void close() throws IOException {
        socket.abort();
        process.descendants().forEach(ProcessHandle::destroyForcibly);
        process.destroyForcibly();
        try {
            process.waitFor(10, TimeUnit.SECONDS);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
        List<Path> deepestFirst;
        try (Stream<Path> tree = Files.walk(profile)) {
            deepestFirst = tree.sorted(Comparator.reverseOrder()).toList();
        } catch (java.io.UncheckedIOException e) {
            // The last of the browser's processes is still tidying up.
            return;
        }
        for (Path path : deepestFirst) {
            path.toFile().delete();
        }
    }

    /** Puts the parts of messages together. */
    private final class Listener implements WebSocket.Listener {
        private final StringBuilder text = new StringBuilder();

        @Override
        public CompletionStage<?> onText(WebSocket from, CharSequence part, boolean last) {
            text.append(part);
            if (last) {
                try {
                    heard(JSON.readTree(text.toString()));
                } catch (IOException e) {
                    errors.add("not JSON: " + e.getMessage());
                }
                text.setLength(0);
            }
            from.request(1);
            return null;
        }
    }
}
