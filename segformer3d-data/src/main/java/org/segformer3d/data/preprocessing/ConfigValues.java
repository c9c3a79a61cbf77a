package org.segformer3d.data.preprocessing;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import org.segformer3d.api.config.ConfigException;
import org.segformer3d.api.config.Suggestions;

/** Reads numbers and names of enum constants from configuration values. */
final class ConfigValues {
    private ConfigValues() {}

    /** Returns a number or a list of numbers as a list. */
    static List<Double> list(String where, Object found) {
        List<Double> numbers = new ArrayList<>();
        List<?> entries = found instanceof List<?> list ? list : found == null ? List.of() : List.of(found);
        for (Object entry : entries) {
            if (!(entry instanceof Number number)) {
                throw ConfigException.of(where, found, "a number or a list of numbers");
            }
            numbers.add(number.doubleValue());
        }
        if (numbers.isEmpty()) {
            throw ConfigException.of(where, found == null ? "nothing" : found, "a number or a list of numbers");
        }
        return numbers;
    }

    /** Returns the enum constant of the given name in lower or upper case. */
    static <E extends Enum<E>> E choice(String where, Object found, E[] constants) {
        for (E constant : constants) {
            if (found instanceof String text && constant.name().equalsIgnoreCase(text)) {
                return constant;
            }
        }
        List<String> names = Arrays.stream(constants)
                .map(c -> c.name().toLowerCase(Locale.ROOT))
                .toList();
        throw ConfigException.of(
                where,
                found == null ? "nothing" : "'" + found + "'",
                "one of " + String.join(", ", names)
                        + Suggestions.nearest(String.valueOf(found), names)
                                .filter(near -> found != null)
                                .map(near -> "; did you mean '" + near + "'?")
                                .orElse(""));
    }
}
