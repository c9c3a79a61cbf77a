package org.segformer3d.train.config;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.segformer3d.eval.result.Json;

/**
 * The keys of an experiment file as a JSON Schema (draft 2020-12), for editors; made from the code that reads them.
 *
 * <p>An editor with a YAML language server completes and checks a file whose first line is
 *
 * <pre>{@code # yaml-language-server: $schema=https://…/docs/experiment.schema.json}</pre>
 */
public final class ConfigurationSchema {
    /** Schemas that aren't hand-written name themselves by nothing but their content. */
    private static final String DRAFT = "https://json-schema.org/draft/2020-12/schema";

    private ConfigurationSchema() {}

    /** Returns the schema as indented JSON. */
    public static String json() {
        Map<String, Object> schema = new LinkedHashMap<>();
        schema.put("$schema", DRAFT);
        schema.put("title", "SegFormer3D experiment");
        schema.putAll(section(""));
        return Json.pretty(schema);
    }

    private static Map<String, Object> section(String section) {
        Map<String, Object> properties = new LinkedHashMap<>();
        for (String name : ExperimentKeys.childrenOf(section)) {
            String path = section.isEmpty() ? name : section + "." + name;
            ConfigKey key = ExperimentKeys.all().get(path);
            properties.put(name, key == null ? orNull(section(path)) : property(key));
        }
        Map<String, Object> schema = new LinkedHashMap<>();
        schema.put("type", "object");
        schema.put("properties", properties);
        schema.put("additionalProperties", false);
        return schema;
    }

    private static Map<String, Object> property(ConfigKey key) {
        Map<String, Object> schema = new LinkedHashMap<>();
        schema.put("description", key.description() + (key.official() ? "" : " (extension)"));
        schema.put("default", key.otherwise());
        schema.putAll(orNull(key.schema()));
        return schema;
    }

    /** Any key may be null, or None as the official files have it; both mean its default. */
    private static Map<String, Object> orNull(Map<String, Object> schema) {
        List<Object> nothing = new ArrayList<>();
        nothing.add(null);
        nothing.add("None");
        return Map.of("anyOf", List.of(sorted(schema), Map.of("enum", nothing)));
    }

    /** Maps written down in the code have no order, but a file needs one. */
    private static Object sorted(Object value) {
        if (value instanceof LinkedHashMap<?, ?> map) {
            Map<String, Object> copy = new LinkedHashMap<>();
            map.forEach((name, inner) -> copy.put(String.valueOf(name), sorted(inner)));
            return copy;
        }
        if (value instanceof Map<?, ?> map) {
            Map<String, Object> copy = new TreeMap<>();
            map.forEach((name, inner) -> copy.put(String.valueOf(name), sorted(inner)));
            return copy;
        }
        return value instanceof List<?> list
                ? list.stream().map(ConfigurationSchema::sorted).toList()
                : value;
    }
}
