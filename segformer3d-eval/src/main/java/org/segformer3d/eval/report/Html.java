package org.segformer3d.eval.report;

import java.math.BigDecimal;
import java.math.MathContext;
import java.util.Collection;
import java.util.Locale;
import java.util.Map;

/** Text of a page: escaping, numbers, tables of facts. */
final class Html {
    static final String NOTHING = "–";

    private Html() {}

    /** Returns text as it may stand in an element or an attribute in double quotes. */
    static String escape(Object text) {
        return String.valueOf(text)
                .replace("&", "&amp;")
                .replace("<", "&lt;")
                .replace(">", "&gt;")
                .replace("\"", "&quot;");
    }

    /** Returns a number with so many decimals, a proper minus, and a dash for NaN. */
    static String number(double value, int decimals) {
        if (Double.isNaN(value)) {
            return NOTHING;
        }
        String text = String.format(Locale.ROOT, "%." + decimals + "f", value);
        if (text.matches("-0\\.?0*")) {
            text = text.substring(1);
        }
        return text.replace('-', '\u2212');
    }

    /** Returns a coordinate of a drawing: at most two decimals, none where it is whole. */
    static String coordinate(double value) {
        long hundredths = Math.round(value * 100);
        return hundredths % 100 == 0 ? String.valueOf(hundredths / 100) : String.valueOf(hundredths / 100.0);
    }

    /** Returns a table with a row for each value of nested maps, named by its keys; long lists are cut. */
    static String facts(Map<?, ?> map) {
        StringBuilder rows = new StringBuilder();
        addFacts(rows, "", map);
        return "<table class=\"facts\"><tbody>" + rows + "</tbody></table>";
    }

    private static void addFacts(StringBuilder rows, String prefix, Map<?, ?> map) {
        map.forEach((key, value) -> {
            String name = prefix.isEmpty() ? title(key) : prefix + words(key);
            if (value instanceof Map<?, ?> inner) {
                addFacts(rows, name + " / ", inner);
            } else if (value instanceof Collection<?> list && list.stream().anyMatch(one -> one instanceof Map<?, ?>)) {
                int n = 0;
                for (Object one : list) {
                    n++;
                    String numbered = list.size() == 1 ? name : name + " " + n;
                    if (one instanceof Map<?, ?> inner) {
                        addFacts(rows, numbered + " / ", inner);
                    }
                }
            } else {
                row(rows, name, text(value));
            }
        });
    }

    /** Returns a table of names and what belongs to them, both as they are. */
    static String rows(Map<String, String> map) {
        StringBuilder rows = new StringBuilder();
        map.forEach((name, value) -> row(rows, name, value));
        return "<table class=\"facts\"><tbody>" + rows + "</tbody></table>";
    }

    private static void row(StringBuilder rows, String name, String value) {
        rows.append("<tr><th scope=\"row\">")
                .append(escape(name))
                .append("</th><td>")
                .append(escape(value))
                .append("</td></tr>");
    }

    /** Returns a key as the words of a heading. */
    static String title(Object key) {
        String words = words(key);
        return words.isEmpty() ? words : Character.toUpperCase(words.charAt(0)) + words.substring(1);
    }

    private static String words(Object key) {
        return String.valueOf(key).replace('_', ' ');
    }

    private static String text(Object value) {
        if (value == null) {
            return NOTHING;
        }
        if (value instanceof Double number && Double.isFinite(number)) {
            BigDecimal rounded =
                    new BigDecimal(number).round(new MathContext(6)).stripTrailingZeros();
            return Math.abs(number) >= 1e-4 && Math.abs(number) < 1e9 ? rounded.toPlainString() : rounded.toString();
        }
        if (value instanceof Collection<?> list) {
            String first = String.join(
                    ", ", list.stream().limit(8).map(String::valueOf).toList());
            return list.size() > 8 ? first + ", … (" + list.size() + ")" : first;
        }
        return String.valueOf(value);
    }

    /** Returns nested maps as indented lines, much as YAML has them. */
    static String outline(Map<?, ?> map) {
        StringBuilder text = new StringBuilder();
        addOutline(text, "", map);
        return text.toString();
    }

    private static void addOutline(StringBuilder text, String indent, Map<?, ?> map) {
        map.forEach((key, value) -> {
            text.append(indent).append(key).append(':');
            if (value instanceof Map<?, ?> inner && !inner.isEmpty()) {
                text.append('\n');
                addOutline(text, indent + "  ", inner);
            } else {
                text.append(' ').append(value).append('\n');
            }
        });
    }
}
