package org.segformer3d.data.io;

import java.io.BufferedOutputStream;
import java.io.FileNotFoundException;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.channels.Channels;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.AtomicMoveNotSupportedException;
import java.nio.file.FileVisitResult;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.NotDirectoryException;
import java.nio.file.Path;
import java.nio.file.SimpleFileVisitor;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.BasicFileAttributes;
import java.util.Objects;
import java.util.UUID;

/**
 * Writes files and folders so that readers see the old content or the complete new one, also after a crash.
 *
 * <p>The content goes to a temporary neighbour of the target, which is forced to the disk, renamed over the target, and then the
 * parent folder is forced as well. When anything fails the temporary neighbour is removed and the target is what it was.
 */
public final class AtomicFiles {
    private static final int BUFFER = 1 << 16;

    private AtomicFiles() {}

    /**
     * Creates or replaces a file.
     *
     * @param target the file, never {@code null}; its folder must exist; a link stays and the file it points to is replaced
     * @param body writes the content to a buffered stream, which it may close or leave open
     * @throws IOException when the folder is missing, the target is a folder, or writing fails
     */
    public static void write(Path target, IOConsumer<? super OutputStream> body) throws IOException {
        Objects.requireNonNull(body, "body");
        Path file = resolve(target);
        if (Files.isDirectory(file)) {
            throw new IOException(target + ": found a folder, expected a file or nothing; choose another name");
        }
        // CREATE_NEW rather than createTempFile, which would make the result readable by its owner only.
        Path temporary = neighbour(file, "tmp");
        try {
            try (FileChannel channel =
                    FileChannel.open(temporary, StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE)) {
                OutputStream out = new BufferedOutputStream(Channels.newOutputStream(channel), BUFFER) {
                    @Override
                    public void close() throws IOException {
                        // A stream around this one may close it, but the channel is still needed to force the data out.
                        flush();
                    }
                };
                body.accept(out);
                out.flush();
                channel.force(true);
            }
            move(temporary, file);
        } catch (IOException | RuntimeException | Error e) {
            discard(temporary, e);
            throw e;
        }
        forceFolder(file.getParent());
    }

    /**
     * Creates or replaces a text file in UTF-8.
     *
     * @throws IOException as {@link #write} does
     */
    public static void writeString(Path target, String text) throws IOException {
        byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
        write(target, out -> out.write(bytes));
    }

    /**
     * Creates or replaces a whole folder: what the target held before is gone when this returns.
     *
     * <p>No file system call that Java offers swaps two folders, so a non-empty target is first set aside under the name that
     * {@link #recoverDirectory} knows; a crash in that instant loses nothing, and the next call of either method puts it back.
     *
     * @param target the folder, never {@code null}; its parent must exist
     * @param fill writes the new content into an empty folder
     * @throws IOException when the parent is missing, the target is a file, or filling fails; the target is then left as it was
     */
    public static void replaceDirectory(Path target, IOConsumer<? super Path> fill) throws IOException {
        Objects.requireNonNull(fill, "fill");
        Path folder = resolve(target);
        if (Files.exists(folder) && !Files.isDirectory(folder)) {
            throw new NotDirectoryException(
                    target + ": found a file, expected a folder or nothing; choose another name");
        }
        recoverDirectory(folder);
        Path temporary = neighbour(folder, "tmp");
        Path aside = aside(folder);
        try {
            Files.createDirectory(temporary);
            fill.accept(temporary);
            forceTree(temporary);
            if (Files.exists(folder)) {
                move(folder, aside);
            }
            try {
                move(temporary, folder);
            } catch (IOException | RuntimeException | Error e) {
                if (Files.exists(aside)) {
                    move(aside, folder);
                }
                throw e;
            }
        } catch (IOException | RuntimeException | Error e) {
            discard(temporary, e);
            throw e;
        }
        forceFolder(folder.getParent());
        deleteTree(aside);
    }

