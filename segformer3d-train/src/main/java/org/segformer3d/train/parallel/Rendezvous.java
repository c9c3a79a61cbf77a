package org.segformer3d.train.parallel;

import java.time.Duration;
import java.util.Objects;

/**
 * Where processes meet, and which of them this one is.
 *
 * @param host name or address of the machine of process 0
 * @param port TCP port that process 0 listens on; 0 for any free one, known once it listens
 * @param rank number of this process, from 0
 * @param size how many processes there are
 * @param timeout how long to wait for the others at the start, and how long one may be silent later
 */
public record Rendezvous(String host, int port, int rank, int size, Duration timeout) {
    /** What {@link #timeout()} is when nothing else is asked for. */
    public static final Duration USUAL_TIMEOUT = Duration.ofMinutes(5);

    /** Validates. */
    public Rendezvous {
        Objects.requireNonNull(host, "host");
        Objects.requireNonNull(timeout, "timeout");
        if (size < 1) {
            throw new IllegalArgumentException("number of processes: found " + size + ", expected 1 or more");
        }
        if (rank < 0 || rank >= size) {
            throw new IllegalArgumentException("rank: found " + rank + " of " + size + " processes, expected "
                    + (size == 1 ? "0" : "0 to " + (size - 1)));
        }
        if (port < 0 || port > 65535) {
            throw new IllegalArgumentException("port: found " + port + ", expected 1 to 65535");
        }
        if (timeout.compareTo(Duration.ofSeconds(1)) < 0) {
            throw new IllegalArgumentException("time-out: found " + timeout.toMillis() + " ms, expected 1 s or more");
        }
    }

    /**
     * Parses {@code host:port}; an IPv6 address stands in brackets.
     *
     * @throws IllegalArgumentException for any other text
     */
    public static Rendezvous parse(String text, int rank, int size, Duration timeout) {
        int colon = text.lastIndexOf(':');
        String host = colon < 0 ? "" : text.substring(0, colon);
        if (host.startsWith("[") && host.endsWith("]")) {
            host = host.substring(1, host.length() - 1);
        } else if (host.indexOf(':') >= 0) {
            host = "";
        }
        int port;
        try {
            port = Integer.parseInt(text.substring(colon + 1));
        } catch (NumberFormatException e) {
            port = 0;
        }
        if (host.isEmpty() || port < 1 || port > 65535) {
            throw new IllegalArgumentException(
                    "rendezvous: found '" + text + "', expected HOST:PORT of process 0, such as 10.0.0.1:29500");
        }
        return new Rendezvous(host, port, rank, size, timeout);
    }

    @Override
    public String toString() {
        return (host.indexOf(':') < 0 ? host : "[" + host + "]") + ":" + port;
    }
}
