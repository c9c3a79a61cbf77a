package org.segformer3d.train.parallel;

import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.Closeable;
import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.EOFException;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.net.SocketException;
import java.net.UnknownHostException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.TreeMap;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicReference;
import org.segformer3d.api.training.ProcessGroup;

/**
 * The processes of a run, as one of them sees them. Process 0 leads: all others hold a connection to it, over which they agree on small
 * things, and by which a process that is gone is noticed. What is large, gradients above all, goes the backend's own way.
 *
 * <p>Calls marked collective are made by every process, in the same order, from one thread. They wait for as long as the others need:
 * while process 0 validates, say. A process counts as gone when its connection closes, or when nothing was heard of it for
 * {@link #timeout()}; then everybody's collective calls throw {@link LostProcessException} with the same message.
 */
public final class ProcessTeam implements ProcessGroup, Closeable {
    private static final int VERSION = 1;
    private static final int MAGIC = 0x53463344;
    private static final long BEAT_MILLIS = 1000;
    private static final int MOST_BYTES = 1 << 26;

    private static final byte HELLO = 1;
    private static final byte WELCOME = 2;
    private static final byte REFUSED = 3;
    private static final byte DATA = 4;
    private static final byte FAILED = 5;
    private static final byte BEAT = 6;
    private static final byte BYE = 7;

    private final Rendezvous place;
    private final String address;
    private final ServerSocket server;
    private final Object lock = new Object();
    /** Connections by rank: all on process 0, the one to process 0 on the others. Guarded by the lock until all are there. */
    private final Peer[] peers;

    private final AtomicReference<String> failure = new AtomicReference<>();
    private final CountDownLatch broken = new CountDownLatch(1);
    private volatile boolean closed;

    private ProcessTeam(Rendezvous place, String address, ServerSocket server) {
        this.place = place;
        this.address = address;
        this.server = server;
        this.peers = new Peer[place.size()];
    }

    /** Returns the team of a process that trains alone. */
    public static ProcessTeam alone() {
        return new ProcessTeam(new Rendezvous("localhost", 0, 0, 1, Rendezvous.USUAL_TIMEOUT), "localhost", null);
    }

    /**
     * Joins: process 0 begins to listen and returns at once, the others wait until it does and lets them in.
     *
     * @throws LostProcessException when process 0 refuses this one, or can't be reached in time
     * @throws IOException when the port can't be listened on
     */
    public static ProcessTeam join(Rendezvous place) throws IOException {
        if (place.size() == 1) {
            return alone();
        }
        return place.rank() == 0 ? listen(place) : connect(place);
    }

    private static ProcessTeam listen(Rendezvous place) throws IOException {
        InetAddress host = host(place);
        ServerSocket server = new ServerSocket();
        try {
            server.setReuseAddress(true);
            server.bind(new InetSocketAddress(host, place.port()), place.size());
        } catch (SocketException e) {
            server.close();
            throw new IOException(
                    "rendezvous " + place + ": process 0 can't listen there (" + e.getMessage()
                            + "); it must be an address of its own machine with a free port",
                    e);
        }
        Rendezvous at = new Rendezvous(place.host(), server.getLocalPort(), 0, place.size(), place.timeout());
        ProcessTeam team = new ProcessTeam(at, host.getHostAddress(), server);
        start("process-team-door", team::letIn);
        start("process-team-pulse", team::beat);
        return team;
    }

    private static InetAddress host(Rendezvous place) throws IOException {
        try {
            return InetAddress.getByName(place.host());
        } catch (UnknownHostException e) {
            throw new IOException("rendezvous " + place + ": there is no host of that name", e);
        }
    }

