package org.segformer3d.train.config;

import java.util.Map;
import java.util.regex.Pattern;
import org.segformer3d.api.config.ConfigException;
import org.yaml.snakeyaml.DumperOptions;
import org.yaml.snakeyaml.LoaderOptions;
import org.yaml.snakeyaml.Yaml;
import org.yaml.snakeyaml.constructor.SafeConstructor;
import org.yaml.snakeyaml.error.MarkedYAMLException;
import org.yaml.snakeyaml.error.YAMLException;
import org.yaml.snakeyaml.nodes.Tag;
import org.yaml.snakeyaml.representer.Representer;
import org.yaml.snakeyaml.resolver.Resolver;

/**
 * Reads and writes YAML 1.1, as PyYAML does, which the official files are written for: {@code yes} and {@code on} are true, and
 * anchors, aliases and merge keys work.
 *
 * <p>Two differences: dates stay text, and a key given twice is an error.
 */
final class YamlText {
    private static final int MOST_CHARACTERS = 1 << 20;

    private YamlText() {}

    /**
     * Returns maps, lists, text, numbers, booleans and {@code null}.
     *
     * @param source what messages call the text
     * @throws ConfigException when it isn't YAML, one line with the place
     */
    static Object read(String text, String source) {
        LoaderOptions options = new LoaderOptions();
        options.setAllowDuplicateKeys(false);
        options.setCodePointLimit(MOST_CHARACTERS);
        DumperOptions unused = new DumperOptions();
        try {
            return new Yaml(new SafeConstructor(options), new Representer(unused), unused, options, new Words())
                    .load(text);
        } catch (MarkedYAMLException e) {
            String problem = e.getProblem() == null ? "syntax error" : e.getProblem();
            String where = e.getProblemMark() == null
                    ? ""
                    : ", line " + (e.getProblemMark().getLine() + 1) + " column "
                            + (e.getProblemMark().getColumn() + 1);
            throw new ConfigException(source + ": not valid YAML" + where + ": " + oneLine(problem));
        } catch (YAMLException e) {
            throw new ConfigException(source + ": not valid YAML: " + oneLine(String.valueOf(e.getMessage())));
        }
    }

    /** Returns plain values as YAML that {@link #read} reads back to equal ones. */
    static String write(Map<String, ?> values) {
        DumperOptions options = new DumperOptions();
        options.setDefaultFlowStyle(DumperOptions.FlowStyle.AUTO);
        options.setWidth(120);
        return new Yaml(new SafeConstructor(new LoaderOptions()), new Representer(options), options).dump(values);
    }

    private static String oneLine(String message) {
        return message.lines().findFirst().orElse("syntax error");
    }

    /** What plain words mean: all that YAML 1.1 has but dates, as no key holds one. */
    private static final class Words extends Resolver {
        @Override
        public void addImplicitResolver(Tag tag, Pattern pattern, String first, int limit) {
            if (!tag.equals(Tag.TIMESTAMP)) {
                super.addImplicitResolver(tag, pattern, first, limit);
            }
        }
    }
}
