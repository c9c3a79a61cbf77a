package org.segformer3d.server.label;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;
import java.util.UUID;
import org.segformer3d.server.job.Folders;
import org.segformer3d.server.job.ProblemException;

/**
 * Images that clients upload to work on for a while, without naming them.
 *
 * <p>A session that nobody has used for the time it is kept ends, and its image goes. There are at most {@value #MOST} at a time.
 */
public final class Sessions {
    private static final int MOST = 32;

    private final Path folder;
    private final Duration keep;
    private final Map<String, Session> sessions = new LinkedHashMap<>();

    private Sessions(Path folder, Duration keep) {
        this.folder = folder;
        this.keep = keep;
    }

    /** One image. */
    static final class Session {
        private final String id;
        private final Path image;
        private final String name;
        private final Instant created = Instant.now();
        private Instant used = created;

        private Session(String id, Path image, String name) {
            this.id = id;
            this.image = image;
            this.name = name;
        }

        String id() {
            return id;
        }

        Path image() {
            return image;
        }

        String name() {
            return name;
        }
    }

    /**
     * Creates the sessions' keeper.
     *
     * @param folder exists and is theirs alone
     * @param keep how long an unused session is kept
     */
    public static Sessions in(Path folder, Duration keep) {
        return new Sessions(folder, keep);
    }

    /**
     * Begins a session.
     *
     * @param file moved away
     * @throws ProblemException 429 when there are too many
     */
    synchronized Session begin(Path file, String name) throws IOException {
        endOld();
        if (sessions.size() >= MOST) {
            throw new ProblemException(
                    429,
                    "too_many_sessions",
                    "found " + sessions.size() + " sessions, this server keeps at most " + MOST
                            + "; end one or wait until one ends");
        }
        String id = UUID.randomUUID().toString();
        Path own = Files.createDirectory(folder.resolve(id));
        Session session = new Session(id, Files.move(file, own.resolve("image" + Datastore.extension(file))), name);
        sessions.put(id, session);
        return session;
    }

    /**
     * Returns a session, which counts as its use.
     *
     * @throws ProblemException 404 when there is none, or none any more
     */
    synchronized Session require(String id) throws IOException {
        endOld();
        Session session = Optional.ofNullable(sessions.get(id))
                .orElseThrow(() -> new ProblemException(
                        404, "no_session", "found no such session; unused ones end after " + keep.toSeconds() + " s"));
        session.used = Instant.now();
        return session;
    }

    /** Ends a session. */
    synchronized void end(Session session) throws IOException {
        sessions.remove(session.id);
        Folders.delete(session.image.getParent());
    }

    private void endOld() throws IOException {
        Instant oldest = Instant.now().minus(keep);
        for (Session session : sessions.values().stream()
                .filter(one -> one.used.isBefore(oldest))
                .toList()) {
            end(session);
        }
    }

    /** Returns what a client is told about a session. */
    synchronized Map<String, Object> toMap(Session session) {
        Map<String, Object> map = new LinkedHashMap<>();
        map.put("name", session.id);
        map.put("image", session.name);
        map.put("meta", Map.of());
        map.put("create_ts", session.created.getEpochSecond());
        map.put("last_access_ts", session.used.getEpochSecond());
        map.put("expiry", keep.toSeconds());
        return map;
    }
}
