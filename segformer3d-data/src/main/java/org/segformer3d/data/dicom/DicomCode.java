package org.segformer3d.data.dicom;

import org.segformer3d.api.config.ConfigException;

/**
 * A concept of a terminology, as DICOM's coded entries name it.
 *
 * @param scheme which terminology, for example {@code SCT} for SNOMED CT, at most 16 characters
 * @param value its identifier there, at most 16 characters
 * @param meaning what a person reads, at most 64 characters
 */
public record DicomCode(String scheme, String value, String meaning) {
    /** Tissue, which says nothing more. */
    static final DicomCode TISSUE = new DicomCode("SCT", "85756007", "Tissue");

    /** Category of organs and their parts. */
    static final DicomCode ANATOMY = new DicomCode("SCT", "123037004", "Anatomical Structure");

    /** Category of tumours, lesions and the like. */
    static final DicomCode ABNORMAL = new DicomCode("SCT", "49755003", "Morphologically Abnormal Structure");

    /** Checks lengths and characters. */
    public DicomCode {
        check("scheme", scheme, 16);
        check("value", value, 16);
        check("meaning", meaning, 64);
    }

    private static void check(String part, String text, int longest) {
        if (text.isBlank()
                || text.length() > longest
                || !text.chars().allMatch(c -> c >= ' ' && c < 127 && c != '\\')) {
            throw ConfigException.of(
                    "code " + part, "'" + text + "'", "1 to " + longest + " ASCII characters other than a backslash");
        }
    }

    /**
     * Reads a code.
     *
     * @param text {@code SCHEME:VALUE:MEANING}, for example {@code SCT:78961009:Spleen}
     * @throws ConfigException when it is written otherwise
     */
    public static DicomCode parse(String text) {
        String[] parts = text.split(":", 3);
        if (parts.length != 3) {
            throw ConfigException.of("code", "'" + text + "'", "SCHEME:VALUE:MEANING, such as SCT:78961009:Spleen");
        }
        return new DicomCode(parts[0].strip(), parts[1].strip(), parts[2].strip());
    }
}
