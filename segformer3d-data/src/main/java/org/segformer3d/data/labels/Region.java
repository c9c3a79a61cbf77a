package org.segformer3d.data.labels;

import java.util.List;
import java.util.Objects;
import java.util.TreeSet;
import org.segformer3d.api.config.ConfigException;

/**
 * One output channel of a network: the label values it stands for and the one it writes.
 *
 * @param name what reports call it, for example {@code WT}; never blank
 * @param values the label values that belong to it, at least one, each of −32768…32767; kept sorted and without repetition
 * @param write the value that decoding writes where this region wins, usually one of {@code values}
 */
public record Region(String name, List<Integer> values, int write) {
    /** Checks and sorts the values. */
    public Region {
        Objects.requireNonNull(name, "name");
        Objects.requireNonNull(values, "values");
        if (name.isBlank()) {
            throw ConfigException.of("region name", "'" + name + "'", "a name");
        }
        if (values.isEmpty()) {
            throw ConfigException.of("region " + name + " values", "none", "at least one label value");
        }
        for (int value : values) {
            requireShort(name, value);
        }
        requireShort(name, write);
        values = List.copyOf(new TreeSet<>(values));
    }

    /** Returns a region of one label value, which it also writes. */
    public static Region of(String name, int value) {
        return new Region(name, List.of(value), value);
    }

    private static void requireShort(String name, int value) {
        if (value != (short) value) {
            throw ConfigException.of("region " + name, "label value " + value, "a value of -32768…32767");
        }
    }
}
