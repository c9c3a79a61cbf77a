package org.segformer3d.data.dataset;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.segformer3d.data.dataset.CaseTable.Row;

class CaseTableTests {
    @TempDir
    private Path folder;

    @Test
    void whatIsWrittenIsReadAgain() throws IOException {
        CaseTable table = new CaseTable(
                List.of(new Row("/data/a", "a"), new Row("/with, comma/b", "b"), new Row("/with \"quotes\"/c", "c")));
        Path csv = folder.resolve("train.csv");

        table.write(csv);

        assertThat(csv).content().startsWith("data_path,case_name\n/data/a,a\n");
        assertThat(CaseTable.read(csv)).isEqualTo(table);
    }

    @Test
    void otherColumnsBlankLinesAndAMarkAtTheStartDoNoHarm() throws IOException {
        Path csv = folder.resolve("train.csv");
        Files.writeString(csv, "\uFEFF,case_name,data_path\r\n0, a ,\"x/a\" \r\n\r\n1,b,x/b");

        assertThat(CaseTable.read(csv).rows()).containsExactly(new Row("x/a", "a"), new Row("x/b", "b"));
    }

    @Test
    void aCaseThatIsThereTwiceIsNamed() throws IOException {
        Path csv = folder.resolve("train.csv");
        Files.writeString(csv, "data_path,case_name\nx,a\ny,a\n");

        assertThatThrownBy(() -> CaseTable.read(csv))
                .isInstanceOf(DatasetException.class)
                .hasMessageContainingAll("train.csv", "line 3", "case 'a' is there twice");
    }

    @Test
    void whatIsNoTextOrNeverEndsIsNamed() throws IOException {
        Path csv = folder.resolve("train.csv");
        Files.write(csv, "data_path,case_name\nK\u00f6ln,a\n".getBytes(StandardCharsets.ISO_8859_1));
        assertThatThrownBy(() -> CaseTable.read(csv))
                .isInstanceOf(DatasetException.class)
                .hasMessageContainingAll("train.csv", "UTF-8", "data_path");
        Files.writeString(csv, "data_path,case_name\nx,\"a\ny,b\n");
        assertThatThrownBy(() -> CaseTable.read(csv))
                .isInstanceOf(DatasetException.class)
                .hasMessageContainingAll("train.csv", "line 2", "never ends");
    }

    @Test
    void pairsAreFoundByTheirNames() throws IOException {
        for (String name : List.of("b", "a")) {
            Path one = Files.createDirectories(folder.resolve("Training_Data").resolve(name));
            Files.createFile(OfficialPairs.image(one, name));
            Files.createFile(OfficialPairs.label(one, name));
        }

        assertThat(OfficialPairs.find(folder)).containsOnlyKeys("a", "b");

        Files.delete(OfficialPairs.label(folder.resolve("Training_Data/a"), "a"));
        assertThatThrownBy(() -> OfficialPairs.find(folder)).hasMessageContaining("there is no a_label.pt beside it");

        Files.delete(OfficialPairs.image(folder.resolve("Training_Data/a"), "a"));
        Files.delete(OfficialPairs.image(folder.resolve("Training_Data/b"), "b"));
        assertThatThrownBy(() -> OfficialPairs.find(folder))
                .hasMessageContainingAll("b_label.pt", "there is no b_modalities.pt beside it");
    }
}
