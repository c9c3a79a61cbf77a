package org.segformer3d.backend.libtorch;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What happens on a machine that has never run this before, and on one where the first run was interrupted. */
class FirstRunTests {
    @TempDir
    private Path cache;

    @Test
    void extractsTheLibrariesAndRepairsHalfWrittenOnes() throws Exception {
        String expected = "sum " + FirstRun.sum();
        assertThat(run()).isEqualTo(expected);
        cut(find("torch_cpu"));
        Files.delete(find("c10"));
        assertThat(run()).isEqualTo(expected);
    }

    private String run() throws IOException, InterruptedException {
        Path output = cache.resolve("output.txt");
        Process process = new ProcessBuilder(List.of(
                        Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                        "-Xmx512m",
                        "-Dorg.bytedeco.javacpp.cachedir=" + cache.resolve("natives"),
                        "-cp",
                        System.getProperty("java.class.path"),
                        FirstRun.class.getName()))
                .redirectErrorStream(true)
                .redirectOutput(output.toFile())
                .start();
        int status = process.waitFor();
        List<String> lines = Files.readAllLines(output, StandardCharsets.UTF_8);
        assertThat(status).as("exit status; output: %s", lines).isZero();
        return lines.get(lines.size() - 1);
    }

    private Path find(String library) throws IOException {
        try (Stream<Path> files = Files.walk(cache)) {
            return files.filter(Files::isRegularFile)
                    .filter(file -> file.getFileName().toString().matches("(lib)?" + library + "\\.(so|dylib|dll)"))
                    .findFirst()
                    .orElseThrow();
        }
    }

    private static void cut(Path file) throws IOException {
        try (RandomAccessFile open = new RandomAccessFile(file.toFile(), "rw")) {
            open.setLength(open.length() / 2);
        }
    }
}
