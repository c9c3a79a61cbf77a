package org.segformer3d.server.http;

import java.util.UUID;
import java.util.regex.Pattern;

/** Identities by which clients and the log speak of the same request. */
final class RequestId {
    private static final Pattern HARMLESS = Pattern.compile("[A-Za-z0-9._-]{1,64}");

    private RequestId() {}

    static String fresh() {
        return UUID.randomUUID().toString();
    }

    /** Returns the client's where it gave one that can stand in a log, else a fresh one. */
    static String of(String given) {
        return given != null && HARMLESS.matcher(given).matches() ? given : fresh();
    }
}
