package org.segformer3d.api.training;

import java.time.Duration;
import java.util.Optional;

/**
 * Processes that train one network together, each on a part of every batch. Whoever starts them implements this; a backend connects its
 * own communication with its help.
 */
public interface ProcessGroup {
    /** Returns this process's number, from 0. The first one leads: what it has is what all get. */
    int rank();

    /** Returns how many processes there are, at least 1. */
    int size();

    /** Returns the name or address of this machine by which the others reach it. */
    String address();

    /** Returns how long a process may be silent before the others give up. */
    Duration timeout();

    /** Returns why the processes can't go on together; empty while they can. Asked by those that wait for others. */
    Optional<String> failure();

    /**
     * Tells a text to all. A collective call: every process makes it, at the same point.
     *
     * @param text the first process's is told; the others' is ignored and may be {@code null}
     * @return what the first process said
     * @throws RuntimeException when a process is gone
     */
    String tell(String text);
}
