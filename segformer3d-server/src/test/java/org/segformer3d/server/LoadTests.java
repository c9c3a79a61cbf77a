package org.segformer3d.server;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.net.HttpURLConnection;
import java.net.Socket;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/**
 * Several clients at once, while one sends garbage, one goes away and one stalls: the others get what the command line gives.
 *
 * <p>How many clients and requests is told by {@code segformer3d.load.clients} and {@code segformer3d.load.requests}; docs/server.md has the figures
 * of the long form.
 */
@Timeout(600)
class LoadTests {
    private static final int CLIENTS = Integer.getInteger("segformer3d.load.clients", 4);
    private static final int REQUESTS = Integer.getInteger("segformer3d.load.requests", 4);

    @TempDir
    Path folder;

    private final AtomicBoolean over = new AtomicBoolean();
    private final AtomicInteger garbage = new AtomicInteger();
    private final AtomicInteger gone = new AtomicInteger();
    private final AtomicInteger stalled = new AtomicInteger();

    private static long heapAfterCollection() throws InterruptedException {
        for (int n = 0; n < 3; n++) {
            System.gc();
            Thread.sleep(50);
        }
        return Runtime.getRuntime().totalMemory() - Runtime.getRuntime().freeMemory();
    }

    @Test
    void nobodySuffersFromTheOthers() throws Exception {
        int[][] sizes = {{12, 9, 7}, {16, 16, 16}, {20, 17, 9}, {30, 20, 18}, {5, 33, 6}};
        List<Path> scans = new ArrayList<>();
        List<byte[]> expected = new ArrayList<>();
        ServerOptions options = TinyServer.options()
                .with(TinyServer.QUICK.withNetwork(
                        Duration.ofSeconds(20), Duration.ofSeconds(3), Duration.ofSeconds(3)))
                .with(TinyServer.options().limits().withJobs(2, 2 * CLIENTS));
        try (TinyServer server = TinyServer.start(options)) {
            for (int n = 0; n < sizes.length; n++) {
                scans.add(TinyServer.scan(folder, "scan" + n + ".nii.gz", n, sizes[n][0], sizes[n][1], sizes[n][2]));
                expected.add(server.expected(scans.get(n), folder.resolve("out")));
            }
            ExecutorService clients = Executors.newCachedThreadPool();
            List<Future<?>> bad = new ArrayList<>();
            bad.add(clients.submit(() -> sendGarbage(server.port())));
            bad.add(clients.submit(() -> goAway(server.port(), scans.get(3))));
            bad.add(clients.submit(() -> stall(server.port())));
            // Warm: everything that is loaded once is loaded.
            run(server, scans, expected, clients, 1);
            long before = heapAfterCollection();
            run(server, scans, expected, clients, REQUESTS);
            over.set(true);
            for (Future<?> one : bad) {
                one.get();
            }
            long after = heapAfterCollection();
            System.out.printf(
                    "load: %d clients x %d requests, %d times garbage, %d gone, %d stalled, heap %.1f -> %.1f MiB%n",
                    CLIENTS, REQUESTS, garbage.get(), gone.get(), stalled.get(), before / 1048576.0, after / 1048576.0);
            assertThat(after - before).as("growth of the heap in bytes").isLessThan(8 << 20);
            assertThat(garbage.get()).isPositive();
            assertThat(gone.get()).isPositive();
            assertThat(stalled.get()).isPositive();
            clients.shutdown();
            assertNothingIsLeft(server);
        }
    }

