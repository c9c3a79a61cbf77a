package org.segformer3d.server;

/**
 * How much of everything a server takes.
 *
 * @param workers scans segmented at the same time, ≥ 1
 * @param queue scans that may wait, ≥ 1; a further one is answered with 429
 * @param connections connections held at the same time, ≥ 1; a further one waits to be accepted
 * @param uploadBytes largest body of a request, ≥ 1
 * @param scanBytes largest estimated memory of one scan, ≥ 1; known from its header before anything is decompressed
 * @param datastoreBytes largest sum of the files that clients stored, ≥ 1
 * @param results finished jobs whose labels are kept to be fetched, ≥ 1
 */
public record Limits(
        int workers, int queue, int connections, long uploadBytes, long scanBytes, long datastoreBytes, int results) {
    private static final long GIB = 1L << 30;

    /** Validates. */
    public Limits {
        require("workers", workers, 1);
        require("queue", queue, 1);
        require("connections", connections, 1);
        require("uploadBytes", uploadBytes, 1);
        require("scanBytes", scanBytes, 1);
        require("datastoreBytes", datastoreBytes, 1);
        require("results", results, 1);
    }

    private static void require(String name, long value, long least) {
        if (value < least) {
            throw new IllegalArgumentException(name + ": found " + value + ", expected at least " + least);
        }
    }

    /**
     * Returns one worker, 16 waiting scans, 256 connections, 1 GiB of upload, half of Java's memory for a scan, 20 GiB of stored files
     * and 100 results.
     */
    public static Limits defaults() {
        return new Limits(1, 16, 256, GIB, Runtime.getRuntime().maxMemory() / 2, 20 * GIB, 100);
    }

    /** Returns these limits with other numbers of scans at once and waiting. */
    public Limits withJobs(int newWorkers, int newQueue) {
        return new Limits(newWorkers, newQueue, connections, uploadBytes, scanBytes, datastoreBytes, results);
    }

    /** Returns these limits with other sizes of bodies and scans. */
    public Limits withSizes(long newUploadBytes, long newScanBytes) {
        return new Limits(workers, queue, connections, newUploadBytes, newScanBytes, datastoreBytes, results);
    }

    /** Returns these limits with another number of connections. */
    public Limits withConnections(int count) {
        return new Limits(workers, queue, count, uploadBytes, scanBytes, datastoreBytes, results);
    }

    /** Returns these limits with another size of the datastore. */
    public Limits withDatastoreBytes(long bytes) {
        return new Limits(workers, queue, connections, uploadBytes, scanBytes, bytes, results);
    }

    /** Returns these limits with another number of kept results. */
    public Limits withResults(int count) {
        return new Limits(workers, queue, connections, uploadBytes, scanBytes, datastoreBytes, count);
    }
}
