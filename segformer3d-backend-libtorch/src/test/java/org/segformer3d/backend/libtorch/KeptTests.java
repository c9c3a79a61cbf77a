package org.segformer3d.backend.libtorch;

import static org.assertj.core.api.Assertions.assertThat;

import org.bytedeco.pytorch.Tensor;
import org.junit.jupiter.api.Test;
import org.segformer3d.api.backend.BackendOptions;

class KeptTests {
    @Test
    void findsAPlaceAgainUntilAnotherSizeIsAskedFor() {
        try (LibtorchBackend backend =
                        new LibtorchBackend(BackendOptions.defaults().withThreads(1));
                Kept kept = new Kept()) {
            long[] first = places(backend, kept, 30, 40);
            assertThat(first[1]).isNotEqualTo(first[0]);
            kept.forget();
            assertThat(places(backend, kept, 30, 40)).isEqualTo(first);
            kept.forget();
            long[] other = places(backend, kept, 30, 50);
            assertThat(other[0]).isEqualTo(first[0]);
            kept.forget();
            assertThat(places(backend, kept, 30, 50)).isEqualTo(other);
        }
    }

    /** Returns where places of those many rows lie, which outlive the pointer scope they were first asked for in. */
    private static long[] places(LibtorchBackend backend, Kept kept, long... rows) {
        return LibtorchBackend.scoped(() -> {
            long[] addresses = new long[rows.length];
            for (int i = 0; i < rows.length; i++) {
                Tensor place = kept.place(backend.floating(), rows[i], 8);
                assertThat(Functional.shape(place)).containsExactly(rows[i], 8);
                place.zero_();
                addresses[i] = place.data_ptr().address();
            }
            return addresses;
        });
    }
}
