package org.segformer3d.cli.option;

import org.segformer3d.api.block.Grid;
import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.TypeConversionException;

/** Reads {@code D,H,W} (or one number for a cube). */
public final class GridConverter implements ITypeConverter<Grid> {
    @Override
    public Grid convert(String text) {
        String[] parts = text.strip().split("\\s*[,x×]\\s*", -1);
        try {
            if (parts.length == 1) {
                int edge = Integer.parseInt(parts[0]);
                return new Grid(edge, edge, edge);
            }
            if (parts.length == 3) {
                return new Grid(Integer.parseInt(parts[0]), Integer.parseInt(parts[1]), Integer.parseInt(parts[2]));
            }
        } catch (IllegalArgumentException e) {
            // the message below says it
        }
        throw new TypeConversionException(
                "found '" + text + "', expected D,H,W: three positive integers, or one for a cube");
    }
}