    /**
     * Finishes a {@link #replaceDirectory} that a crash interrupted: puts the old folder back when the new one never took its place.
     *
     * <p>Readers of folders written that way call this first; it does nothing in all other cases.
     *
     * @param target the folder
     * @return whether a folder was put back
     * @throws IOException when the folder cannot be renamed
     */
    public static boolean recoverDirectory(Path target) throws IOException {
        Path folder = target.toAbsolutePath().normalize();
        if (folder.getFileName() == null) {
            return false;
        }
        Path aside = aside(folder);
        if (!Files.isDirectory(aside, LinkOption.NOFOLLOW_LINKS)) {
            return false;
        }
        if (Files.exists(folder)) {
            deleteTree(aside);
            return false;
        }
        move(aside, folder);
        forceFolder(folder.getParent());
        return true;
    }

    /** Returns the absolute path behind a possible link, having checked that its parent is there. */
    private static Path resolve(Path target) throws IOException {
        Objects.requireNonNull(target, "target");
        // Writing through a link replaces what it points to, as an ordinary write would.
        Path path = Files.isSymbolicLink(target) && Files.exists(target)
                ? target.toRealPath()
                : target.toAbsolutePath().normalize();
        Path parent = path.getParent();
        if (parent == null) {
            throw new IOException(target + ": found the root of a file system, expected a name below it");
        }
        if (!Files.isDirectory(parent)) {
            throw new FileNotFoundException(
                    target + ": cannot write: folder " + parent + " doesn't exist; create it first");
        }
        return path;
    }

    private static Path neighbour(Path path, String suffix) {
        return path.resolveSibling("." + path.getFileName() + "." + UUID.randomUUID() + "." + suffix);
    }

    private static Path aside(Path folder) {
        return folder.resolveSibling("." + folder.getFileName() + ".replaced");
    }

    private static void move(Path from, Path to) throws IOException {
        try {
            Files.move(from, to, StandardCopyOption.ATOMIC_MOVE);
        } catch (AtomicMoveNotSupportedException e) {
            Files.move(from, to, StandardCopyOption.REPLACE_EXISTING);
        }
    }

    private static void discard(Path path, Throwable reason) {
        try {
            deleteTree(path);
        } catch (IOException e) {
            reason.addSuppressed(e);
        }
    }

    /**
     * Deletes a file, or a folder with all that is in it; links are deleted, not followed. Does nothing where there is nothing.
     *
     * @throws IOException when something can't be deleted
     */
    public static void deleteTree(Path path) throws IOException {
        if (!Files.exists(path, LinkOption.NOFOLLOW_LINKS)) {
            return;
        }
        Files.walkFileTree(path, new SimpleFileVisitor<>() {
            @Override
            public FileVisitResult visitFile(Path file, BasicFileAttributes attributes) throws IOException {
                Files.delete(file);
                return FileVisitResult.CONTINUE;
            }

            @Override
            public FileVisitResult postVisitDirectory(Path folder, IOException failure) throws IOException {
                if (failure != null) {
                    throw failure;
                }
                Files.delete(folder);
                return FileVisitResult.CONTINUE;
            }
        });
    }

    private static void forceTree(Path root) throws IOException {
        Files.walkFileTree(root, new SimpleFileVisitor<>() {
            @Override
            public FileVisitResult visitFile(Path file, BasicFileAttributes attributes) throws IOException {
                if (attributes.isRegularFile()) {
                    try (FileChannel channel = FileChannel.open(file, StandardOpenOption.WRITE)) {
                        channel.force(true);
                    }
                }
                return FileVisitResult.CONTINUE;
            }

            @Override
            public FileVisitResult postVisitDirectory(Path folder, IOException failure) throws IOException {
                if (failure != null) {
                    throw failure;
                }
                forceFolder(folder);
                return FileVisitResult.CONTINUE;
            }
        });
    }

    private static void forceFolder(Path folder) {
        try (FileChannel channel = FileChannel.open(folder, StandardOpenOption.READ)) {
            channel.force(true);
        } catch (IOException e) {
            // Windows cannot open folders; the rename itself is journaled there.
        }
    }
}
