package org.segformer3d.data.planning;

import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import org.segformer3d.data.preprocessing.Normalization.Kind;

/** What the names of channels say about their normalisation, by nnU-Net's convention; case doesn't matter. */
public final class ChannelNames {
    private static final Map<String, Kind> KINDS = Map.of(
            "ct", Kind.CLIP_Z_SCORE,
            "nonorm", Kind.NONE,
            "rescale_to_0_1", Kind.MIN_MAX,
            "rgb_to_0_1", Kind.RGB_TO_0_1);

    private ChannelNames() {}

    /** Returns the rule that a channel's name asks for; empty for all names that ask for none, whose scans are z-scored. */
    public static Optional<Kind> kind(String name) {
        return Optional.ofNullable(KINDS.get(name.strip().toLowerCase(Locale.ROOT)));
    }
}
