package org.segformer3d.server.http;

import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** Parameters of a header such as {@code form-data; name="file"; filename="a.nii.gz"}. */
final class FormHeader {
    private static final Pattern PARAMETER =
            Pattern.compile(";\\s*([A-Za-z0-9*_-]+)\\s*=\\s*(?:\"((?:[^\"\\\\]|\\\\.)*+)\"|([^\";\\s]*))");

    private FormHeader() {}

    /** Returns a parameter, or {@code null} where there is none. */
    static String parameter(String header, String name) {
        Matcher matcher = PARAMETER.matcher(header);
        while (matcher.find()) {
            if (matcher.group(1).equalsIgnoreCase(name)) {
                // A backslash escapes only a quotation mark: Windows paths come with plain ones.
                return matcher.group(2) != null ? matcher.group(2).replace("\\\"", "\"") : matcher.group(3);
            }
        }
        return null;
    }
}