    private void run(TinyServer server, List<Path> scans, List<byte[]> expected, ExecutorService clients, int requests)
            throws Exception {
        List<Future<?>> good = new ArrayList<>();
        for (int c = 0; c < CLIENTS; c++) {
            int client = c;
            good.add(clients.submit(() -> {
                for (int r = 0; r < requests; r++) {
                    int which = (client + r) % scans.size();
                    // A connection of its own for each, so that none is taken up again at the moment it is ended for
                    // being idle.
                    HttpURLConnection connection =
                            (HttpURLConnection) URI.create(server.server().url() + "/segment")
                                    .toURL()
                                    .openConnection();
                    connection.setRequestProperty("Connection", "close");
                    connection.setRequestMethod("POST");
                    connection.setDoOutput(true);
                    connection.getOutputStream().write(Files.readAllBytes(scans.get(which)));
                    int status = connection.getResponseCode();
                    byte[] body =
                            (status == 200 ? connection.getInputStream() : connection.getErrorStream()).readAllBytes();
                    assertThat(status)
                            .as(new String(body, StandardCharsets.ISO_8859_1))
                            .isEqualTo(200);
                    assertThat(body).isEqualTo(expected.get(which));
                }
                return null;
            }));
        }
        for (Future<?> one : good) {
            one.get();
        }
    }

    /** Once all is answered, no job's files and no upload may lie about. */
    private static void assertNothingIsLeft(TinyServer server) throws IOException, InterruptedException {
        List<Path> left = List.of();
        for (int n = 0; n < 500; n++) {
            try (Stream<Path> files = Files.walk(server.server().folder())) {
                left = files.filter(Files::isRegularFile).toList();
            }
            if (left.isEmpty()) {
                return;
            }
            Thread.sleep(10);
        }
        assertThat(left).isEmpty();
    }

    private static void pause() throws InterruptedException {
        Thread.sleep(20);
    }

    private Void sendGarbage(int port) throws InterruptedException {
        SplittableRandom random = new SplittableRandom(1);
        while (!over.get() || garbage.get() == 0) {
            try (Socket socket = new Socket("127.0.0.1", port)) {
                byte[] bytes = new byte[random.nextInt(1, 3000)];
                random.nextBytes(bytes);
                if (random.nextBoolean()) {
                    socket.getOutputStream()
                            .write(("POST /segment HTTP/1.1\r\nHost: localhost\r\nContent-Length: " + bytes.length
                                            + "\r\nConnection: close\r\n\r\n")
                                    .getBytes(StandardCharsets.UTF_8));
                }
                socket.getOutputStream().write(bytes);
                socket.shutdownOutput();
                socket.getInputStream().readAllBytes();
            } catch (IOException e) {
                // Being refused in any way is what garbage deserves.
            }
            garbage.incrementAndGet();
            pause();
        }
        return null;
    }

    private Void goAway(int port, Path scan) throws InterruptedException, IOException {
        byte[] bytes = Files.readAllBytes(scan);
        String head = "POST /segment HTTP/1.1\r\nHost: localhost\r\nContent-Length: " + bytes.length + "\r\n\r\n";
        while (!over.get() || gone.get() == 0) {
            try (Socket socket = new Socket("127.0.0.1", port)) {
                socket.getOutputStream().write(head.getBytes(StandardCharsets.UTF_8));
                // By turns in the middle of the body, and after it, while the scan is being segmented.
                int sent = gone.get() % 2 == 0 ? bytes.length / 2 : bytes.length;
                socket.getOutputStream().write(bytes, 0, sent);
                socket.getOutputStream().flush();
            } catch (IOException e) {
                // It is going away anyway.
            }
            gone.incrementAndGet();
            Thread.sleep(100);
        }
        return null;
    }

    private Void stall(int port) throws InterruptedException {
        while (!over.get() || stalled.get() == 0) {
            try (Socket socket = new Socket("127.0.0.1", port)) {
                socket.getOutputStream()
                        .write("POST /segment HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5000\r\n\r\nand then"
                                .getBytes(StandardCharsets.UTF_8));
                CompletableFuture<Integer> answer = CompletableFuture.supplyAsync(() -> {
                    try {
                        return socket.getInputStream().readNBytes(12).length;
                    } catch (IOException e) {
                        return 0;
                    }
                });
                answer.join();
            } catch (IOException e) {
                // The server gave up on it first.
            }
            stalled.incrementAndGet();
        }
        return null;
    }
}
