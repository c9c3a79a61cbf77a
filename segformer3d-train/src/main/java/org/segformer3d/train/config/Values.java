package org.segformer3d.train.config;

import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import org.segformer3d.api.block.Grid;

/** Typed access to a complete tree. */
final class Values {
    private final Map<String, Object> tree;

    Values(Map<String, Object> tree) {
        this.tree = tree;
    }

    Object get(String path) {
        Object at = tree;
        for (String name : path.split("\\.")) {
            at = ((Map<?, ?>) at).get(name);
        }
        return at;
    }

    String text(String path) {
        return (String) get(path);
    }

    Optional<String> optionalText(String path) {
        return Optional.ofNullable((String) get(path));
    }

    Optional<Path> optionalPath(String path) {
        return optionalText(path).map(Path::of);
    }

    boolean bool(String path) {
        return (Boolean) get(path);
    }

    double number(String path) {
        return (Double) get(path);
    }

    int integer(String path) {
        return Math.toIntExact((Long) get(path));
    }

    long seed(String path) {
        return (Long) get(path);
    }

    OptionalInt optionalInteger(String path) {
        Object value = get(path);
        return value == null ? OptionalInt.empty() : OptionalInt.of(Math.toIntExact((Long) value));
    }

    List<?> list(String path) {
        return (List<?>) get(path);
    }

    Map<String, Object> map(String path) {
        return ConfigKey.stringKeys(get(path));
    }

    Optional<Grid> grid(String path) {
        List<?> sizes = list(path);
        return sizes == null ? Optional.empty() : Optional.of(new Grid(size(sizes, 0), size(sizes, 1), size(sizes, 2)));
    }

    private static int size(List<?> sizes, int axis) {
        return Math.toIntExact((Long) sizes.get(axis));
    }
}
