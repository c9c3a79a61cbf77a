package org.segformer3d.data.dataset;

import java.io.IOException;
import java.nio.charset.CharacterCodingException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import org.segformer3d.data.io.AtomicFiles;

/**
 * An official list of cases: a CSV file with the columns {@code data_path} (the case's folder) and {@code case_name}.
 *
 * @param rows the cases in the file's order
 */
public record CaseTable(List<Row> rows) {
    private static final String PATH = "data_path";
    private static final String NAME = "case_name";

    /**
     * One case.
     *
     * @param dataPath folder with {@code NAME_modalities.pt} and {@code NAME_label.pt}, as it is written
     * @param caseName its name
     */
    public record Row(String dataPath, String caseName) {}

    /** Copies the rows. */
    public CaseTable {
        rows = List.copyOf(rows);
    }

    /**
     * Reads a list; other columns, such as a row number without a name, are passed over.
     *
     * @throws DatasetException when columns are missing, a line is too short, a case is there twice or there are none
     * @throws IOException when reading fails
     */
    public static CaseTable read(Path csv) throws IOException {
        List<List<String>> lines;
        try {
            lines = lines(csv, Files.readString(csv));
        } catch (CharacterCodingException e) {
            throw new DatasetException(
                    csv, "isn't UTF-8 text, expected a CSV file with the columns data_path and case_name", e);
        }
        List<String> header = lines.isEmpty() ? List.of() : lines.get(0);
        int pathColumn = header.indexOf(PATH);
        int nameColumn = header.indexOf(NAME);
        if (pathColumn < 0 || nameColumn < 0) {
            throw new DatasetException(csv, "found the columns " + header + ", expected data_path and case_name");
        }
        List<Row> rows = new ArrayList<>();
        Set<String> names = new HashSet<>();
        for (int n = 1; n < lines.size(); n++) {
            List<String> line = lines.get(n);
            if (line.size() == 1 && line.get(0).isBlank()) {
                continue;
            }
            if (line.size() <= Math.max(pathColumn, nameColumn)) {
                throw new DatasetException(
                        csv, "line " + (n + 1) + " has " + line.size() + " fields, expected " + header.size());
            }
            String name = line.get(nameColumn);
            if (name.isEmpty() || !names.add(name)) {
                throw new DatasetException(
                        csv,
                        "line " + (n + 1) + ": "
                                + (name.isEmpty() ? "case_name is empty" : "case '" + name + "' is there twice"));
            }
            rows.add(new Row(line.get(pathColumn), name));
        }
        if (rows.isEmpty()) {
            throw new DatasetException(csv, "lists no cases");
        }
        return new CaseTable(rows);
    }

    /**
     * Writes a list that {@link #read} and the official code read.
     *
     * @throws IOException when writing fails; nothing is changed then
     */
    public void write(Path csv) throws IOException {
        StringBuilder text = new StringBuilder(PATH + "," + NAME + "\n");
        for (Row row : rows) {
            text.append(field(row.dataPath()))
                    .append(',')
                    .append(field(row.caseName()))
                    .append('\n');
        }
        AtomicFiles.writeString(csv, text.toString());
    }

    private static String field(String text) {
        boolean plain = text.chars().noneMatch(c -> c == ',' || c == '"' || c == '\n' || c == '\r');
        return plain ? text : "\"" + text.replace("\"", "\"\"") + "\"";
    }

    /** Returns the fields of each line; quoted fields may hold commas, line breaks and doubled quotes. */
    private static List<List<String>> lines(Path csv, String text) throws DatasetException {
        List<List<String>> lines = new ArrayList<>();
        List<String> line = new ArrayList<>();
        StringBuilder field = new StringBuilder();
        boolean quoted = false;
        boolean wasQuoted = false;
        // A byte order mark, as spreadsheets write it.
        for (int n = text.startsWith("\uFEFF") ? 1 : 0; n <= text.length(); n++) {
            char c = n < text.length() ? text.charAt(n) : '\n';
            if (quoted && n == text.length()) {
                throw new DatasetException(
                        csv,
                        "the quotation that begins line " + (lines.size() + 1) + " or a later field of it never ends");
            }
            if (quoted) {
                if (c != '"') {
                    field.append(c);
                } else if (n + 1 < text.length() && text.charAt(n + 1) == '"') {
                    field.append(c);
                    n++;
                } else {
                    quoted = false;
                }
            } else if (c == '"' && field.toString().isBlank()) {
                field.setLength(0);
                quoted = true;
                wasQuoted = true;
            } else if (c == ',' || c == '\n') {
                line.add(wasQuoted ? field.toString() : field.toString().strip());
                field.setLength(0);
                wasQuoted = false;
                if (c == '\n') {
                    lines.add(line);
                    line = new ArrayList<>();
                }
            } else if (!(wasQuoted && Character.isWhitespace(c))) {
                field.append(c);
            }
        }
        return lines;
    }
}
