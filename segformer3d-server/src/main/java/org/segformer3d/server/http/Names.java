package org.segformer3d.server.http;

import java.util.Locale;
import org.segformer3d.data.format.VolumeFiles;

/** Names that clients give: taken apart, and made harmless. */
public final class Names {
    private static final int LONGEST = 100;

    private Names() {}

    /** Returns the last part of a path in either system's notation. */
    public static String last(String path) {
        return path.substring(Math.max(path.lastIndexOf('/'), path.lastIndexOf('\\')) + 1);
    }

    /** Returns a name without the ending of an image file such as {@code .nii.gz} or {@code .nrrd}. */
    public static String stem(String name) {
        String lower = name.toLowerCase(Locale.ROOT);
        for (String suffix : VolumeFiles.endings()) {
            if (lower.endsWith(suffix)) {
                return name.substring(0, name.length() - suffix.length());
            }
        }
        return name;
    }

    /**
     * Returns a name that can stand in a header and as the name of a file: ASCII letters, digits, and {@code . _ -}; each other character becomes
     * {@code _}, a leading dot too.
     *
     * @param otherwise what to return where nothing is left
     */
    public static String plain(String name, String otherwise) {
        String plain = name.strip().replaceAll("[^A-Za-z0-9._-]", "_").replaceAll("^\\.+", "_");
        return plain.isEmpty() ? otherwise : plain.substring(0, Math.min(LONGEST, plain.length()));
    }

    /** Returns a file name for messages: its last part, without control characters, not too long. */
    public static String shown(String fileName, String otherwise) {
        String name = last(fileName).replaceAll("\\p{Cntrl}", "?").strip();
        return name.isEmpty() ? otherwise : name.substring(0, Math.min(LONGEST, name.length()));
    }
}
