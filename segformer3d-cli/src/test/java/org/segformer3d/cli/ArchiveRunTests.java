package org.segformer3d.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.segformer3d.data.nifti.NiftiReader;

/** What the launcher's archive is made from must go all the way, or the archive lacks what a prediction needs. */
class ArchiveRunTests {
    @TempDir
    private Path folder;

    @Test
    void segmentsAScanUpToTheWrittenLabels() throws Exception {
        ArchiveRun.main(new String[] {folder.toString()});

        assertThat(NiftiReader.read(folder.resolve("labels/scan.nii.gz")).shape())
                .containsExactly(1, 24, 24, 24);
    }
}
