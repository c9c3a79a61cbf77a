package org.segformer3d.train.run;

import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.channels.OverlappingFileLockException;
import java.nio.file.DirectoryNotEmptyException;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Comparator;
import java.util.List;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.segformer3d.data.io.AtomicFiles;

/**
 * The folder of a run, held by one process at a time.
 *
 * <pre>
 * config.resolved.yaml  the experiment, all keys
 * provenance.json       what ran when on what, the seed, and the hashes of the data's files
 * split.json            who trains, validates and tests
 * history.csv, history.jsonl, curve.png, tensorboard/
 * checkpoints/last/     the newest state: --resume goes on from it
 * checkpoints/best/     the state with the best validation Dice
 * checkpoints/epoch-N/  the state after epoch N, for the newest few when more than one is to be kept
 * bundle/               the best weights, ready to predict
 * postprocessing/       predictions of the validation cases without postprocessing, their scores, and what was tried (choice.json)
 * test/                 predictions and scores of the test cases
 * validation/           the same of the validation cases, for the report of a run without test cases
 * report.html           all of it for people, written at the end
 * </pre>
 */
final class RunFolder implements AutoCloseable {
    /** Name of the file with the whole experiment. */
    static final String CONFIGURATION = "config.resolved.yaml";

    /** Name of the folder that all checkpoints lie in. */
    static final String CHECKPOINTS = "checkpoints";

    private static final String LOCK = ".lock";

    /** How AtomicFiles names what isn't complete yet. */
    private static final Pattern LEFTOVER = Pattern.compile("\\..+\\.[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\\.tmp");

    private static final Pattern EPOCH = Pattern.compile("epoch-\\d{4,9}");

    private final Path root;
    private final Path made;
    private final FileChannel channel;
    private final FileLock lock;

    /** @param made the topmost folder that was made for this run, {@code null} for none */
    private RunFolder(Path root, Path made, FileChannel channel, FileLock lock) {
        this.root = root;
        this.made = made;
        this.channel = channel;
        this.lock = lock;
    }

    /**
     * Checks that a run may be written to a folder, and changes nothing.
     *
     * @param resume whether it may hold a run already
     * @throws RunFolderException when it is a file, or isn't empty and this isn't a resumption
     */
    static void check(Path folder, boolean resume) throws IOException {
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
    }

    /**
     * Opens a run folder, making it where it is missing.
     *
     * @param resume whether it may hold a run already
     * @throws RunFolderException when {@link #check} refuses it, it can't be written to, or another process holds it
     */
    static RunFolder open(Path folder, boolean resume) throws IOException {
        check(folder, resume);
        Path root = folder.toAbsolutePath().normalize();
        Path missing = firstMissing(root);
        FileChannel channel;
        try {
            Files.createDirectories(root);
            channel = FileChannel.open(root.resolve(LOCK), StandardOpenOption.CREATE, StandardOpenOption.WRITE);
        } catch (IOException e) {
            throw new RunFolderException(
                    folder, "can't be written to (" + e + "); choose another one with output.run_dir");
        }
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
        RunFolder run = new RunFolder(root, missing, channel, lock);
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
        for (Path folder : List.of(root, root.resolve(CHECKPOINTS))) {
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
                delete(leftover);
            }
        }
    }

    Path root() {
        return root;
    }

    Path config() {
        return root.resolve(CONFIGURATION);
    }

    Path split() {
        return root.resolve("split.json");
    }

    /** The folder that all checkpoints lie in; it need not exist. */
    Path checkpoints() {
        return root.resolve(CHECKPOINTS);
    }

    Path last() {
        return checkpoints().resolve("last");
    }

    Path best() {
        return checkpoints().resolve("best");
    }

    Path bundle() {
        return root.resolve("bundle");
    }

    Path test() {
        return root.resolve("test");
    }

    Path validation() {
        return root.resolve("validation");
    }

    Path postprocessing() {
        return root.resolve("postprocessing");
    }

    Path report() {
        return root.resolve("report.html");
    }

    Path file(String name) {
        return root.resolve(name);
    }

    /**
     * Keeps what is in {@link #last()} as the checkpoint of an epoch as well, and removes the oldest of these beyond a number.
     *
     * @param epoch epochs that are done
     * @param most how many to keep
     */
    void keepEpoch(int epoch, int most) throws IOException {
        Path kept = checkpoints().resolve("epoch-%04d".formatted(epoch));
        AtomicFiles.replaceDirectory(kept, copy -> {
            try (Stream<Path> files = Files.list(last())) {
                for (Path file : files.toList()) {
                    linkOrCopy(file, copy.resolve(file.getFileName()));
                }
            }
        });
        List<Path> epochs;
        try (Stream<Path> inside = Files.list(checkpoints())) {
            epochs = inside.filter(
                            path -> EPOCH.matcher(path.getFileName().toString()).matches())
                    .sorted(Comparator.comparingInt(RunFolder::epoch).reversed())
                    .toList();
        }
        // What a longer run left beyond this epoch, before it was resumed from an older state, isn't of this run any
        // more.
        for (int n = 0, newest = 0; n < epochs.size(); n++) {
            if (epoch(epochs.get(n)) > epoch || ++newest > most) {
                delete(epochs.get(n));
            }
        }
    }

    private static int epoch(Path kept) {
        return Integer.parseInt(kept.getFileName().toString().substring("epoch-".length()));
    }

    /** Checkpoints are replaced and never written into, so two may share their files. */
    private static void linkOrCopy(Path file, Path copy) throws IOException {
        try {
            Files.createLink(copy, file);
        } catch (UnsupportedOperationException | FileSystemException e) {
            Files.copy(file, copy);
        }
    }

    private static void delete(Path tree) throws IOException {
        List<Path> deepestFirst;
        try (Stream<Path> walk = Files.walk(tree)) {
            deepestFirst = walk.sorted(Comparator.reverseOrder()).toList();
        }
        for (Path path : deepestFirst) {
            Files.delete(path);
        }
    }

    private static Path firstMissing(Path folder) {
        Path missing = null;
        for (Path at = folder; at != null && !Files.exists(at); at = at.getParent()) {
            missing = at;
        }
        return missing;
    }

    /** Gives the folder up; one that was made for a run that never wrote anything goes again. */
    @Override
    public void close() throws IOException {
        boolean unused = false;
        if (made != null) {
            try (Stream<Path> inside = Files.list(root)) {
                unused = inside.allMatch(path -> path.equals(root.resolve(LOCK)));
            }
        }
        if (unused) {
            Files.deleteIfExists(root.resolve(LOCK));
        }
        lock.release();
        channel.close();
        if (unused) {
            try {
                for (Path at = root; !at.equals(made.getParent()); at = at.getParent()) {
                    Files.deleteIfExists(at);
                }
            } catch (DirectoryNotEmptyException e) {
                // Somebody else has put something there meanwhile; it is theirs now.
            }
        }
    }
}
