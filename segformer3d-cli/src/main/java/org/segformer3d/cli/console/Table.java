package org.segformer3d.cli.console;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/** Rows of text in aligned columns. */
public final class Table {
    private final List<String[]> rows = new ArrayList<>();
    private final boolean[] right;

    /**
     * Starts a table.
     *
     * @param headings one per column; columns whose heading starts with {@code >} are aligned to the right
     */
    public Table(String... headings) {
        right = new boolean[headings.length];
        String[] shown = new String[headings.length];
        for (int i = 0; i < headings.length; i++) {
            right[i] = headings[i].startsWith(">");
            shown[i] = right[i] ? headings[i].substring(1) : headings[i];
        }
        rows.add(shown);
    }

    /** Adds a row of as many cells as there are headings. */
    public Table row(String... cells) {
        if (cells.length != right.length) {
            throw new IllegalArgumentException("expected " + right.length + " cells, found " + cells.length);
        }
        rows.add(cells);
        return this;
    }

    /** Returns the lines: headings, a rule, rows. */
    public List<String> lines() {
        int[] widths = new int[right.length];
        for (String[] row : rows) {
            for (int i = 0; i < widths.length; i++) {
                widths[i] = Math.max(widths[i], row[i].codePointCount(0, row[i].length()));
            }
        }
        List<String> lines = new ArrayList<>();
        for (String[] row : rows) {
            StringBuilder line = new StringBuilder();
            for (int i = 0; i < widths.length; i++) {
                String padding = " ".repeat(widths[i] - row[i].codePointCount(0, row[i].length()));
                line.append(i == 0 ? "" : "  ").append(right[i] ? padding + row[i] : row[i] + padding);
            }
            lines.add(line.toString().stripTrailing());
            if (lines.size() == 1) {
                lines.add("-".repeat(Arrays.stream(widths).sum() + 2 * (widths.length - 1)));
            }
        }
        return lines;
    }
}
