package org.segformer3d.data.dataset;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.segformer3d.data.format.VolumeFiles;

/** What file names say: which are images, whose they are and which channel they hold. */
public final class ImageNames {
    private static final Pattern CHANNEL = Pattern.compile("(.+)_(\\d{4})");

    private ImageNames() {}

    /** Returns the image extension of a file, as it is written, or nothing when it isn't an image. */
    static String extension(Path file) {
        return VolumeFiles.endingOf(file);
    }

    /** Returns the name without folder and image extension, also that of a pair's other half. */
    public static String stem(Path file) {
        return VolumeFiles.stem(file);
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
        for (String extension : VolumeFiles.endings()) {
            Path file = folder.resolve(stem + extension);
            if (Files.isRegularFile(file)) {
                return file;
            }
        }
        return null;
    }
}
