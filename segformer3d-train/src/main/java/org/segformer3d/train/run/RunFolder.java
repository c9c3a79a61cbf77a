package org.segformer3d.train.run;

import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.channels.OverlappingFileLockException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Comparator;
import java.util.List;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/**
 * The folder of a run, held by one process at a time.
 *
 * <pre>
 * config.resolved.yaml  the experiment, all keys
 * split.json            who trains, validates and tests
 * history.csv, history.jsonl, curve.png, tensorboard/
 * checkpoints/last/     the newest state: --resume goes on from it
 * checkpoints/best/     the state with the best validation Dice
 * bundle/               the best weights, ready to predict
 * test/                 predictions and scores of the test cases
 * </pre>
 */
final class RunFolder implements AutoCloseable {
    private static final String LOCK = ".lock";

    /** How AtomicFiles names what isn't complete yet. */
    private static final Pattern LEFTOVER = Pattern.compile("\\..+\\.[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\\.tmp");

    private final Path root;
    private final FileChannel channel;
    private final FileLock lock;

    private RunFolder(Path root, FileChannel channel, FileLock lock) {
        this.root = root;
        this.channel = channel;
        this.lock = lock;
    }

    /**
     * Opens a run folder, making it where it is missing.
     *
     * @param resume whether it may hold a run already
     * @throws RunFolderException when it isn't empty and this isn't a resumption, or another process holds it
     */
    static RunFolder open(Path folder, boolean resume) throws IOException {
        Path root = folder.toAbsolutePath().normalize();
        if (Files.exists(root) && !Files.isDirectory(root)) {
            throw new RunFolderException(folder, "found a file, expected a folder or nothing");
        }
        if (!resume && Files.isDirectory(root)) {
            List<String> found;
            try (Stream<Path> inside = Files.list(root)) {
                found = inside.map(path -> path.getFileName().toString())
                        .filter(name -> !name.equals(LOCK))
                        .sorted()
                        .toList();
            }
            if (!found.isEmpty()) {
                throw new RunFolderException(
                        folder,
                        "the run's folder isn't empty (it has " + String.join(", ", found)
                                + "); add --resume to go on with it, or choose another one with output.run_dir");
            }
        }
        Files.createDirectories(root);
        FileChannel channel = FileChannel.open(root.resolve(LOCK), StandardOpenOption.CREATE, StandardOpenOption.WRITE);
        FileLock lock = null;
        try {
            lock = channel.tryLock();
        } catch (OverlappingFileLockException e) {
            // Another run of this process holds it: the same answer as for another process.
        } finally {
            if (lock == null) {
                channel.close();
            }
        }
        if (lock == null) {
            throw new RunFolderException(folder, "another run is writing to this folder; wait for it or stop it");
        }
        RunFolder run = new RunFolder(root, channel, lock);
        try {
            run.removeLeftovers();
        } catch (IOException | RuntimeException e) {
            run.close();
            throw e;
        }
        return run;
    }

    /** Removes what a killed run was writing: whatever replaced nothing yet. Safe because this run alone holds the folder. */
    private void removeLeftovers() throws IOException {
        for (Path folder : List.of(root, root.resolve("checkpoints"))) {
            if (!Files.isDirectory(folder)) {
                continue;
            }
            List<Path> leftovers;
            try (Stream<Path> inside = Files.list(folder)) {
                leftovers = inside.filter(path ->
                                LEFTOVER.matcher(path.getFileName().toString()).matches())
                        .toList();
            }
            for (Path leftover : leftovers) {
                List<Path> deepestFirst;
                try (Stream<Path> tree = Files.walk(leftover)) {
                    deepestFirst = tree.sorted(Comparator.reverseOrder()).toList();
                }
                for (Path path : deepestFirst) {
                    Files.delete(path);
                }
            }
        }
    }

    Path root() {
        return root;
    }

    Path config() {
        return root.resolve("config.resolved.yaml");
    }

    Path split() {
        return root.resolve("split.json");
    }

    Path last() throws IOException {
        return Files.createDirectories(root.resolve("checkpoints")).resolve("last");
    }

    Path best() throws IOException {
        return Files.createDirectories(root.resolve("checkpoints")).resolve("best");
    }

    Path bundle() {
        return root.resolve("bundle");
    }

    Path test() {
        return root.resolve("test");
    }

    Path file(String name) {
        return root.resolve(name);
    }

    @Override
    public void close() throws IOException {
        lock.release();
        channel.close();
    }
}
