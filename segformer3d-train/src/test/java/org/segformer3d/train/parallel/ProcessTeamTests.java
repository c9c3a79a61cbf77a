package org.segformer3d.train.parallel;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.time.Duration;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** How processes find each other, and what they say when they don't. */
@Timeout(value = 1, unit = TimeUnit.MINUTES, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
class ProcessTeamTests {
    private static final Duration SHORT = Duration.ofSeconds(1);
    private static final Duration LONG = Duration.ofSeconds(30);

    private static ProcessTeam join(String host, int port, int rank, int size, Duration timeout) throws IOException {
        return ProcessTeam.join(new Rendezvous(host, port, rank, size, timeout));
    }

    private static int freePort() throws IOException {
        try (ServerSocket socket = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
            return socket.getLocalPort();
        }
    }

    @Test
    void sayThatThePortIsTaken() throws IOException {
        try (ServerSocket taken = new ServerSocket(0, 1, InetAddress.getByName("127.0.0.1"))) {
            assertThatThrownBy(() -> join("127.0.0.1", taken.getLocalPort(), 0, 2, SHORT))
                    .isInstanceOf(IOException.class)
                    .hasMessage("rendezvous 127.0.0.1:" + taken.getLocalPort()
                            + ": process 0 can't listen there (Address already in use); it must be an address of its"
                            + " own machine with a free port");
        }
    }

    @Test
    void sayThatTheHostIsAnother() {
        // an address for documentation, which no machine has
        assertThatThrownBy(() -> join("192.0.2.1", 29500, 0, 2, SHORT))
                .isInstanceOf(IOException.class)
                .hasMessageContaining("rendezvous 192.0.2.1:29500: process 0 can't listen there")
                .hasMessageContaining("an address of its own machine");
    }

    @Test
    void sayAtOnceThatThereIsNoSuchHost() {
        for (int rank = 0; rank < 2; rank++) {
            int own = rank;
            assertThatThrownBy(() -> join("nowhere.invalid", 29500, own, 2, LONG))
                    .isInstanceOf(IOException.class)
                    .hasMessage("rendezvous nowhere.invalid:29500: there is no host of that name");
        }
    }

    @Test
    void sayThatProcessZeroCantBeReached() throws IOException {
        int port = freePort();
        assertThatThrownBy(() -> join("127.0.0.1", port, 1, 2, SHORT))
                .isInstanceOf(LostProcessException.class)
                .hasMessage("process 0 can't be reached at 127.0.0.1:" + port + " for 1 s (Connection refused)");
    }

    @Test
    void sayWhoDidntCome() throws IOException {
        try (ProcessTeam leader = join("127.0.0.1", 0, 0, 3, SHORT);
                ProcessTeam one = join("127.0.0.1", leader.place().port(), 1, 3, SHORT)) {
            String said = "rank 2 of 3 processes didn't come to " + leader.place() + " within 1 s";
            CompletableFuture<Double> other = waiting(one);
            assertThatThrownBy(() -> leader.sum(1))
                    .isInstanceOf(LostProcessException.class)
                    .hasMessage(said);
            assertThatThrownBy(other::join).hasMessageContaining(said);
        }
    }

    private static CompletableFuture<Double> waiting(ProcessTeam team) {
        return CompletableFuture.supplyAsync(() -> {
            try {
                return team.sum(1);
            } catch (LostProcessException e) {
                throw new CompletionException(e.getMessage(), e);
            }
        });
    }

    @Test
    void allSayThatOneExpectsAnotherNumberOfProcesses() throws IOException {
        try (ProcessTeam leader = join("127.0.0.1", 0, 0, 2, LONG)) {
            String said = "rank 2 expects 3 processes, process 0 expects 2; give all the same number";
            assertThatThrownBy(() -> join("127.0.0.1", leader.place().port(), 2, 3, LONG))
                    .isInstanceOf(LostProcessException.class)
                    .hasMessage("process 0 at " + leader.place() + " refuses this process: " + said);
            assertThatThrownBy(() -> leader.sum(1))
                    .isInstanceOf(LostProcessException.class)
                    .hasMessage(said);
        }
    }

    @Test
    void allSayThatTwoHaveTheSameRank() throws IOException {
        try (ProcessTeam leader = join("127.0.0.1", 0, 0, 3, LONG);
                ProcessTeam one = join("127.0.0.1", leader.place().port(), 1, 3, LONG)) {
            String said = "rank 1 has joined already; every process needs a rank of its own";
            assertThatThrownBy(() -> join("127.0.0.1", leader.place().port(), 1, 3, LONG))
                    .hasMessageContaining(said);
            assertThatThrownBy(() -> leader.sum(1)).hasMessage(said);
            assertThatThrownBy(() -> one.sum(1)).hasMessage(said);
        }
    }

    @Test
    void arentDisturbedByALatecomer() throws IOException {
        try (ProcessTeam leader = join("127.0.0.1", 0, 0, 2, LONG);
                ProcessTeam one = join("127.0.0.1", leader.place().port(), 1, 2, LONG)) {
            CompletableFuture<Double> other = waiting(one);
            assertThat(leader.sum(1)).isEqualTo(2);
            assertThat(other.join()).isEqualTo(2);
            assertThatThrownBy(() -> join("127.0.0.1", leader.place().port(), 1, 2, LONG))
                    .hasMessageContaining("rank 1 has joined already");
            CompletableFuture<Double> again = waiting(one);
            assertThat(leader.sum(1)).isEqualTo(2);
            assertThat(again.join()).isEqualTo(2);
        }
    }

    @Test
    void areNotFoundWhereSomethingElseListens() throws IOException {
        try (ServerSocket other = new ServerSocket(0, 5, InetAddress.getByName("127.0.0.1"))) {
            CompletableFuture.runAsync(() -> {
                try {
                    while (true) {
                        other.accept().getOutputStream().write("HTTP/1.1 400 Bad Request\r\n\r\n".getBytes());
                    }
                } catch (IOException e) {
                    // closed
                }
            });
            assertThatThrownBy(() -> join("127.0.0.1", other.getLocalPort(), 1, 2, SHORT))
                    .isInstanceOf(LostProcessException.class)
                    .hasMessageContaining("process 0 can't be reached at 127.0.0.1:" + other.getLocalPort())
                    .hasMessageContaining("something else");
        }
    }
}