    private static ProcessTeam connect(Rendezvous place) throws IOException {
        InetAddress host = host(place);
        long end = System.nanoTime() + place.timeout().toNanos();
        while (true) {
            Socket socket = new Socket();
            try {
                socket.connect(new InetSocketAddress(host, place.port()), 5000);
                ProcessTeam team =
                        new ProcessTeam(place, socket.getLocalAddress().getHostAddress(), null);
                team.greet(socket);
                return team;
            } catch (LostProcessException e) {
                socket.close();
                throw e;
            } catch (IOException e) {
                socket.close();
                if (System.nanoTime() > end) {
                    throw new LostProcessException(
                            "process 0 can't be reached at " + place + " for "
                                    + place.timeout().toSeconds() + " s (" + e.getMessage() + ")",
                            e);
                }
            }
            pause(200);
        }
    }

    private static Thread start(String name, Runnable work) {
        Thread thread = new Thread(work, name);
        thread.setDaemon(true);
        thread.start();
        return thread;
    }

    private static void pause(long millis) throws IOException {
        try {
            Thread.sleep(millis);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new IOException("interrupted", e);
        }
    }

    /** The other end of a connection. */
    private final class Peer {
        private final int rank;
        private final Socket socket;
        private final DataInputStream in;
        private final DataOutputStream out;
        private final java.util.concurrent.LinkedBlockingQueue<byte[]> inbox =
                new java.util.concurrent.LinkedBlockingQueue<>();
        /** Beats of our own since it was last heard. Ours: a machine that slept must not take its own silence for another's. */
        private volatile int silence;

        private volatile boolean left;
        /** Whether the connection closed without a goodbye. */
        private volatile boolean gone;

        private final CountDownLatch ended = new CountDownLatch(1);

        Peer(int rank, Socket socket, DataInputStream in, DataOutputStream out) {
            this.rank = rank;
            this.socket = socket;
            this.in = in;
            this.out = out;
        }

        void send(byte type, byte[] body) throws IOException {
            synchronized (out) {
                out.writeByte(type);
                out.writeInt(body.length);
                out.write(body);
                out.flush();
            }
        }

        /** Sends where it doesn't matter whether it arrives. */
        void trySend(byte type, byte[] body) {
            try {
                send(type, body);
            } catch (IOException e) {
                // The reader notices that the connection is broken.
            }
        }

        void listen() {
            try {
                while (true) {
                    byte type = in.readByte();
                    byte[] body = body(in);
                    silence = 0;
                    if (type == DATA) {
                        inbox.add(body);
                    } else if (type == FAILED) {
                        fail(text(body));
                    } else if (type == BYE) {
                        left = true;
                    }
                }
            } catch (IOException e) {
                if (!left && !closed) {
                    gone = true;
                    fail("rank " + rank + " is gone (connection closed)");
                }
            } finally {
                shut();
                ended.countDown();
            }
        }

        /** Says goodbye and waits until the other has heard it: a socket closed with something unread takes back what it sent. */
        void leave() {
            trySend(BYE, new byte[0]);
            try {
                socket.shutdownOutput();
                ended.await(2, TimeUnit.SECONDS);
            } catch (IOException e) {
                // It is of no more use either way.
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
            }
            shut();
        }

        private void shut() {
            try {
                socket.close();
            } catch (IOException e) {
                // It is of no more use either way.
            }
        }
    }

    private static byte[] body(DataInputStream in) throws IOException {
        int length = in.readInt();
        if (length < 0 || length > MOST_BYTES) {
            throw new IOException("found a message of " + length + " bytes");
        }
        byte[] body = new byte[length];
        in.readFully(body);
        return body;
    }

    private static byte[] bytes(String text) {
        return text.getBytes(java.nio.charset.StandardCharsets.UTF_8);
    }

    private static String text(byte[] bytes) {
        return new String(bytes, java.nio.charset.StandardCharsets.UTF_8);
    }

    /** Process 0's side of a connection being made: the caller says who it is, and is let in or told why not. */
    private void letIn() {
        while (!closed) {
            Socket socket;
            try {
                socket = server.accept();
            } catch (IOException e) {
                return;
            }
            start("process-team-welcome", () -> welcome(socket));
        }
    }

