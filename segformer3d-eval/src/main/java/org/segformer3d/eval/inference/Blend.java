package org.segformer3d.eval.inference;

import java.util.Locale;
import org.segformer3d.api.config.ConfigException;

/** How overlapping windows are weighted before they are averaged. */
public enum Blend {
    /** Every voxel of a window counts the same. */
    CONSTANT,
    /** A voxel counts the less the further it is from its window's centre: a Gaussian with σ of an eighth of the window's edge. */
    GAUSSIAN;

    /** Returns the name in configuration files: {@code constant} or {@code gaussian}. */
    public String key() {
        return name().toLowerCase(Locale.ROOT);
    }

    /**
     * Parses {@code constant} or {@code gaussian}.
     *
     * @throws ConfigException for any other text
     */
    public static Blend parse(String text) {
        for (Blend blend : values()) {
            if (blend.key().equalsIgnoreCase(text.strip())) {
                return blend;
            }
        }
        throw ConfigException.of("blend", "'" + text + "'", "constant or gaussian");
    }
}
