package org.segformer3d.server.job;

import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.CancellationException;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.segformer3d.eval.inference.SegmentationResult;

/** A scan on its way to its labels. Safe for use by several threads. */
public final class Job {
    /** How far a job is. */
    public enum State {
        /** Waits for a worker. */
        QUEUED,
        /** Is being segmented. */
        RUNNING,
        /** Its labels can be fetched. */
        DONE,
        /** Ended with a problem. */
        FAILED,
        /** Was cancelled by a client or by the end of the server. */
        CANCELLED;

        /** Returns whether nothing follows. */
        public boolean isFinal() {
            return this != QUEUED && this != RUNNING;
        }
    }

    private final String id;
    private final Scan scan;
    private final Path folder;
    private final boolean held;
    private final String ending;
    private final Instant created = Instant.now();
    private final CountDownLatch ended = new CountDownLatch(1);

    // Guarded by this.
    private State state = State.QUEUED;
    private Instant started;
    private Instant finished;
    private int windowsDone;
    private int windows;
    private Problem problem;
    private Map<SegmentationResult.Phase, Duration> timings = Map.of();
    private Map<String, Object> provenance = Map.of();

    Job(String id, Scan scan, Path folder, boolean held, String ending) {
        this.id = id;
        this.scan = scan;
        this.folder = folder;
        this.held = held;
        this.ending = ending;
    }

    /** Returns its identity, which only its client knows. */
    public String id() {
        return id;
    }

    /** Returns its scan. */
    public Scan scan() {
        return scan;
    }

    /** Returns whether somebody waits for it, who will forget it. */
    boolean isHeld() {
        return held;
    }

    /** Returns the folder that is the job's alone. */
    Path folder() {
        return folder;
    }

    /** Returns the name that its label file has for clients. */
    public String fileName() {
        return scan.name() + ending;
    }

    /** Returns where its labels are once it is done. */
    Path labelFile() {
        return folder.resolve("labels" + ending);
    }

    /** Returns how far it is. */
    public synchronized State state() {
        return state;
    }

    /** Returns the problem of a job that ended without labels. */
    public synchronized Optional<Problem> problem() {
        return Optional.ofNullable(problem);
    }

    /** Returns what the work's parts took; empty before it is done. */
    public synchronized Map<SegmentationResult.Phase, Duration> timings() {
        return timings;
    }

    /** Returns where its labels came from; empty before it is done. */
    public synchronized Map<String, Object> provenance() {
        return provenance;
    }

    /** Returns when it ended, or empty while it hasn't. */
    public synchronized Optional<Instant> finished() {
        return Optional.ofNullable(finished);
    }

    /** Waits until it ends. */
    public void await() throws InterruptedException {
        ended.await();
    }

    boolean await(Duration time) throws InterruptedException {
        return ended.await(time.toNanos(), TimeUnit.NANOSECONDS);
    }

    /** Begins the work, unless the job has ended already. */
    synchronized boolean start() {
        if (state != State.QUEUED) {
            return false;
        }
        state = State.RUNNING;
        started = Instant.now();
        return true;
    }

    /** Notes progress. */
    synchronized void windowsDone(int done, int total) {
        if (state.isFinal()) {
            throw new CancellationException("the job has ended");
        }
        windowsDone = done;
        windows = total;
    }

    /** Ends with labels, unless the job has ended already. */
    synchronized boolean finish(SegmentationResult result) {
        timings = result.timings();
        Map<String, Object> shown = new LinkedHashMap<>(result.provenance());
        // Clients aren't to learn where this machine keeps files.
        shown.computeIfPresent("inputs", (key, inputs) -> shownInputs((List<?>) inputs));
        // The model's own history is on its card.
        shown.computeIfPresent("model", (key, model) -> {
            Map<Object, Object> brief = new LinkedHashMap<>((Map<?, ?>) model);
            brief.remove("provenance");
            brief.computeIfPresent("members", (name, members) -> shownMembers((List<?>) members));
            return brief;
        });
        provenance = shown;
        return end(State.DONE, null);
    }

    private static List<Object> shownMembers(List<?> members) {
        List<Object> shown = new ArrayList<>();
        for (Object member : members) {
            Map<Object, Object> brief = new LinkedHashMap<>((Map<?, ?>) member);
            brief.keySet().removeAll(List.of("provenance", "source"));
            shown.add(brief);
        }
        return shown;
    }

    private List<Object> shownInputs(List<?> inputs) {
        List<Object> shown = new ArrayList<>();
        for (Object input : inputs) {
            Map<String, Object> file = new LinkedHashMap<>();
            ((Map<?, ?>) input)
                    .forEach((key, value) -> file.put(key.toString(), scan.inClientsWords(value.toString())));
            shown.add(file);
        }
        return shown;
    }

    /** Ends without labels, unless the job has ended already. */
    synchronized boolean end(State last, Problem reason) {
        if (state.isFinal()) {
            return false;
        }
        state = last;
        problem = reason;
        finished = Instant.now();
        ended.countDown();
        return true;
    }

    /** Returns what a client is told about it. */
    public synchronized Map<String, Object> toMap() {
        Map<String, Object> map = new LinkedHashMap<>();
        map.put("id", id);
        map.put("state", state.name().toLowerCase(Locale.ROOT));
        map.put("scan", scan.name());
        map.put("created", created.toString());
        if (started != null) {
            map.put("started", started.toString());
        }
        if (finished != null) {
            map.put("finished", finished.toString());
        }
        map.put("windows_done", windowsDone);
        map.put("windows", windows);
        map.put("progress", state == State.DONE ? 1 : windows == 0 ? 0 : (double) windowsDone / windows);
        if (!timings.isEmpty()) {
            Map<String, Object> seconds = new LinkedHashMap<>();
            timings.forEach(
                    (phase, time) -> seconds.put(phase.name().toLowerCase(Locale.ROOT), time.toMillis() / 1000.0));
            map.put("seconds", seconds);
        }
        if (state == State.DONE) {
            map.put("labels", "/jobs/" + id + "/labels");
            map.put("provenance", provenance);
        }
        if (problem != null) {
            map.put(
                    "problem",
                    Map.of("status", problem.status(), "error", problem.code(), "message", problem.message()));
        }
        return map;
    }

    /** Deletes the job's files. */
    void discard() throws IOException {
        Folders.delete(folder);
    }
}