    private void welcome(Socket socket) {
        try {
            socket.setTcpNoDelay(true);
            socket.setSoTimeout(10_000);
            DataInputStream in = new DataInputStream(new java.io.BufferedInputStream(socket.getInputStream()));
            DataOutputStream out = new DataOutputStream(new java.io.BufferedOutputStream(socket.getOutputStream()));
            if (in.readInt() != MAGIC || in.readByte() != HELLO) {
                // Whoever that is doesn't belong here.
                socket.close();
                return;
            }
            int version = in.readInt();
            int rank = in.readInt();
            int size = in.readInt();
            Peer peer = new Peer(rank, socket, in, out);
            String refusal = version == VERSION ? admit(peer, size) : "rank " + rank + " is of another version";
            if (refusal != null) {
                peer.trySend(REFUSED, bytes(refusal));
                socket.close();
                if (!isComplete()) {
                    // A mistake in how they were started; once all are there it is a stranger's.
                    fail(refusal);
                }
                return;
            }
            socket.setSoTimeout(0);
            String known = failure.get();
            if (known != null) {
                peer.trySend(FAILED, bytes(known));
            }
            peer.listen();
        } catch (IOException e) {
            try {
                socket.close();
            } catch (IOException again) {
                // It is of no more use either way.
            }
        }
    }

    private String admit(Peer peer, int size) throws IOException {
        if (size != size()) {
            return "rank " + peer.rank + " expects " + size + " processes, process 0 expects " + size()
                    + "; give all the same number";
        }
        if (peer.rank < 1 || peer.rank >= size()) {
            return "rank " + peer.rank + " is taken by process 0 itself; every process needs a rank of its own";
        }
        synchronized (lock) {
            if (peers[peer.rank] != null) {
                return "rank " + peer.rank + " has joined already; every process needs a rank of its own";
            }
            // Before anybody else sends it something: this is what it waits for.
            peer.send(WELCOME, new byte[0]);
            peers[peer.rank] = peer;
            lock.notifyAll();
        }
        return null;
    }

    /** The other side of {@link #welcome}. */
    private void greet(Socket socket) throws IOException {
        socket.setTcpNoDelay(true);
        socket.setSoTimeout(10_000);
        DataInputStream in = new DataInputStream(new java.io.BufferedInputStream(socket.getInputStream()));
        DataOutputStream out = new DataOutputStream(new java.io.BufferedOutputStream(socket.getOutputStream()));
        out.writeInt(MAGIC);
        out.writeByte(HELLO);
        out.writeInt(VERSION);
        out.writeInt(rank());
        out.writeInt(size());
        out.flush();
        byte answer = in.readByte();
        if (answer != REFUSED && answer != WELCOME) {
            throw new IOException("something else listens there");
        }
        byte[] body = body(in);
        if (answer == REFUSED) {
            throw new LostProcessException("process 0 at " + place + " refuses this process: " + text(body));
        }
        socket.setSoTimeout(0);
        Peer peer = new Peer(0, socket, in, out);
        peers[0] = peer;
        start("process-team-reader", peer::listen);
        start("process-team-pulse", this::beat);
    }

    private boolean isComplete() {
        return present().size() == size() - 1;
    }

    private List<Peer> present() {
        synchronized (lock) {
            List<Peer> present = new ArrayList<>();
            for (Peer peer : peers) {
                if (peer != null) {
                    present.add(peer);
                }
            }
            return present;
        }
    }

    private void beat() {
        long most = Math.max(2, place.timeout().toMillis() / BEAT_MILLIS);
        while (!closed) {
            try {
                Thread.sleep(BEAT_MILLIS);
            } catch (InterruptedException e) {
                return;
            }
            for (Peer peer : present()) {
                if (peer.left) {
                    continue;
                }
                peer.silence++;
                if (peer.silence > most) {
                    fail("rank " + peer.rank + " doesn't answer (silent for "
                            + place.timeout().toSeconds() + " s)");
                }
                peer.trySend(BEAT, new byte[0]);
            }
        }
    }

