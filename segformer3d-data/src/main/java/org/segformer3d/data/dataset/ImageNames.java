package org.segformer3d.data.dataset;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/** What file names say: which are images, whose they are and which channel they hold. */
public final class ImageNames {
    /** Longest first. A pair is listed by its header. */
    private static final List<String> EXTENSIONS = List.of(".nii.gz", ".hdr.gz", ".nii", ".hdr", ".npy", ".npz");

    private static final Pattern CHANNEL = Pattern.compile("(.+)_(\\d{4})");

    private ImageNames() {}

    /** Returns the image extension of a file, as it is written, or nothing when it isn't an image. */
    static String extension(Path file) {
        String name = file.getFileName().toString();
        String lower = name.toLowerCase(Locale.ROOT);
        for (String extension : EXTENSIONS) {
            if (lower.endsWith(extension) && lower.length() > extension.length()) {
                return name.substring(name.length() - extension.length());
            }
        }
        return "";
    }

    /** Returns the name without folder and image extension, also that of a pair's other half. */
    public static String stem(Path file) {
        String name = file.getFileName().toString();
        String lower = name.toLowerCase(Locale.ROOT);
        for (String half : List.of(".img", ".img.gz")) {
            if (lower.endsWith(half) && lower.length() > half.length()) {
                return name.substring(0, name.length() - half.length());
            }
        }
        return name.substring(0, name.length() - extension(file).length());
    }

    /** Returns the stem without a channel suffix such as {@code _0000}. */
    static String caseOf(String stem) {
        Matcher matcher = CHANNEL.matcher(stem);
        return matcher.matches() ? matcher.group(1) : stem;
    }

    /** Returns the number a channel suffix states, or −1 when there is none. */
    static int channelOf(String stem) {
        Matcher matcher = CHANNEL.matcher(stem);
        return matcher.matches() ? Integer.parseInt(matcher.group(2)) : -1;
    }

    /** Returns the images directly in a folder in order of name; hidden files, as archives made on a Mac hold, don't count. */
    public static List<Path> list(Path folder) throws IOException {
        List<Path> images = new ArrayList<>();
        try (Stream<Path> entries = Files.list(folder)) {
            entries.filter(Files::isRegularFile)
                    .filter(file -> !file.getFileName().toString().startsWith("."))
                    .filter(file -> !extension(file).isEmpty())
                    .sorted((a, b) ->
                            a.getFileName().toString().compareTo(b.getFileName().toString()))
                    .forEach(images::add);
        }
        return images;
    }

    /** Returns the image in a folder with the given stem, or {@code null}. */
    static Path find(Path folder, String stem) {
        for (String extension : EXTENSIONS) {
            Path file = folder.resolve(stem + extension);
            if (Files.isRegularFile(file)) {
                return file;
            }
        }
        return null;
    }
}
