package org.segformer3d.eval.report;

import java.util.List;
import java.util.Locale;

/** The colours of classes, bright enough to be seen on a grey scan. */
final class Palette {
    private static final int[] COLOURS = {
        0xff4b4b, 0x41c8ff, 0xffd23c, 0x5ae678, 0xd278ff, 0xff9632, 0x32e6c8, 0xff7ab8, 0xa0c8ff, 0xc8e650
    };

    private Palette() {}

    /** Returns a class's colour as 0xRRGGBB; they begin anew after ten. */
    static int colour(int index) {
        return COLOURS[index % COLOURS.length];
    }

    /** Returns a class's colour for a style sheet. */
    static String css(int index) {
        return String.format(Locale.ROOT, "#%06x", colour(index));
    }

    /** Returns red, green and blue of a class's colour, 0 to 255. */
    static List<Integer> channels(int index) {
        int colour = colour(index);
        return List.of(colour >> 16 & 0xff, colour >> 8 & 0xff, colour & 0xff);
    }
}
