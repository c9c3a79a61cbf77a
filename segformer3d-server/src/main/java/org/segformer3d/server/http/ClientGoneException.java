package org.segformer3d.server.http;

/** The client closed the connection, so that nobody is left to answer to. */
final class ClientGoneException extends RuntimeException {
    private static final long serialVersionUID = 1L;

    ClientGoneException(String message, Throwable cause) {
        super(message, cause);
    }
}