    @Override
    public int rank() {
        return place.rank();
    }

    @Override
    public int size() {
        return place.size();
    }

    /** Returns whether this process leads: it alone writes, validates and reports. */
    public boolean leads() {
        return rank() == 0;
    }

    /** Returns where the processes meet, with the port that is really used. */
    public Rendezvous place() {
        return place;
    }

    @Override
    public String address() {
        return address;
    }

    @Override
    public Duration timeout() {
        return place.timeout();
    }

    @Override
    public Optional<String> failure() {
        return Optional.ofNullable(failure.get());
    }

    /** Returns whether this process saw the leader go without a word, so that it can't tell anybody what happened. */
    public boolean hasLostLeader() {
        return !leads() && present().stream().anyMatch(peer -> peer.gone);
    }

    /** Waits until the team can't go on, or this process has left it. */
    public void awaitFailure() throws InterruptedException {
        broken.await();
    }

    /**
     * Ends the team's work: this process tells the others why.
     *
     * @param reason names the process that it is about
     */
    public void fail(String reason) {
        if (closed || !failure.compareAndSet(null, reason)) {
            return;
        }
        broken.countDown();
        for (Peer peer : present()) {
            peer.trySend(FAILED, bytes(reason));
        }
    }

    /**
     * Finds out why something failed that processes do together: whoever is gone is known a moment later at most.
     *
     * @return empty when it had nothing to do with the others
     */
    public Optional<String> reasonWithin(Duration moment) {
        if (size() > 1) {
            try {
                broken.await(moment.toMillis(), TimeUnit.MILLISECONDS);
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
            }
        }
        return failure();
    }

    private void requireWhole() throws LostProcessException {
        String reason = failure.get();
        if (reason != null) {
            throw new LostProcessException(reason);
        }
    }

