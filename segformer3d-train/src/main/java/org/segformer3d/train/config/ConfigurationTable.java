package org.segformer3d.train.config;

/** The table of all keys of an experiment file, made from the code that reads them. */
public final class ConfigurationTable {
    private ConfigurationTable() {}

    /** Returns the keys as Markdown: one table per top-level section, a row a key; extensions are marked with a star. */
    public static String markdown() {
        StringBuilder text = new StringBuilder();
        String section = null;
        for (ConfigKey key : ExperimentKeys.all().values()) {
            String top = key.path().contains(".")
                    ? key.path().substring(0, key.path().indexOf('.'))
                    : "";
            if (!top.equals(section)) {
                boolean general = top.isEmpty();
                // Keys at the top that follow sections need no table of their own heading twice.
                text.append(text.isEmpty() ? "" : "\n");
                text.append("### ")
                        .append(general ? "Top level" : "`" + top + "`")
                        .append("\n\n");
                text.append("| key | value | default | meaning |\n|---|---|---|---|\n");
                section = top;
            }
            text.append("| `").append(key.path()).append('`').append(key.official() ? "" : " ★");
            text.append(" | ").append(cell(key.type()));
            text.append(" | ").append(defaultCell(key));
            text.append(" | ").append(cell(key.description())).append(" |\n");
        }
        return text.toString();
    }

    private static String defaultCell(ConfigKey key) {
        if (key.path().equals("model_parameters")) {
            return "the published model";
        }
        return "`" + cell(key.otherwiseText()) + "`";
    }

    private static String cell(String text) {
        return text.replace("|", "\\|").replace("\n", " ");
    }
}
