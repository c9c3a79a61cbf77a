package org.segformer3d.server;

import java.time.Duration;

/**
 * How long a server waits for what.
 *
 * @param job from a scan's acceptance to its result; after it the job fails with 504
 * @param transfer for the whole body of a request to arrive, and for the whole body of an answer to be taken
 * @param idle for the next byte of either
 * @param header for the head of a request, from its first byte to its last
 * @param keep how long results that were asked for asynchronously, and sessions, are kept
 * @param grace how long accepted jobs may go on after the server is told to stop
 */
public record Timeouts(Duration job, Duration transfer, Duration idle, Duration header, Duration keep, Duration grace) {
    /** Validates. */
    public Timeouts {
        require("job", job);
        require("transfer", transfer);
        require("idle", idle);
        require("header", header);
        require("keep", keep);
        if (grace.isNegative()) {
            throw new IllegalArgumentException("grace: found " + grace + ", expected no negative time");
        }
    }

    private static void require(String name, Duration time) {
        if (time.isNegative() || time.isZero()) {
            throw new IllegalArgumentException(name + ": found " + time + ", expected a time longer than 0");
        }
    }

    /** Returns 30 minutes for a job, 10 minutes for a body, 30 s between bytes, 10 s for a head, 1 hour for results, 30 s of grace. */
    public static Timeouts defaults() {
        return new Timeouts(
                Duration.ofMinutes(30),
                Duration.ofMinutes(10),
                Duration.ofSeconds(30),
                Duration.ofSeconds(10),
                Duration.ofHours(1),
                Duration.ofSeconds(30));
    }

    /** Returns these times with another one for jobs. */
    public Timeouts withJob(Duration time) {
        return new Timeouts(time, transfer, idle, header, keep, grace);
    }

    /** Returns these times with others for bodies, bytes and heads. */
    public Timeouts withNetwork(Duration newTransfer, Duration newIdle, Duration newHeader) {
        return new Timeouts(job, newTransfer, newIdle, newHeader, keep, grace);
    }

    /** Returns these times with another one for results and sessions. */
    public Timeouts withKeep(Duration time) {
        return new Timeouts(job, transfer, idle, header, time, grace);
    }

    /** Returns these times with another grace. */
    public Timeouts withGrace(Duration time) {
        return new Timeouts(job, transfer, idle, header, keep, time);
    }
}
