package org.segformer3d.server.http;

import java.time.Duration;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import org.eclipse.jetty.io.Connection;
import org.eclipse.jetty.server.Handler;
import org.eclipse.jetty.server.Request;
import org.eclipse.jetty.server.Response;
import org.eclipse.jetty.util.Callback;

/**
 * Ends connections whose clients send the head of a request so slowly that no request ever comes of it.
 *
 * <p>Jetty ends a connection on which nothing comes for a while; a client that sends a byte now and then could hold one for hours.
 */
final class ConnectionGuard extends Handler.Wrapper implements Connection.Listener {
    private final Map<Connection, Watch> watches = new ConcurrentHashMap<>();
    private final long patience;

    ConnectionGuard(Duration header) {
        this.patience = header.toNanos();
    }

    /** What is known of a connection. */
    private static final class Watch {
        private int active;
        private long bytes;
        private long since = System.nanoTime();
    }

    @Override
    public void onOpened(Connection connection) {
        watches.put(connection, new Watch());
    }

    @Override
    public void onClosed(Connection connection) {
        watches.remove(connection);
    }

    /** Returns how many connections are open. */
    int connections() {
        return watches.size();
    }

    /** Returns how many requests are being answered. */
    int active() {
        int count = 0;
        for (Watch watch : watches.values()) {
            synchronized (watch) {
                count += watch.active;
            }
        }
        return count;
    }

    @Override
    public boolean handle(Request request, Response response, Callback callback) throws Exception {
        Connection connection = request.getConnectionMetaData().getConnection();
        request.setAttribute(Answers.END_POINT, connection.getEndPoint());
        // While a scan waits or is segmented nothing goes over the connection, which is no reason to end it. Reading
        // and writing
        // still time out.
        request.addIdleTimeoutListener(timeout -> false);
        Watch watch = watches.get(connection);
        if (watch != null) {
            synchronized (watch) {
                watch.active++;
            }
            Request.addCompletionListener(request, failure -> {
                synchronized (watch) {
                    watch.active--;
                    watch.bytes = connection.getBytesIn();
                    watch.since = System.nanoTime();
                }
            });
        }
        return super.handle(request, response, callback);
    }

    /** Ends the connections that have been at a head for too long; to be called every now and then. */
    void sweep() {
        long now = System.nanoTime();
        watches.forEach((connection, watch) -> {
            synchronized (watch) {
                long bytes = connection.getBytesIn();
                if (watch.active > 0 || bytes == watch.bytes) {
                    watch.since = now;
                } else if (now - watch.since > patience) {
                    connection.getEndPoint().close();
                }
            }
        });
    }
}
