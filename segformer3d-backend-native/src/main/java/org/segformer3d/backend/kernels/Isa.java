package org.segformer3d.backend.kernels;

import java.util.List;
import java.util.Locale;

/** An instruction set there are kernels for. */
enum Isa {
    /** x86-64-v4: 512-bit vectors. */
    AVX512(2),
    /** x86-64-v3: 256-bit vectors and FMA. */
    AVX2(1),
    /** 64-bit ARM. */
    NEON(0);

    /** Names the instruction set to use, where it isn't to be the processor's best: {@code avx512}, {@code avx2} or {@code neon}. */
    static final String PROPERTY = "segformer3d.native.isa";

    private final int level;

    Isa(int level) {
        this.level = level;
    }

    /** Returns the name in properties, files and messages. */
    String key() {
        return name().toLowerCase(Locale.ROOT);
    }

    /** Returns the instruction sets of an x86 processor, best first. */
    static List<Isa> ofX86(int level) {
        return List.of(AVX512, AVX2).stream().filter(isa -> isa.level <= level).toList();
    }
}
