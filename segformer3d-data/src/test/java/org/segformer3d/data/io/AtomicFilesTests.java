package org.segformer3d.data.io;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.FileNotFoundException;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class AtomicFilesTests {
    @TempDir
    Path folder;

    private List<String> names() throws IOException {
        try (Stream<Path> paths = Files.list(folder)) {
            return paths.map(path -> path.getFileName().toString()).sorted().toList();
        }
    }

    @Nested
    class WritingAFile {
        @Test
        void createsIt() throws IOException {
            AtomicFiles.writeString(folder.resolve("a.txt"), "größe");
            assertThat(folder.resolve("a.txt")).hasContent("größe");
            assertThat(names()).containsExactly("a.txt");
        }

        @Test
        void replacesIt() throws IOException {
            Path file = Files.writeString(folder.resolve("a.txt"), "old and longer");
            AtomicFiles.write(file, out -> out.write("new".getBytes()));
            assertThat(file).hasContent("new");
        }

        @Test
        void allowsTheBodyToCloseTheStream() throws IOException {
            AtomicFiles.write(folder.resolve("a"), OutputStream::close);
            assertThat(folder.resolve("a")).isEmptyFile();
        }

        @Test
        void keepsTheOldContentWhenTheBodyFailsHalfway() throws IOException {
            Path file = Files.writeString(folder.resolve("a.txt"), "old");
            assertThatThrownBy(() -> AtomicFiles.write(file, out -> {
                        out.write(new byte[200_000]);
                        throw new IOException("disk full");
                    }))
                    .hasMessage("disk full");
            assertThat(file).hasContent("old");
            assertThat(names()).containsExactly("a.txt");
        }

        @Test
        void replacesWhatALinkPointsToAndKeepsTheLink() throws IOException {
            Path file = Files.writeString(folder.resolve("a.txt"), "old");
            Path link = Files.createSymbolicLink(folder.resolve("link"), file);
            AtomicFiles.writeString(link, "new");
            assertThat(link).isSymbolicLink();
            assertThat(file).hasContent("new");
        }

        @Test
        void namesAMissingFolder() {
            assertThatThrownBy(() -> AtomicFiles.writeString(folder.resolve("no/a.txt"), ""))
                    .isInstanceOf(FileNotFoundException.class)
                    .hasMessageContaining("doesn't exist");
        }

        @Test
        void refusesAFolderAsTarget() {
            assertThatThrownBy(() -> AtomicFiles.writeString(folder, ""))
                    .isInstanceOf(IOException.class)
                    .hasMessageContaining("found a folder");
        }
    }

    @Nested
    class ReplacingAFolder {
        @Test
        void createsIt() throws IOException {
            AtomicFiles.replaceDirectory(folder.resolve("run"), to -> {
                Files.createDirectory(to.resolve("deep"));
                Files.writeString(to.resolve("deep/x"), "1");
            });
            assertThat(folder.resolve("run/deep/x")).hasContent("1");
            assertThat(names()).containsExactly("run");
        }

        @Test
        void replacesAllItHeld() throws IOException {
            Path run = Files.createDirectory(folder.resolve("run"));
            Files.writeString(run.resolve("old"), "1");
            AtomicFiles.replaceDirectory(run, to -> Files.writeString(to.resolve("new"), "2"));
            assertThat(run.resolve("old")).doesNotExist();
            assertThat(run.resolve("new")).hasContent("2");
            assertThat(names()).containsExactly("run");
        }

        @Test
        void keepsTheOldOneWhenFillingFails() throws IOException {
            Path run = Files.createDirectory(folder.resolve("run"));
            Files.writeString(run.resolve("old"), "1");
            assertThatThrownBy(() -> AtomicFiles.replaceDirectory(run, to -> {
                        Files.writeString(to.resolve("new"), "2");
                        throw new IllegalStateException("no");
                    }))
                    .hasMessage("no");
            assertThat(run.resolve("old")).hasContent("1");
            assertThat(names()).containsExactly("run");
        }

        @Test
        void refusesAFileAsTarget() throws IOException {
            Path file = Files.writeString(folder.resolve("a"), "old");
            assertThatThrownBy(() -> AtomicFiles.replaceDirectory(file, to -> {}))
                    .isInstanceOf(IOException.class)
                    .hasMessageContaining("found a file");
            assertThat(file).hasContent("old");
        }

        @Test
        void putsTheOldOneBackAfterACrashBetweenTheTwoRenames() throws IOException {
            Path run = folder.resolve("run");
            Files.createDirectory(folder.resolve(".run.replaced"));
            Files.writeString(folder.resolve(".run.replaced/x"), "kept");
            assertThat(AtomicFiles.recoverDirectory(run)).isTrue();
            assertThat(run.resolve("x")).hasContent("kept");
            assertThat(AtomicFiles.recoverDirectory(run)).isFalse();
        }

        @Test
        void dropsTheOldOneAfterACrashBehindTheTwoRenames() throws IOException {
            Path run = Files.createDirectory(folder.resolve("run"));
            Files.createDirectory(folder.resolve(".run.replaced"));
            AtomicFiles.replaceDirectory(run, to -> Files.writeString(to.resolve("new"), "2"));
            assertThat(names()).containsExactly("run");
            assertThat(run.resolve("new")).hasContent("2");
        }
    }

    @Nested
    class Messages {
        @Test
        void areOneLineWhateverTheFileSays() {
            assertThat(new CorruptFileException(Path.of("a.pt"), "found 'x\ny\u001b[2J'"))
                    .hasMessage("a.pt: found 'x\ufffdy\ufffd[2J'");
        }

        @Test
        void tellTooOldFromTooNew() {
            assertThat(new TooOldFileException(Path.of("bundle.json"), "bundle", 1, 2))
                    .hasMessageContaining("bundle version 1 is too old: expected at least 2");
            assertThat(new TooNewFileException(Path.of("bundle.json"), "bundle", 9, 2))
                    .hasMessageContaining("bundle version 9 is too new: expected at most 2");
        }
    }

    @Nested
    class Sums {
        @Test
        void agreeWithThePublishedTestVector() throws IOException {
            String expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
            assertThat(Sha256.of("abc")).isEqualTo(expected);
            assertThat(Sha256.of(Files.writeString(folder.resolve("abc"), "abc")))
                    .isEqualTo(expected);
        }
    }
}
