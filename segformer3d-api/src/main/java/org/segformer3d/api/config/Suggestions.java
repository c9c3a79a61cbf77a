package org.segformer3d.api.config;

import java.util.Collection;
import java.util.Locale;
import java.util.Optional;

/** Finds what a user probably meant by a misspelt name. */
public final class Suggestions {
    private Suggestions() {}

    /**
     * Returns the known name nearest to the given one by edit distance (insert, delete, replace, swap of neighbours).
     *
     * @param name what was found
     * @param known the names there are
     * @return the nearest name, or empty when none is within half of the name's length
     */
    public static Optional<String> nearest(String name, Collection<String> known) {
        String best = null;
        int bestDistance = Integer.MAX_VALUE;
        for (String candidate : known) {
            int distance = distance(name.toLowerCase(Locale.ROOT), candidate.toLowerCase(Locale.ROOT));
            if (distance < bestDistance) {
                bestDistance = distance;
                best = candidate;
            }
        }
        return bestDistance <= Math.max(1, name.length() / 2) ? Optional.ofNullable(best) : Optional.empty();
    }

    /**
     * Returns the message for an unknown key, with a suggestion where there is a near one and the known keys otherwise.
     *
     * @param where the enclosing section, for example {@code model_parameters}; empty at the top level
     */
    public static String unknownKey(String where, String key, Collection<String> known) {
        String path = where.isEmpty() ? key : where + "." + key;
        return path + ": unknown key; "
                + nearest(key, known)
                        .map(near -> "did you mean '" + near + "'?")
                        .orElse("known keys here: " + String.join(", ", known));
    }

    private static int distance(String a, String b) {
        int[][] d = new int[a.length() + 1][b.length() + 1];
        for (int i = 0; i <= a.length(); i++) {
            d[i][0] = i;
        }
        for (int j = 0; j <= b.length(); j++) {
            d[0][j] = j;
        }
        for (int i = 1; i <= a.length(); i++) {
            for (int j = 1; j <= b.length(); j++) {
                int replace = d[i - 1][j - 1] + (a.charAt(i - 1) == b.charAt(j - 1) ? 0 : 1);
                d[i][j] = Math.min(replace, Math.min(d[i - 1][j], d[i][j - 1]) + 1);
                if (i > 1 && j > 1 && a.charAt(i - 1) == b.charAt(j - 2) && a.charAt(i - 2) == b.charAt(j - 1)) {
                    d[i][j] = Math.min(d[i][j], d[i - 2][j - 2] + 1);
                }
            }
        }
        return d[a.length()][b.length()];
    }
}
