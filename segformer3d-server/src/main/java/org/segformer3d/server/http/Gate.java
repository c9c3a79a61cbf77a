package org.segformer3d.server.http;

import io.javalin.http.Context;
import java.net.InetAddress;
import java.net.UnknownHostException;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.Set;
import org.segformer3d.server.ServerOptions;
import org.segformer3d.server.job.ProblemException;

/** Lets requests in: those with the token where there is one, and on loopback only those that were meant for it. */
final class Gate {
    private static final String SCHEME = "bearer ";

    private final Optional<byte[]> token;
    private final boolean loopback;
    private final Set<String> hosts;

    Gate(ServerOptions options) throws UnknownHostException {
        this.token = options.token().map(Gate::hash);
        this.loopback = InetAddress.getByName(options.host()).isLoopbackAddress();
        this.hosts = Set.copyOf(
                List.of("localhost", "127.0.0.1", "[::1]", options.host().toLowerCase(Locale.ROOT)));
    }

    /** Hashes of equal length are compared, so that the time taken tells nothing about the token, its length included. */
    private static byte[] hash(String text) {
        try {
            return MessageDigest.getInstance("SHA-256").digest(text.getBytes(StandardCharsets.UTF_8));
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException("every Java has SHA-256", e);
        }
    }

    /** Refuses a request that may not be answered. */
    void require(Context ctx, boolean open) {
        if (token.isPresent()) {
            String given = ctx.header("Authorization");
            boolean bearer = given != null && given.toLowerCase(Locale.ROOT).startsWith(SCHEME);
            byte[] hash = hash(bearer ? given.substring(SCHEME.length()).strip() : "");
            if (!open && !MessageDigest.isEqual(hash, token.get())) {
                ctx.header("WWW-Authenticate", "Bearer");
                throw new ProblemException(
                        401,
                        "unauthorized",
                        given == null
                                ? "found no Authorization header, expected 'Bearer' and this server's token"
                                : "the Authorization header doesn't hold this server's token");
            }
        } else if (loopback) {
            requireLocalName(ctx);
        }
    }

    /** A web page can make a browser ask any name that its owner lets point to 127.0.0.1; the Host header then has that name. */
    private void requireLocalName(Context ctx) {
        String host = ctx.header("Host");
        String name = host == null ? "" : host.toLowerCase(Locale.ROOT).replaceFirst(":\\d*$", "");
        if (host != null && !hosts.contains(name)) {
            throw new ProblemException(
                    421,
                    "wrong_host",
                    "found Host '" + Names.shown(host, "?") + "', expected localhost: this server listens for this"
                            + " machine only; start it with a token to reach it by other names");
        }
    }
}
