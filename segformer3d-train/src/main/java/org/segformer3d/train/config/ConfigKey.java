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
import org.segformer3d.data.io.HomeFolder;

/**
 * One key of an experiment file: where it stands, what it may hold, and what it means.
 *
 * @param path dotted path, for example {@code training_parameters.num_epochs}
 * @param type what a value looks like, for people
 * @param otherwise canonical value when the key is left out; {@code null} for none
 * @param official whether the official files have it; the others are extensions
 * @param description one or two sentences
 * @param schema what a value looks like, for editors: the keywords of a JSON Schema
 * @param reader turns what stands in a file into the canonical value, or throws naming the key
 */
record ConfigKey(
        String path,
        String type,
        Object otherwise,
        boolean official,
        String description,
        Map<String, Object> schema,
        Reader reader) {
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
        Objects.requireNonNull(schema, "schema");
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
        Map<String, Object> schema = Map.of("type", List.of("string", "number", "boolean"));
        return new ConfigKey(path, "text", otherwise, official, description, schema, (key, found, base) -> {
            if (found instanceof String || found instanceof Number || found instanceof Boolean) {
                return found.toString();
            }
            throw ConfigException.of(key, found, "text");
        });
    }

    static ConfigKey path(String path, boolean official, String description) {
        Map<String, Object> schema = Map.of("type", "string", "minLength", 1);
        return new ConfigKey(path, "path", null, official, description, schema, (key, found, base) -> {
            if (found instanceof String text && !text.isBlank()) {
                try {
                    return base.resolve(HomeFolder.expand(text)).normalize().toString();
                } catch (InvalidPathException e) {
                    throw ConfigException.of(key, "'" + text + "'", "a path (" + e.getReason() + ")");
                }
            }
            throw ConfigException.of(key, found, "a path");
        });
    }

    static ConfigKey bool(String path, boolean otherwise, boolean official, String description) {
        Map<String, Object> schema = Map.of("type", "boolean");
        return new ConfigKey(path, "true or false", otherwise, official, description, schema, (key, found, base) -> {
            if (found instanceof Boolean) {
                return found;
            }
            throw ConfigException.of(key, found, "true or false");
        });
    }

    static ConfigKey integer(String path, Long otherwise, long least, boolean official, String description) {
        String type = least == Long.MIN_VALUE ? "integer" : "integer ≥ " + least;
        Map<String, Object> schema = least == Long.MIN_VALUE
                ? Map.of("type", "integer")
                : Map.of("type", "integer", "minimum", least, "maximum", Integer.MAX_VALUE);
        return new ConfigKey(path, type, otherwise, official, description, schema, (key, found, base) -> {
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

    /** A number in a range. */
    static ConfigKey number(String path, Double otherwise, NumberRange range, boolean official, String description) {
        String type = "number " + range;
        return new ConfigKey(path, type, otherwise, official, description, range.schema(), (key, found, base) -> {
            double value = toDouble(key, found);
            if (!range.contains(value)) {
                throw ConfigException.of(key, found, "a number " + range);
            }
            return value;
        });
    }

    static ConfigKey choice(String path, String otherwise, List<String> choices, boolean official, String description) {
        String type = String.join(", ", choices);
        Map<String, Object> schema = Map.of("enum", choices);
        return new ConfigKey(path, type, otherwise, official, description, schema, (key, found, base) -> {
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

    static ConfigKey numbers(String path, List<Double> otherwise, NumberRange range, String description) {
        int count = otherwise.size();
        String type = count + " numbers " + range;
        Map<String, Object> schema =
                Map.of("type", "array", "items", range.schema(), "minItems", count, "maxItems", count);
        return new ConfigKey(path, type, otherwise, false, description, schema, (key, found, base) -> {
            if (!(found instanceof List<?> list) || list.size() != count) {
                throw ConfigException.of(key, found, "a list of " + count + " numbers " + range);
            }
            List<Double> values = new ArrayList<>();
            for (int i = 0; i < count; i++) {
                double value = toDouble(key + "[" + i + "]", list.get(i));
                if (!range.contains(value)) {
                    throw ConfigException.of(key + "[" + i + "]", list.get(i), "a number " + range);
                }
                values.add(value);
            }
            return List.copyOf(values);
        });
    }

    /** Three sizes in voxels; one number stands for a cube. */
    static ConfigKey grid(String path, List<Long> otherwise, boolean official, String description) {
        Map<String, Object> edge = Map.of("type", "integer", "minimum", 1, "maximum", 4096);
        Map<String, Object> schema =
                Map.of("anyOf", List.of(edge, Map.of("type", "array", "items", edge, "minItems", 3, "maxItems", 3)));
        return new ConfigKey(path, "3 integers ≥ 1", otherwise, official, description, schema, (key, found, base) -> {
            if (found instanceof Number) {
                long cube = size(key, found);
                return List.of(cube, cube, cube);
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

    /**
     * A map that someone else understands; {@code check} validates it and returns what is kept.
     *
     * @param properties schemas of its entries by name, empty when it may have any
     */
    static ConfigKey map(
            String path,
            String type,
            Map<String, Object> otherwise,
            boolean official,
            String description,
            Map<String, Object> properties,
            BiFunction<String, Map<String, Object>, Map<String, Object>> check) {
        // Without known names any map will do.
        Map<String, Object> schema = properties.isEmpty()
                ? Map.of("type", "object")
                : Map.of("type", "object", "properties", properties, "additionalProperties", false);
        return new ConfigKey(path, type, otherwise, official, description, schema, (key, found, base) -> {
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

    /**
     * Which numbers a key accepts; never NaN.
     *
     * @param least lower bound
     * @param open whether the lower bound itself is left out
     * @param below upper bound, itself left out
     */
    record NumberRange(double least, boolean open, double below) {
        /** What no sensible value reaches. */
        private static final double LARGE = 1e12;

        static final NumberRange POSITIVE = new NumberRange(0, true, LARGE);
        static final NumberRange NOT_NEGATIVE = new NumberRange(0, false, LARGE);
        static final NumberRange FRACTION = new NumberRange(0, false, 1);

        /** All numbers from 0 to 1, both included. */
        static final NumberRange SHARE = new NumberRange(0, false, Math.nextUp(1.0));

        boolean contains(double value) {
            return (open ? value > least : value >= least) && value < below;
        }

        Map<String, Object> schema() {
            return below == SHARE.below
                    ? Map.of("type", "number", "minimum", least, "maximum", 1)
                    : Map.of("type", "number", open ? "exclusiveMinimum" : "minimum", least, "exclusiveMaximum", below);
        }

        @Override
        public String toString() {
            return below == LARGE ? (open ? "> 0" : "≥ 0") : below == SHARE.below ? "in [0, 1]" : "in [0, 1)";
        }
    }
}
