package org.segformer3d.server.job;

import java.io.IOException;
import org.segformer3d.data.io.FileFormatException;
import org.segformer3d.data.preprocessing.InvalidCaseException;
import org.segformer3d.eval.inference.MemoryExceededException;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** What a client is told when something is thrown: the real reason where it is about what it sent, and never a stack trace. */
public final class Problems {
    private static final Logger LOG = LoggerFactory.getLogger(Problems.class);

    private Problems() {}

    static Problem of(Throwable thrown, Job job) {
        if (thrown instanceof FileFormatException || thrown instanceof InvalidCaseException) {
            return new Problem(422, "invalid_scan", job.scan().inClientsWords(thrown.getMessage()));
        }
        if (thrown instanceof MemoryExceededException) {
            return new Problem(413, "scan_too_large", job.scan().inClientsWords(thrown.getMessage()));
        }
        return of(thrown, "job " + job.id());
    }

    /**
     * Returns the problem for an exception and logs it where a client can do nothing about it.
     *
     * @param where what the log calls the request
     */
    public static Problem of(Throwable thrown, String where) {
        if (thrown instanceof ProblemException known) {
            return known.problem();
        }
        if (thrown instanceof OutOfMemoryError) {
            LOG.error("{}: out of memory: {}", where, thrown.getMessage());
            return new Problem(
                    507,
                    "out_of_memory",
                    "the server ran out of memory (" + thrown.getMessage()
                            + "); send a smaller scan or try again later");
        }
        LOG.error("{}: failed", where, thrown);
        String kind = thrown instanceof IOException ? "the server couldn't read or write a file" : "internal error";
        return new Problem(
                500,
                "internal",
                kind + ": " + thrown.getClass().getSimpleName()
                        + "; the server's log has the details under the request's or job's id");
    }
}
