package org.segformer3d.cli.option;

import java.util.Map;
import java.util.OptionalLong;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.segformer3d.eval.inference.MemoryBudget;
import org.segformer3d.eval.inference.ProcessMemory;
import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.TypeConversionException;

/** Reads an amount of memory: {@code 4GiB}, {@code 4G} (the same), {@code 4GB} (4·10⁹ bytes), {@code 900M} …, or {@code 50%}. */
public final class MemoryConverter implements ITypeConverter<MemoryBudget> {
    private static final Pattern AMOUNT = Pattern.compile("(\\d{1,12}(?:\\.\\d{1,6})?)\\s*(%|[kmgt]?(?:i?b)?)");
    private static final Map<String, Integer> POWERS = Map.of("k", 1, "m", 2, "g", 3, "t", 4);

    @Override
    public MemoryBudget convert(String text) {
        Matcher found = AMOUNT.matcher(text.strip().toLowerCase(java.util.Locale.ROOT));
        if (!found.matches()) {
            throw mistake(text, "an amount such as 4GiB, 900M or 50%");
        }
        double number = Double.parseDouble(found.group(1));
        String unit = found.group(2);
        double bytes;
        if (unit.equals("%")) {
            OptionalLong attainable = ProcessMemory.attainableBytes();
            if (attainable.isEmpty()) {
                throw mistake(text, "an amount such as 4GiB: this system doesn't say how much memory there is");
            }
            bytes = attainable.getAsLong() * number / 100;
        } else {
            String prefix = unit.isEmpty() || unit.equals("b") || unit.equals("ib") ? "" : unit.substring(0, 1);
            // As with disks, MB is a power of ten; M and MiB are powers of two, as Java's own -Xmx has them.
            int base = unit.length() == 2 ? 1000 : 1024;
            bytes = number * Math.pow(base, POWERS.getOrDefault(prefix, 0));
        }
        if (!(bytes >= 1 << 20) || bytes > Long.MAX_VALUE) {
            throw mistake(text, "at least 1 MiB");
        }
        return MemoryBudget.of((long) bytes);
    }

    private static TypeConversionException mistake(String text, String expected) {
        return new TypeConversionException("found '" + text + "', expected " + expected);
    }
}
