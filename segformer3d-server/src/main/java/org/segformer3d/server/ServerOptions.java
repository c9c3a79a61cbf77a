package org.segformer3d.server;

import java.nio.file.Path;
import java.util.Objects;
import java.util.Optional;

/**
 * Where a server listens and what it allows.
 *
 * @param host name or address to listen on, never blank
 * @param port 0 for any free one, up to 65535
 * @param token what clients must present as {@code Authorization: Bearer TOKEN}; empty to ask for none
 * @param datastore folder of images and labels; empty for a temporary one that goes with the server
 * @param limits how much, never {@code null}
 * @param timeouts how long, never {@code null}
 */
public record ServerOptions(
        String host, int port, Optional<String> token, Optional<Path> datastore, Limits limits, Timeouts timeouts) {
    /** Port of MONAI Label servers, which 3D Slicer's extension proposes. */
    public static final int DEFAULT_PORT = 8000;

    private static final int SHORTEST_TOKEN = 16;

    /** Validates. */
    public ServerOptions {
        Objects.requireNonNull(datastore, "datastore");
        Objects.requireNonNull(limits, "limits");
        Objects.requireNonNull(timeouts, "timeouts");
        if (host.isBlank()) {
            throw new IllegalArgumentException("host: found '" + host + "', expected a name or an address");
        }
        if (port < 0 || port > 65535) {
            throw new IllegalArgumentException("port: found " + port + ", expected 0 to 65535");
        }
        token.ifPresent(text -> {
            // The text itself is a secret, so it is not part of the message.
            if (text.length() < SHORTEST_TOKEN || !text.chars().allMatch(c -> c > ' ' && c < 127)) {
                throw new IllegalArgumentException("token: found " + text.length() + " characters, expected at least "
                        + SHORTEST_TOKEN + " of ASCII without white space, for example from 'openssl rand -hex 32'");
            }
        });
    }

    /** Returns loopback, port 8000, no token, a temporary datastore and the default limits. */
    public static ServerOptions defaults() {
        return new ServerOptions(
                "127.0.0.1", DEFAULT_PORT, Optional.empty(), Optional.empty(), Limits.defaults(), Timeouts.defaults());
    }

    /** Returns these options at another address. */
    public ServerOptions at(String newHost, int newPort) {
        return new ServerOptions(newHost, newPort, token, datastore, limits, timeouts);
    }

    /** Returns these options with a token that clients must present. */
    public ServerOptions withToken(String newToken) {
        return new ServerOptions(host, port, Optional.of(newToken), datastore, limits, timeouts);
    }

    /** Returns these options with a folder of images and labels. */
    public ServerOptions withDatastore(Path folder) {
        return new ServerOptions(host, port, token, Optional.of(folder), limits, timeouts);
    }

    /** Returns these options with other limits. */
    public ServerOptions with(Limits newLimits) {
        return new ServerOptions(host, port, token, datastore, newLimits, timeouts);
    }

    /** Returns these options with other times. */
    public ServerOptions with(Timeouts newTimeouts) {
        return new ServerOptions(host, port, token, datastore, limits, newTimeouts);
    }

    /** Returns the options without the token, which is a secret. */
    @Override
    public String toString() {
        return "ServerOptions[host=" + host + ", port=" + port + ", token=" + (token.isPresent() ? "set" : "none")
                + ", datastore=" + datastore + ", limits=" + limits + ", timeouts=" + timeouts + "]";
    }
}
