package org.segformer3d.backend.kernels;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;

class KernelLibraryTests {
    @Test
    void loadsTheInstructionSetThatIsAskedFor() {
        assertThat(KernelLibrary.problem()).isEmpty();
        String wanted = System.getProperty(Isa.PROPERTY, "auto");
        if (wanted.equals("auto")) {
            assertThat(Kernels.vectorLength()).isIn(4, 8, 16);
        } else {
            assertThat(KernelLibrary.isa().key()).isEqualTo(wanted);
        }
        assertThat(Kernels.vectorLength())
                .isEqualTo(
                        switch (KernelLibrary.isa()) {
                            case AVX512 -> 16;
                            case AVX2 -> 8;
                            case NEON -> 4;
                        });
    }

    @Test
    void passesItsSelfTest() {
        assertThat(KernelLibrary.problem()).isEmpty();
        assertThat(SelfTest.run()).isEmpty();
    }
}
