package org.segformer3d.server.http;

import io.javalin.http.Context;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.ScheduledFuture;
import java.util.concurrent.TimeUnit;
import org.eclipse.jetty.io.EndPoint;
import org.segformer3d.eval.result.Json;
import org.segformer3d.server.job.Problem;

/** Writes answers: JSON, files, and forms that hold both. */
public final class Answers {
    /** Header with the identity of a request. */
    public static final String REQUEST_ID = "X-Request-Id";

    /** Attribute of a request with its connection's end, or absent outside a real server. */
    static final String END_POINT = "org.segformer3d.server.endPoint";

    private static final String JSON = "application/json";
    private static final String GZIP = "application/gzip";

    private final ScheduledExecutorService clock;
    private final Duration transfer;

    /**
     * Creates a writer of answers.
     *
     * @param clock ends connections whose clients take too long
     * @param transfer how long a client may take to receive a file
     */
    public Answers(ScheduledExecutorService clock, Duration transfer) {
        this.clock = clock;
        this.transfer = transfer;
    }

    /** Answers with JSON. */
    public void json(Context ctx, int status, Map<String, ?> map) {
        ctx.status(status).contentType(JSON).result(Json.pretty(map));
    }

    /** Answers with a problem. */
    public static void problem(Context ctx, Problem problem, String requestId) {
        ctx.status(problem.status()).contentType(JSON).result(text(problem, requestId));
        if (problem.status() == 429 || problem.status() == 503) {
            ctx.header("Retry-After", "5");
        }
    }

    /** Returns a problem as JSON. */
    static String text(Problem problem, String requestId) {
        Map<String, Object> map = new LinkedHashMap<>();
        map.put("status", problem.status());
        map.put("error", problem.code());
        map.put("message", problem.message());
        map.put("request_id", requestId);
        return Json.pretty(map);
    }

    /** Answers with a gzipped file. */
    public void file(Context ctx, Path file, String name) throws IOException {
        ctx.header("Content-Disposition", disposition("attachment", name));
        send(ctx, name.endsWith(".gz") ? GZIP : "application/octet-stream", new byte[0], file, new byte[0]);
    }

    /**
     * Answers with a form of two parts, {@code params} with JSON and {@code image} with a file.
     *
     * <p>Its length is stated and it is never sent in chunks: 3D Slicer's client reads the connection itself, past whatever would take chunks
     * apart.
     */
    public void form(Context ctx, Map<String, ?> params, Path file, String name, String boundary) throws IOException {
        String start = "--" + boundary + "\r\nContent-Disposition: form-data; name=\"params\"\r\nContent-Type: " + JSON
                + "\r\n\r\n" + Json.pretty(params).strip() + "\r\n--" + boundary + "\r\nContent-Disposition: "
                + disposition("form-data; name=\"image\"", name) + "\r\nContent-Type: " + GZIP + "\r\n\r\n";
        send(
                ctx,
                "multipart/form-data; boundary=" + boundary,
                start.getBytes(StandardCharsets.UTF_8),
                file,
                ("\r\n--" + boundary + "--\r\n").getBytes(StandardCharsets.UTF_8));
    }

    /** Names come from {@link Names} and from our own, so there is nothing to escape in them. */
    private static String disposition(String kind, String name) {
        return kind + "; filename=\"" + name + "\"";
    }

    private void send(Context ctx, String type, byte[] before, Path file, byte[] after) throws IOException {
        try (InputStream in = Files.newInputStream(file)) {
            ctx.status(200).contentType(type);
            ctx.res().setContentLengthLong(before.length + Files.size(file) + after.length);
            ScheduledFuture<?> limit = ctx.attribute(END_POINT) instanceof EndPoint end
                    ? clock.schedule(() -> end.close(), transfer.toMillis(), TimeUnit.MILLISECONDS)
                    : null;
            try {
                OutputStream out = ctx.res().getOutputStream();
                out.write(before);
                in.transferTo(out);
                out.write(after);
                out.flush();
            } finally {
                if (limit != null) {
                    limit.cancel(false);
                }
            }
        }
    }
}