    /** Waits for the next message of a process, which must have joined within the time-out. */
    private byte[] hear(int rank) throws LostProcessException {
        try {
            Peer peer = awaitPeer(rank);
            while (true) {
                byte[] message = peer.inbox.poll(100, TimeUnit.MILLISECONDS);
                if (message != null) {
                    return message;
                }
                requireWhole();
                if (peer.left && peer.inbox.isEmpty()) {
                    fail("rank " + rank + " has ended already");
                    requireWhole();
                }
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new LostProcessException("interrupted while waiting for rank " + rank, e);
        }
    }

    private Peer awaitPeer(int rank) throws LostProcessException, InterruptedException {
        long end = System.nanoTime() + place.timeout().toNanos();
        synchronized (lock) {
            while (peers[rank] == null) {
                requireWhole();
                if (System.nanoTime() > end) {
                    fail("rank " + rank + " of " + size() + " processes didn't come to " + place + " within "
                            + place.timeout().toSeconds() + " s");
                    requireWhole();
                }
                lock.wait(100);
            }
            return peers[rank];
        }
    }

    private void say(int rank, byte[] message) throws LostProcessException {
        Peer peer;
        synchronized (lock) {
            peer = peers[rank];
        }
        try {
            peer.send(DATA, message);
        } catch (IOException e) {
            fail("rank " + rank + " is gone (connection closed)");
            requireWhole();
        }
    }

    /** What the leader makes of everybody's contribution. */
    private interface Combination {
        byte[] of(List<byte[]> all) throws IOException;
    }

    private byte[] exchange(byte[] own, Combination combination) throws LostProcessException {
        requireWhole();
        if (!leads()) {
            say(0, own);
            return hear(0);
        }
        List<byte[]> all = new ArrayList<>();
        all.add(own);
        for (int rank = 1; rank < size(); rank++) {
            all.add(hear(rank));
        }
        byte[] result;
        try {
            result = combination.of(all);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        requireWhole();
        for (int rank = 1; rank < size(); rank++) {
            say(rank, result);
        }
        return result;
    }

    /** Adds up a number over all processes; collective. The order of the sum is that of the ranks. */
    public double sum(double own) throws LostProcessException {
        if (size() == 1) {
            return own;
        }
        byte[] result = exchange(bytes(Double.toString(own)), all -> {
            double sum = 0;
            for (byte[] one : all) {
                sum += Double.parseDouble(text(one));
            }
            return bytes(Double.toString(sum));
        });
        return Double.parseDouble(text(result));
    }

    /** Returns whether something is so on any process; collective. */
    public boolean any(boolean own) throws LostProcessException {
        return sum(own ? 1 : 0) > 0;
    }

    /**
     * Tells a text of the leader's to all; collective.
     *
     * @param text the others' is ignored
     */
    public String hearLeader(String text) throws LostProcessException {
        if (size() == 1) {
            return text;
        }
        return text(exchange(leads() ? bytes(text) : new byte[0], all -> all.get(0)));
    }

    /** Returns everybody's texts, in the order of the ranks; collective. */
    public List<String> gather(List<String> own) throws LostProcessException {
        if (size() == 1) {
            return own;
        }
        byte[] all = exchange(pack(own), contributions -> {
            List<String> joined = new ArrayList<>();
            for (byte[] one : contributions) {
                joined.addAll(unpack(one));
            }
            return pack(joined);
        });
        return unpack(all);
    }

    private static byte[] pack(List<String> texts) {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        try (DataOutputStream out = new DataOutputStream(bytes)) {
            for (String text : texts) {
                byte[] body = bytes(text);
                out.writeInt(body.length);
                out.write(body);
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        return bytes.toByteArray();
    }

    private static List<String> unpack(byte[] bytes) {
        List<String> texts = new ArrayList<>();
        try (DataInputStream in = new DataInputStream(new ByteArrayInputStream(bytes))) {
            while (in.available() > 0) {
                texts.add(text(body(in)));
            }
        } catch (EOFException e) {
            throw new IllegalStateException("a message of another process ends too early", e);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        return texts;
    }

    /**
     * Makes sure that all processes were started alike; collective.
     *
     * @param facts by name
     * @throws LostProcessException on all of them, naming the first difference, when they weren't
     */
    public void requireSame(Map<String, String> facts) throws LostProcessException {
        if (size() == 1) {
            return;
        }
        List<String> own = new ArrayList<>();
        new TreeMap<>(facts).forEach((name, value) -> {
            own.add(name);
            own.add(value);
        });
        byte[] verdict = exchange(pack(own), all -> {
            Map<String, String> first = map(all.get(0));
            for (int rank = 1; rank < all.size(); rank++) {
                Map<String, String> other = map(all.get(rank));
                TreeMap<String, String> names = new TreeMap<>(first);
                names.putAll(other);
                for (String name : names.keySet()) {
                    if (!Objects.equals(first.get(name), other.get(name))) {
                        return bytes("rank " + rank + " was started otherwise than rank 0: " + name + " is "
                                + other.get(name) + " there and " + first.get(name)
                                + " on rank 0; start all with the same experiment and data");
                    }
                }
            }
            return new byte[0];
        });
        if (verdict.length > 0) {
            // Everybody has heard it, so nobody needs to be told.
            failure.compareAndSet(null, text(verdict));
            broken.countDown();
            throw new LostProcessException(text(verdict));
        }
    }

    private static Map<String, String> map(byte[] bytes) {
        List<String> texts = unpack(bytes);
        Map<String, String> map = new TreeMap<>();
        for (int n = 0; n + 1 < texts.size(); n += 2) {
            map.put(texts.get(n), texts.get(n + 1));
        }
        return map;
    }

    @Override
    public String tell(String text) {
        try {
            return hearLeader(text);
        } catch (LostProcessException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** Leaves the team, without which the others go on. Has no effect the second time. */
    @Override
    public void close() {
        if (closed) {
            return;
        }
        closed = true;
        broken.countDown();
        if (server != null) {
            try {
                server.close();
            } catch (IOException e) {
                // It is of no more use either way.
            }
        }
        present().forEach(Peer::leave);
    }
}
