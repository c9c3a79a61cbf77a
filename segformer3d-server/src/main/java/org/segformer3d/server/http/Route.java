package org.segformer3d.server.http;

import io.javalin.http.Handler;
import io.javalin.http.HandlerType;

/**
 * Something a client can ask for.
 *
 * @param method HTTP method
 * @param path with parameters in braces, as in the OpenAPI document
 * @param open whether it may be asked for without the token
 * @param handler answers
 */
public record Route(HandlerType method, String path, boolean open, Handler handler) {
    /** Returns a route that takes the token where there is one. */
    public static Route of(HandlerType method, String path, Handler handler) {
        return new Route(method, path, false, handler);
    }
}
