package org.segformer3d.api.block;

import java.util.Objects;
import org.segformer3d.api.backend.Backend;

/**
 * For whom a block is made.
 *
 * @param backend whose tensors the block will be given, never {@code null}
 * @param mode inference or training, never {@code null}
 */
public record BlockContext(Backend backend, Mode mode) {
    /** Checks for {@code null}. */
    public BlockContext {
        Objects.requireNonNull(backend, "backend");
        Objects.requireNonNull(mode, "mode");
    }
}
