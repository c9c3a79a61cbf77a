package org.segformer3d.server.http;

import io.javalin.Javalin;
import io.javalin.compression.CompressionStrategy;
import io.javalin.config.JavalinConfig;
import io.javalin.http.Context;
import io.javalin.http.HttpResponseException;
import java.io.IOException;
import java.net.UnknownHostException;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import org.eclipse.jetty.io.EofException;
import org.eclipse.jetty.server.HttpConfiguration;
import org.eclipse.jetty.server.HttpConnectionFactory;
import org.eclipse.jetty.server.NetworkConnectionLimit;
import org.eclipse.jetty.server.Server;
import org.eclipse.jetty.server.ServerConnector;
import org.eclipse.jetty.util.thread.QueuedThreadPool;
import org.segformer3d.server.ServerOptions;
import org.segformer3d.server.job.Problem;
import org.segformer3d.server.job.ProblemException;
import org.segformer3d.server.job.Problems;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** The web server around the routes: connections, who may ask, what every answer has, and what is counted. */
public final class FrontEnd implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(FrontEnd.class);
    private static final int HEAD_BYTES = 8192;
    private static final int SPARE_THREADS = 16;
    private static final String ID = "org.segformer3d.server.requestId";
    private static final String ROUTE = "org.segformer3d.server.route";
    private static final Set<String> METHODS = Set.of("GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH");

    private final ServerOptions options;
    private final Metrics metrics;
    private final Gate gate;
    private final ConnectionGuard guard;
    private final Javalin javalin;
    private ServerConnector connector;
    private int port;

    /**
     * Builds the server without starting it.
     *
     * @param clock watches over slow clients
     * @throws UnknownHostException when the host to listen on isn't known
     */
    public FrontEnd(ServerOptions options, List<Route> routes, Metrics metrics, ScheduledExecutorService clock)
            throws UnknownHostException {
        this.options = options;
        this.metrics = metrics;
        this.gate = new Gate(options);
        this.guard = new ConnectionGuard(options.timeouts().header());
        metrics.counter("segformer3d_http_requests_total", "Requests answered.")
                .histogram("segformer3d_http_request_seconds", "Time from a request's head to the end of its answer.")
                .gauge("segformer3d_http_connections", "Connections that are open.", guard::connections);
        long often = Math.max(10, Math.min(1000, options.timeouts().header().toMillis() / 4));
        clock.scheduleWithFixedDelay(guard::sweep, often, often, TimeUnit.MILLISECONDS);
        this.javalin = Javalin.create(config -> configure(config, routes));
    }

    private void configure(JavalinConfig config, List<Route> routes) {
        config.startup.showJavalinBanner = false;
        config.startup.showOldJavalinVersionWarning = false;
        config.startup.startupWatcherEnabled = false;
        config.http.prefer405over404 = true;
        // Scans and labels are compressed already, and 3D Slicer's client can't read an answer in chunks.
        config.http.compressionStrategy = CompressionStrategy.NONE;
        // A connection has at most one request at a time, so with as many threads none waits for another.
        QueuedThreadPool threads = new QueuedThreadPool(options.limits().connections() + SPARE_THREADS);
        threads.setName("http");
        config.jetty.threadPool = threads;
        config.jetty.modifyHttpConfiguration(http -> {
            http.setSendServerVersion(false);
            http.setRequestHeaderSize(HEAD_BYTES);
        });
        config.jetty.addConnector(this::connector);
        config.jetty.modifyServer(server -> {
            server.setErrorHandler(new JsonErrorHandler());
            server.setHandler(guard);
        });
        config.requestLogger.http(this::log);
        config.routes.before(ctx -> {
            String id = RequestId.of(ctx.header(Answers.REQUEST_ID));
            ctx.attribute(ID, id);
            ctx.header(Answers.REQUEST_ID, id);
            ctx.header("X-Content-Type-Options", "nosniff");
            ctx.header("Cache-Control", "no-store");
        });
        for (Route route : routes) {
            config.routes.addHttpHandler(route.method(), route.path(), ctx -> {
                ctx.attribute(ROUTE, route.path());
                gate.require(ctx, route.open());
                try {
                    route.handler().handle(ctx);
                } catch (Error e) {
                    // One request's lack of memory must not take the others with it.
                    answer(ctx, Problems.of(e, id(ctx)));
                }
            });
        }
        config.routes.exception(ProblemException.class, (e, ctx) -> answer(ctx, e.problem()));
        config.routes.exception(
                HttpResponseException.class,
                (e, ctx) ->
                        answer(ctx, new Problem(Math.max(400, e.getStatus()), code(e.getStatus()), e.getMessage())));
        config.routes.exception(ClientGoneException.class, (e, ctx) -> {
            LOG.debug("{}: {}", id(ctx), e.getMessage());
            answer(ctx, new Problem(499, "client_gone", e.getMessage()));
        });
        config.routes.exception(Exception.class, (e, ctx) -> {
            if (e instanceof EofException || ctx.res().isCommitted()) {
                LOG.debug("{}: the client went away: {}", id(ctx), e.toString());
                return;
            }
            answer(ctx, Problems.of(e, id(ctx)));
        });
    }

    private ServerConnector connector(Server server, HttpConfiguration http) {
        connector = new ServerConnector(server, 1, 1, new HttpConnectionFactory(http));
        connector.setHost(options.host());
        connector.setPort(options.port());
        connector.setIdleTimeout(options.timeouts().idle().toMillis());
        connector.addBean(guard, false);
        server.addBean(new NetworkConnectionLimit(options.limits().connections(), connector));
        return connector;
    }

    private static String id(Context ctx) {
        String id = ctx.attribute(ID);
        return id == null ? RequestId.fresh() : id;
    }

    private static String code(int status) {
        return switch (status) {
            case 404 -> "no_such_route";
            case 405 -> "wrong_method";
            default -> "bad_request";
        };
    }

    private static void answer(Context ctx, Problem problem) {
        if (!ctx.res().isCommitted()) {
            ctx.res().reset();
            ctx.header(Answers.REQUEST_ID, id(ctx));
            if (problem.status() == 401) {
                ctx.header("WWW-Authenticate", "Bearer");
            }
            Answers.problem(ctx, problem, id(ctx));
        }
    }

    private void log(Context ctx, Float milliseconds) {
        String route = ctx.attribute(ROUTE);
        String method = ctx.req().getMethod();
        int status = ctx.res().getStatus();
        metrics.add(
                "segformer3d_http_requests_total",
                1,
                "method",
                METHODS.contains(method) ? method : "other",
                "route",
                route == null ? "none" : route,
                "status",
                Integer.toString(status));
        metrics.observe(
                "segformer3d_http_request_seconds", milliseconds / 1000.0, "route", route == null ? "none" : route);
        if (LOG.isInfoEnabled()) {
            LOG.info(String.format(
                    Locale.ROOT,
                    "%s %s %s %d %.0f ms",
                    id(ctx),
                    method,
                    Names.shown(ctx.path().replace('/', '\u2215'), "").replace('\u2215', '/'),
                    status,
                    milliseconds));
        }
    }

    /**
     * Starts to listen.
     *
     * @throws IOException when the address can't be had, for example because the port is taken
     */
    public void start() throws IOException {
        try {
            javalin.start();
            port = connector.getLocalPort();
        } catch (RuntimeException e) {
            Throwable cause = e;
            while (cause.getCause() != null && !(cause instanceof IOException)) {
                cause = cause.getCause();
            }
            throw new IOException(
                    "can't listen on " + options.host() + ":" + options.port() + ": " + cause.getMessage()
                            + "; choose another port or host",
                    e);
        }
    }

    /** Returns the port it listens on. */
    public int port() {
        return port;
    }

    /** Returns how many requests are being answered. */
    public int active() {
        return guard.active();
    }

    /** Ends all connections. */
    @Override
    public void close() {
        javalin.stop();
    }
}
