package org.segformer3d.zoo;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.segformer3d.api.config.ConfigException;
import org.segformer3d.api.config.Suggestions;

/** Reads {@code model_parameters} key by key and remembers what was asked for, so that keys nobody asks for can be refused by name. */
final class Keys {
    private static final String SECTION = "model_parameters";

    private final Map<String, ?> given;
    private final Map<String, Object> read = new LinkedHashMap<>();

    Keys(Map<String, ?> given) {
        this.given = given;
    }

    /** Returns what was read, defaults included, as a file would have it. */
    Map<String, Object> read() {
        return read;
    }

    /**
     * Refuses keys that nobody asked for.
     *
     * @throws ConfigException naming one, with the nearest known key
     */
    void refuseOthers() {
        for (String key : given.keySet()) {
            if (!read.containsKey(key)) {
                throw new ConfigException(Suggestions.unknownKey(SECTION, key, read.keySet()));
            }
        }
    }

    int integer(String key, Integer otherwise, int least) {
        Object value = value(key, otherwise);
        int number = whole(key, value);
        if (number < least) {
            throw refused(key, value, "an integer of at least " + least);
        }
        return number;
    }

    double fraction(String key, double otherwise) {
        Object value = value(key, otherwise);
        if (!(value instanceof Number number) || !(number.doubleValue() >= 0 && number.doubleValue() < 1)) {
            throw refused(key, value, "a number from 0 to below 1");
        }
        return number.doubleValue();
    }

    double number(String key, double otherwise) {
        Object value = value(key, otherwise);
        if (!(value instanceof Number number) || !(number.doubleValue() > 0)) {
            throw refused(key, value, "a number above 0");
        }
        return number.doubleValue();
    }

    boolean flag(String key, Boolean otherwise) {
        Object value = value(key, otherwise);
        if (!(value instanceof Boolean flag)) {
            throw refused(key, value, "true or false");
        }
        return flag;
    }

    String choice(String key, String otherwise, String... choices) {
        Object value = value(key, otherwise);
        if (!List.of(choices).contains(value)) {
            throw refused(key, value, String.join(", ", choices));
        }
        return (String) value;
    }

    /** Reads one number for each of several things. */
    int[] integers(String key, List<Integer> otherwise, int count, int least) {
        Object value = value(key, otherwise);
        if (!(value instanceof List<?> list) || list.size() != count) {
            throw refused(key, value, "a list of " + count + " integers");
        }
        return numbers(key, list, least);
    }

    /** Reads a number for all axes, or one for each. */
    int[] axes(String key, Object otherwise) {
        Object value = value(key, otherwise);
        return triple(key, value);
    }

    /** Reads, for each of several things, a number for all axes or one for each. */
    int[][] axesOfEach(String key, Object otherwise, int count) {
        Object value = value(key, otherwise);
        if (!(value instanceof List<?> list) || list.size() != count) {
            throw refused(key, value, "a list of " + count + " entries");
        }
        int[][] result = new int[count][];
        for (int i = 0; i < count; i++) {
            result[i] = triple(key + "[" + i + "]", list.get(i));
        }
        return result;
    }

    /** Reads one number for each of several things, or one for all. */
    int[] repeated(String key, Object otherwise, int count, int least) {
        Object value = value(key, otherwise);
        if (value instanceof List<?> list && list.size() == count) {
            return numbers(key, list, least);
        }
        int number = whole(key, value);
        if (number < least) {
            throw refused(key, value, "integers of at least " + least);
        }
        int[] result = new int[count];
        java.util.Arrays.fill(result, number);
        return result;
    }

    /** Reads a value of any kind; {@code null} where there is none. */
    Object any(String key) {
        read.put(key, given.get(key));
        return given.get(key);
    }

    private Object value(String key, Object otherwise) {
        Object value = given.get(key);
        if (value == null) {
            value = otherwise;
        }
        if (value == null) {
            throw refused(key, null, "a value: this architecture has no default for it");
        }
        read.put(key, value);
        return value;
    }

    private static int[] triple(String key, Object value) {
        if (value instanceof List<?> list && list.size() == 3) {
            return numbers(key, list, 1);
        }
        int number = whole(key, value);
        if (number < 1) {
            throw refused(key, value, "an integer of at least 1, or three");
        }
        return Cursor.cube(number);
    }

    private static int[] numbers(String key, List<?> list, int least) {
        int[] result = new int[list.size()];
        for (int i = 0; i < result.length; i++) {
            result[i] = whole(key + "[" + i + "]", list.get(i));
            if (result[i] < least) {
                throw refused(key + "[" + i + "]", list.get(i), "an integer of at least " + least);
            }
        }
        return result;
    }

    private static int whole(String key, Object value) {
        if (value instanceof Number number && number.doubleValue() == number.intValue()) {
            return number.intValue();
        }
        throw refused(key, value, "an integer");
    }

    static ConfigException refused(String key, Object found, String expected) {
        return ConfigException.of(SECTION + "." + key, found, expected);
    }
}
