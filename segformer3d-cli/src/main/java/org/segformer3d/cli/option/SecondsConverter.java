package org.segformer3d.cli.option;

import java.math.BigDecimal;
import java.time.Duration;
import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.TypeConversionException;

/** Reads a time in seconds, for example {@code 30} or {@code 0.5}. */
public final class SecondsConverter implements ITypeConverter<Duration> {
    private static final BigDecimal MOST = new BigDecimal(100L * 365 * 24 * 3600);

    @Override
    public Duration convert(String text) {
        try {
            BigDecimal seconds = new BigDecimal(text);
            if (seconds.signum() >= 0 && seconds.compareTo(MOST) <= 0) {
                return Duration.ofNanos(seconds.movePointRight(9).longValue());
            }
        } catch (NumberFormatException e) {
            // The message below says it.
        }
        throw new TypeConversionException("found '" + text + "', expected a number of seconds");
    }
}
