package org.segformer3d.train.config;

import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.function.BiFunction;
import java.util.regex.Pattern;
import org.segformer3d.api.config.ConfigException;
import org.segformer3d.api.config.Suggestions;

/**
 * One key of an experiment file: where it stands, what it may hold, and what it means.
 *
 * @param path dotted path, for example {@code training_parameters.num_epochs}
 * @param type what a value looks like, for people
 * @param otherwise canonical value when the key is left out; {@code null} for none
 * @param official whether the official files have it; the others are extensions
 * @param description one or two sentences
 * @param reader turns what stands in a file into the canonical value, or throws naming the key
 */
record ConfigKey(String path, String type, Object otherwise, boolean official, String description, Reader reader) {
    private static final Pattern NUMBER = Pattern.compile("[-+]?(\\d+\\.?\\d*|\\.\\d+)([eE][-+]?\\d+)?");

    /** Reads a value. */
    @FunctionalInterface
    interface Reader {
        /**
         * Returns the canonical value.
         *
         * @param path the key, for messages
         * @param found what stands there, not {@code null}
         * @param base folder that relative paths start from
         * @throws ConfigException when it is of another kind or out of range
         */
        Object read(String path, Object found, Path base);
    }

    ConfigKey {
        Objects.requireNonNull(path, "path");
        Objects.requireNonNull(type, "type");
        Objects.requireNonNull(description, "description");
        Objects.requireNonNull(reader, "reader");
    }

    /** Returns the canonical value of what was found; {@code null} becomes the default. */
    Object read(Object found, Path base) {
        return found == null ? otherwise : reader.read(path, found, base);
    }

    /** Returns the default as it would be written in a file. */
    String otherwiseText() {
        if (otherwise instanceof Map<?, ?> map) {
            return map.entrySet().stream()
                    .map(entry -> entry.getKey() + ": " + entry.getValue())
                    .collect(java.util.stream.Collectors.joining(", ", "{", "}"));
        }
        return otherwise == null ? "null" : otherwise.toString();
    }

    static ConfigKey text(String path, String otherwise, boolean official, String description) {
        return new ConfigKey(path, "text", otherwise, official, description, (key, found, base) -> {
            if (found instanceof String || found instanceof Number || found instanceof Boolean) {
                return found.toString();
            }
            throw ConfigException.of(key, found, "text");
        });
    }

    static ConfigKey path(String path, boolean official, String description) {
        return new ConfigKey(path, "path", null, official, description, (key, found, base) -> {
            if (found instanceof String text && !text.isBlank()) {
                try {
                    return base.resolve(text).normalize().toString();
                } catch (InvalidPathException e) {
                    throw ConfigException.of(key, "'" + text + "'", "a path (" + e.getReason() + ")");
                }
            }
            throw ConfigException.of(key, found, "a path");
        });
    }

    static ConfigKey bool(String path, boolean otherwise, boolean official, String description) {
        return new ConfigKey(path, "true or false", otherwise, official, description, (key, found, base) -> {
            if (found instanceof Boolean) {
                return found;
            }
            throw ConfigException.of(key, found, "true or false");
        });
    }

    static ConfigKey integer(String path, Long otherwise, long least, boolean official, String description) {
        String type = least == Long.MIN_VALUE ? "integer" : "integer ≥ " + least;
        return new ConfigKey(path, type, otherwise, official, description, (key, found, base) -> {
            long value = toLong(key, found);
            if (value < least) {
                throw ConfigException.of(key, value, "an integer of at least " + least);
            }
            if (least != Long.MIN_VALUE && value > Integer.MAX_VALUE) {
                throw ConfigException.of(key, value, "an integer of at most " + Integer.MAX_VALUE);
            }
            return value;
        });
    }

    /** A number whose range is said by two bounds; infinite bounds are open. */
    static ConfigKey number(
            String path, Double otherwise, String range, NumberRange accepted, boolean official, String description) {
        return new ConfigKey(path, "number " + range, otherwise, official, description, (key, found, base) -> {
            double value = toDouble(key, found);
            if (!accepted.contains(value)) {
                throw ConfigException.of(key, found, "a number " + range);
            }
            return value;
        });
    }

    static ConfigKey choice(String path, String otherwise, List<String> choices, boolean official, String description) {
        String type = String.join(", ", choices);
        return new ConfigKey(path, type, otherwise, official, description, (key, found, base) -> {
            if (found instanceof String text) {
                for (String choice : choices) {
                    if (choice.equalsIgnoreCase(text.strip())) {
                        return choice;
                    }
                }
                String near = Suggestions.nearest(text, choices)
                        .map(n -> " (did you mean '" + n + "'?)")
                        .orElse("");
                throw ConfigException.of(key, "'" + text + "'", "one of " + type + near);
            }
            throw ConfigException.of(key, found, "one of " + type);
        });
    }

