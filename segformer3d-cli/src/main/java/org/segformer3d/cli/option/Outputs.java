package org.segformer3d.cli.option;

import java.io.IOException;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.NotDirectoryException;
import java.nio.file.Path;
import java.util.Collection;

/** Checks of places to write to, made before anything long is started. */
public final class Outputs {
    private Outputs() {}

    /**
     * Checks that a file can be written where it is asked for.
     *
     * @param file to be written
     * @param inputs files that must stay as they are
     * @throws IOException when its folder doesn't exist or can't be written to, it is a folder, or it is one of the inputs
     */
    public static void checkFile(Path file, Collection<Path> inputs) throws IOException {
        Path folder = file.toAbsolutePath().normalize().getParent();
        if (folder == null || Files.isDirectory(file)) {
            throw new FileSystemException(file + ": is a folder, expected a file to write");
        }
        if (!Files.isDirectory(folder)) {
            throw new FileSystemException(
                    file + ": cannot write: folder " + folder + " doesn't exist; create it first");
        }
        if (!Files.isWritable(folder)) {
            throw new FileSystemException(file + ": cannot write: no permission to write to folder " + folder);
        }
        for (Path input : inputs) {
            if (Files.exists(file) && Files.exists(input) && Files.isSameFile(file, input)) {
                throw new FileSystemException(
                        file + ": is an input, which would be overwritten; choose another output");
            }
        }
    }

    /**
     * Checks that a folder can be written to, or can be made where it doesn't exist.
     *
     * @throws IOException when something else has its name or that of a folder above it, or permission is missing
     */
    public static void checkFolder(Path folder) throws IOException {
        Path existing = folder.toAbsolutePath().normalize();
        while (existing.getParent() != null && !Files.exists(existing)) {
            existing = existing.getParent();
        }
        if (!Files.isDirectory(existing)) {
            throw new NotDirectoryException(existing.toString());
        }
        if (!Files.isWritable(existing)) {
            throw new FileSystemException(folder + ": no permission to write to folder " + existing);
        }
    }
}
