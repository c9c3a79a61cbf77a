package org.segformer3d.data.dataset;

import java.nio.file.Path;
import java.text.Normalizer;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.segformer3d.data.format.VolumeFiles;

/** What the name of a file says by itself: whether it is an image, whose it may be and which channel it may hold; {@link CaseFiles} decides. */
public final class ImageNames {
    private static final Pattern CHANNEL = Pattern.compile("(.+)_(\\d{4})");

    private ImageNames() {}

    /** Returns the image extension of a file, as it is written, or nothing when it isn't an image. */
    static String extension(Path file) {
        return VolumeFiles.endingOf(file);
    }

    /**
     * Returns the name without folder and image extension, also that of a pair's other half; in composed letters, for a Mac writes "ü" as
     * two and other systems as one, and an image from the one must find its label from the other.
     */
    public static String stem(Path file) {
        return Normalizer.normalize(VolumeFiles.stem(file), Normalizer.Form.NFC);
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
}