    static ConfigKey numbers(
            String path, List<Double> otherwise, String range, NumberRange accepted, String description) {
        int count = otherwise.size();
        return new ConfigKey(path, count + " numbers " + range, otherwise, false, description, (key, found, base) -> {
            if (!(found instanceof List<?> list) || list.size() != count) {
                throw ConfigException.of(key, found, "a list of " + count + " numbers " + range);
            }
            List<Double> values = new ArrayList<>();
            for (int i = 0; i < count; i++) {
                double value = toDouble(key + "[" + i + "]", list.get(i));
                if (!accepted.contains(value)) {
                    throw ConfigException.of(key + "[" + i + "]", list.get(i), "a number " + range);
                }
                values.add(value);
            }
            return List.copyOf(values);
        });
    }

    /** Three sizes in voxels; one number stands for a cube. */
    static ConfigKey grid(String path, List<Long> otherwise, boolean official, String description) {
        return new ConfigKey(path, "3 integers ≥ 1", otherwise, official, description, (key, found, base) -> {
            if (found instanceof Number) {
                long edge = size(key, found);
                return List.of(edge, edge, edge);
            }
            if (!(found instanceof List<?> list) || list.size() != 3) {
                throw ConfigException.of(key, found, "three integers of at least 1, such as [64, 64, 64]");
            }
            List<Long> sizes = new ArrayList<>();
            for (int i = 0; i < 3; i++) {
                sizes.add(size(key + "[" + i + "]", list.get(i)));
            }
            return List.copyOf(sizes);
        });
    }

    /** A map that someone else understands; {@code check} validates it and returns what is kept. */
    static ConfigKey map(
            String path,
            String type,
            Map<String, Object> otherwise,
            boolean official,
            String description,
            BiFunction<String, Map<String, Object>, Map<String, Object>> check) {
        return new ConfigKey(path, type, otherwise, official, description, (key, found, base) -> {
            if (!(found instanceof Map<?, ?>)) {
                throw ConfigException.of(key, found, "a map");
            }
            return canonical(check.apply(key, stringKeys(found)));
        });
    }

    static Map<String, Object> stringKeys(Object found) {
        Map<String, Object> map = new LinkedHashMap<>();
        ((Map<?, ?>) found).forEach((k, v) -> map.put(String.valueOf(k), v));
        return map;
    }

    /**
     * Returns the value in the form that equal files share: integers as long, other numbers as double, collections unmodifiable.
     */
    @SuppressWarnings("unchecked")
    static <T> T canonical(T value) {
        Object result = value;
        if (value instanceof Map<?, ?> map) {
            Map<String, Object> copy = new LinkedHashMap<>();
            map.forEach((k, v) -> copy.put(String.valueOf(k), canonical(v)));
            result = Collections.unmodifiableMap(copy);
        } else if (value instanceof List<?> list) {
            List<Object> copy = new ArrayList<>();
            list.forEach(v -> copy.add(canonical(v)));
            result = Collections.unmodifiableList(copy);
        } else if (value instanceof Byte || value instanceof Short || value instanceof Integer) {
            result = ((Number) value).longValue();
        } else if (value instanceof Float f) {
            // the shortest decimal that means this float, not its expansion
            result = Double.parseDouble(f.toString());
        } else if (value instanceof Enum<?> e) {
            result = e.name().toLowerCase(java.util.Locale.ROOT);
        }
        return (T) result;
    }

    private static long size(String key, Object found) {
        long value = toLong(key, found);
        if (value < 1 || value > 4096) {
            throw ConfigException.of(key, found, "an integer from 1 to 4096");
        }
        return value;
    }

    static long toLong(String key, Object found) {
        if (found instanceof Integer || found instanceof Long || found instanceof Short) {
            return ((Number) found).longValue();
        }
        if (found instanceof Double d && d == Math.rint(d) && Math.abs(d) < 1e15) {
            return d.longValue();
        }
        throw ConfigException.of(key, found, "an integer");
    }

    static double toDouble(String key, Object found) {
        if (found instanceof Number number) {
            return number.doubleValue();
        }
        // YAML 1.1 calls 1e-4 (no dot) text; nobody who writes it means text.
        if (found instanceof String text && NUMBER.matcher(text.strip()).matches()) {
            return Double.parseDouble(text.strip());
        }
        throw ConfigException.of(key, found, "a number");
    }

    /** Which numbers a key accepts. */
    @FunctionalInterface
    interface NumberRange {
        /** Returns whether the number is accepted; false for NaN in every range here. */
        boolean contains(double value);
    }
}
