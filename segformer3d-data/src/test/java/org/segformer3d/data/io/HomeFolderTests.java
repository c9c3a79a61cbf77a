package org.segformer3d.data.io;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Path;
import org.junit.jupiter.api.Test;

class HomeFolderTests {
    @Test
    void isWhatATildeStandsForAtTheBeginning() {
        assertThat(HomeFolder.expand("~/data/x", "/home/me")).isEqualTo(Path.of("/home/me/data/x"));
        assertThat(HomeFolder.expand("~", "/home/me")).isEqualTo(Path.of("/home/me"));
        assertThat(HomeFolder.expand("~/", "/home/me")).isEqualTo(Path.of("/home/me"));
    }

    @Test
    void isNotMeantByOtherTildes() {
        for (String text : new String[] {"./~/x", "a/~/x", "~you/x", "x~", "/~/x"}) {
            assertThat(HomeFolder.expand(text, "/home/me")).isEqualTo(Path.of(text));
        }
    }
}
