package org.segformer3d.server.job;

import java.nio.file.Path;
import java.util.List;
import java.util.Objects;

/**
 * The files of one scan, in channel order.
 *
 * @param name what its client calls it; also the stem of its label file's name
 * @param files one per channel, or one with all, at least one
 */
public record Scan(String name, List<ScanFile> files) {
    /**
     * One file.
     *
     * @param path where it is on this machine
     * @param shown its name in messages, which must not tell where it is
     */
    public record ScanFile(Path path, String shown) {
        /** Validates. */
        public ScanFile {
            Objects.requireNonNull(path, "path");
            Objects.requireNonNull(shown, "shown");
        }
    }

    /** Validates. */
    public Scan {
        Objects.requireNonNull(name, "name");
        files = List.copyOf(files);
        if (files.isEmpty()) {
            throw new IllegalArgumentException("found no files, expected one per channel or one with all channels");
        }
    }

    /** Returns where the files are. */
    public List<Path> paths() {
        return files.stream().map(ScanFile::path).toList();
    }

    /** Returns a message with the client's names in the place of paths on this machine. */
    String inClientsWords(String message) {
        String words = message;
        for (ScanFile file : files) {
            words = words.replace(file.path().toString(), file.shown());
        }
        return words;
    }
}
