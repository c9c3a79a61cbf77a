package org.segformer3d.eval.report;

import java.awt.image.BufferedImage;

/**
 * Letters of 5×7 dots for the printable ASCII characters.
 *
 * <p>Java's own text drawing needs fonts and fontconfig on the machine, which minimal containers lack, and fails there with an internal
 * error; these letters always work.
 */
final class PixelFont {
    private static final int COLUMNS = 5;
    private static final int ROWS = 7;
    private static final char FIRST = ' ';

    /** Ten hexadecimal digits a character: five columns from the left, the lowest bit on top. */
    private static final String[] GLYPHS = {
        "0000000000", "00005f0000", "0007000700", "147f147f14", "242a7f2a12", "2313086462", "3649562050", "0000070000",
        "001c224100", "0041221c00", "2a1c7f1c2a", "08083e0808", "0040300000", "0808080808", "0000606000", "2010080402",
        "3e5149453e", "00427f4000", "7249494946", "2141494d33", "1814127f10", "2745454539", "3c4a494931", "4121110907",
        "3649494936", "464949291e", "0000140000", "0040340000", "0008142241", "1414141414", "0041221408", "0201590906",
        "3e415d594e", "7c1211127c", "7f49494936", "3e41414122", "7f4141413e", "7f49494941", "7f09090901", "3e41415173",
        "7f0808087f", "00417f4100", "2040413f01", "7f08142241", "7f40404040", "7f021c027f", "7f0408107f", "3e4141413e",
        "7f09090906", "3e4151215e", "7f09192946", "2649494932", "03017f0103", "3f4040403f", "1f2040201f", "3f4038403f",
        "6314081463", "0304780403", "6159494d43", "007f414100", "0204081020", "0041417f00", "0402010204", "4040404040",
        "0003070000", "2054547840", "7f28444438", "3844444428", "384444287f", "3854545418", "00087e0902", "18a4a49c78",
        "7f08040478", "00447d4000", "2040403d00", "7f10284400", "00417f4000", "7c04780478", "7c08040478", "3844444438",
        "fc18242418", "18242418fc", "7c08040408", "4854545424", "04043f4424", "3c4040207c", "1c2040201c", "3c4030403c",
        "4428102844", "4c9090907c", "4464544c44", "0008364100", "0000770000", "0041360800", "0201020402"
    };

    private PixelFont() {}

    /** Returns the width in pixels of a text. */
    static int width(String text, int scale) {
        return text.length() * (COLUMNS + 1) * scale;
    }

    /** Returns the height in pixels of a line, with the space below it. */
    static int lineHeight(int scale) {
        return (ROWS + 3) * scale;
    }

    /** Draws a text with its upper left corner at (x, y); characters that have no letter become a question mark. */
    static void draw(BufferedImage picture, int x, int y, String text, int rgb, int scale) {
        int at = x;
        for (char c : text.toCharArray()) {
            int index = c - FIRST;
            String glyph = GLYPHS[index >= 0 && index < GLYPHS.length ? index : '?' - FIRST];
            for (int column = 0; column < COLUMNS; column++) {
                int bits = Integer.parseInt(glyph.substring(2 * column, 2 * column + 2), 16);
                for (int row = 0; row <= ROWS; row++) {
                    if ((bits >> row & 1) == 1) {
                        fill(picture, at + column * scale, y + row * scale, scale, scale, rgb);
                    }
                }
            }
            at += (COLUMNS + 1) * scale;
        }
    }

    /** Fills a rectangle, as far as it lies within the picture. */
    static void fill(BufferedImage picture, int x, int y, int width, int height, int rgb) {
        for (int row = Math.max(0, y); row < Math.min(picture.getHeight(), y + height); row++) {
            for (int column = Math.max(0, x); column < Math.min(picture.getWidth(), x + width); column++) {
                picture.setRGB(column, row, rgb);
            }
        }
    }
}
