package org.segformer3d.data.io;

import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.util.Objects;

/**
 * Paths that begin with {@code ~}, the home folder. Shells write it out only where it begins a word, so that {@code --output=~/x} and
 * what stands in a file would lead to a folder named "~".
 */
public final class HomeFolder {
    private HomeFolder() {}

    /**
     * Returns the path that a text means.
     *
     * @param text a path, never {@code null}; {@code ~} alone or before a separator stands for the home folder, {@code ./~} for a file of
     *     that name
     * @throws InvalidPathException when the text is no path
     */
    public static Path expand(String text) {
        String home = System.getenv("HOME");
        return expand(text, home == null || home.isBlank() ? System.getProperty("user.home") : home);
    }

    static Path expand(String text, String home) {
        Objects.requireNonNull(text, "text");
        return text.equals("~") || text.startsWith("~/") || text.startsWith("~\\")
                ? Path.of(home, text.substring(1))
                : Path.of(text);
    }
}
