package org.segformer3d.cli.option;

import java.util.Locale;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.TypeConversionException;

/** Reads a number of bytes: {@code 1000}, {@code 64K}, {@code 512M}, {@code 2G}, in powers of 1024. */
public final class BytesConverter implements ITypeConverter<Long> {
    private static final Pattern FORM = Pattern.compile("([0-9]{1,12})([KMG]?)(?:I?B)?");

    @Override
    public Long convert(String text) {
        Matcher matcher = FORM.matcher(text.toUpperCase(Locale.ROOT));
        if (!matcher.matches()) {
            throw new TypeConversionException(
                    "found '" + text + "', expected a number of bytes such as 64K, 512M or 2G");
        }
        int shift = matcher.group(2).isEmpty() ? 0 : 10 * (1 + "KMG".indexOf(matcher.group(2)));
        return Long.parseLong(matcher.group(1)) << shift;
    }
}
