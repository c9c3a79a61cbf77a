package org.segformer3d.data.voxel;

import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** Names of files with numbers in them, as headers state them: {@code slice%03d.raw 1 120 1}, the first, the last and the step. */
public final class NumberedNames {
    private static final int MOST = 100_000;
    private static final Pattern PATTERN = Pattern.compile(
            "(.*)%(0?)(\\d{0,2})[diu](\\S*)\\s+(-?\\d{1,9})\\s+(-?\\d{1,9})\\s+(-?\\d{1,9})(?:\\s+\\d{1,9})?");

    private NumberedNames() {}

    /**
     * Returns the names that a pattern stands for.
     *
     * @return empty when the text isn't such a pattern, an empty list when its numbers lead nowhere or to too many
     */
    public static Optional<List<String>> of(String text) {
        Matcher matcher = PATTERN.matcher(text);
        if (!matcher.matches()) {
            return Optional.empty();
        }
        long first = Long.parseLong(matcher.group(5));
        long last = Long.parseLong(matcher.group(6));
        long step = Long.parseLong(matcher.group(7));
        List<String> names = new ArrayList<>();
        if (step == 0 || Math.abs((last - first) / step) > MOST) {
            return Optional.of(names);
        }
        int width = matcher.group(3).isEmpty() ? 0 : Integer.parseInt(matcher.group(3));
        String filler = matcher.group(2).isEmpty() ? " " : "0";
        for (long n = first; step > 0 ? n <= last : n >= last; n += step) {
            String digits = String.valueOf(n);
            names.add(
                    matcher.group(1) + filler.repeat(Math.max(0, width - digits.length())) + digits + matcher.group(4));
        }
        return Optional.of(names);
    }
}
