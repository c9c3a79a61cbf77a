package org.segformer3d.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeFalse;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.DisabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.api.io.TempDir;

/** The launcher script, with a Java that only writes down how it was called. */
@DisabledOnOs(OS.WINDOWS)
class LauncherTests {
    private static final String MAKING = "org.segformer3d.cli.ArchiveRun";
    private static final String RUNNING = "org.segformer3d.cli.Main";

    @TempDir
    private Path folder;

    private Path root;
    private Path state;
    private Path archive;
    private Path calls;

    @BeforeEach
    void makeATreeThatIsBuilt() throws IOException {
        root = Files.createDirectory(folder.resolve("a tree"));
        state = Files.createDirectories(root.resolve("target/launcher"));
        archive = state.resolve("segformer3d.jsa");
        calls = folder.resolve("calls");
        Files.copy(Path.of("../segformer3d"), root.resolve("segformer3d"));
        Files.createFile(root.resolve("pom.xml"));
        Files.createFile(root.resolve("a.jar"));
        Files.writeString(state.resolve("stamp"), "\n");
        Files.writeString(state.resolve("classpath"), root.resolve("a.jar") + "\n");
        Path bin = Files.createDirectories(folder.resolve("jdk/bin"));
        java("17.0.1");
        Files.writeString(bin.resolve("java"), """
                #!/bin/sh
                printf '%s\\n' "$*" >>"$CALLS"
                for argument; do
                    case $argument in
                        -XX:ArchiveClassesAtExit=*)
                            [ -z "${FAILS-}" ] || exit 1
                            echo archive >"${argument#*=}"
                            ;;
                    esac
                done
                """);
        Files.setPosixFilePermissions(bin.resolve("java"), PosixFilePermissions.fromString("rwxr-xr-x"));
    }

    private void java(String version) throws IOException {
        Files.writeString(
                folder.resolve("jdk/release"),
                "JAVA_VERSION=\"%s\"%nJAVA_RUNTIME_VERSION=\"%s+1\"%n".formatted(version, version));
    }

    /** Starts, waits for what goes on in the background, and returns how Java was called in the foreground. */
    private String start(Map<String, String> environment) throws IOException, InterruptedException {
        ProcessBuilder builder =
                new ProcessBuilder("sh", root.resolve("segformer3d").toString(), "--version");
        builder.environment().keySet().removeIf(name -> name.startsWith("SEGFORMER3D_"));
        builder.environment().put("SEGFORMER3D_NO_BUILD", "yes");
        builder.environment().put("JAVA_HOME", folder.resolve("jdk").toString());
        builder.environment().put("CALLS", calls.toString());
        builder.environment().putAll(environment);
        Path output = folder.resolve("output");
        Process process = builder.redirectErrorStream(true)
                .redirectOutput(output.toFile())
                .start();
        assertThat(process.waitFor(60, TimeUnit.SECONDS)).isTrue();
        assertThat(process.exitValue()).as(Files.readString(output)).isZero();
        List<String> lines = Files.readAllLines(calls);
        return lines.stream()
                .filter(line -> line.contains(RUNNING))
                .reduce((first, second) -> second)
                .orElseThrow();
    }

    private void awaitSettled() throws InterruptedException {
        for (int n = 0; n < 600; n++) {
            if (Files.exists(state.resolve("segformer3d.jsa.stamp"))
                    && !Files.exists(state.resolve("segformer3d.jsa.lock"))) {
                return;
            }
            Thread.sleep(50);
        }
        throw new AssertionError("nothing was made");
    }

    private long made() throws IOException {
        return Files.readAllLines(calls).stream()
                .filter(line -> line.contains(MAKING))
                .count();
    }

    private String using() {
        return "-XX:SharedArchiveFile=" + archive;
    }

    @Nested
    class Archive {
        @Test
        void isMadeBesideTheFirstStartAndUsedByTheNext() throws Exception {
            assertThat(start(Map.of())).doesNotContain("SharedArchiveFile").endsWith(RUNNING + " --version");
            awaitSettled();

            assertThat(start(Map.of())).contains(using()).endsWith(RUNNING + " --version");
            assertThat(made()).isEqualTo(1);
        }

        @Test
        void isMadeAnewForAnotherJava() throws Exception {
            start(Map.of());
            awaitSettled();
            java("21.0.2");

            assertThat(start(Map.of())).doesNotContain("SharedArchiveFile");
            for (int n = 0; n < 600 && made() < 2; n++) {
                Thread.sleep(50);
            }
            awaitSettled();

            assertThat(start(Map.of())).contains(using());
            assertThat(made()).isEqualTo(2);
        }

        @Test
        void isNotUsedWhenAJarIsNewer() throws Exception {
            start(Map.of());
            awaitSettled();
            Files.setLastModifiedTime(
                    root.resolve("a.jar"), FileTime.from(Instant.now().plus(Duration.ofHours(1))));

            assertThat(start(Map.of())).doesNotContain("SharedArchiveFile");
        }

        @Test
        void thatCannotBeMadeIsNotTriedAgainAndNothingElseFails() throws Exception {
            start(Map.of("FAILS", "yes"));
            awaitSettled();

            assertThat(archive).doesNotExist();
            assertThat(start(Map.of())).doesNotContain("SharedArchiveFile");
            assertThat(start(Map.of())).doesNotContain("SharedArchiveFile");
            assertThat(made()).isEqualTo(1);
        }

        @Test
        void isLeftToAnotherStartThatIsMakingIt() throws Exception {
            Files.createDirectory(state.resolve("segformer3d.jsa.lock"));

            assertThat(start(Map.of())).doesNotContain("SharedArchiveFile");
            assertThat(start(Map.of())).doesNotContain("SharedArchiveFile");

            assertThat(made()).isZero();
            assertThat(state.resolve("segformer3d.jsa.lock")).exists();
        }

        @Test
        void isMadeAgainAfterAStartThatWasKilledWhileMakingIt() throws Exception {
            Path lock = Files.createDirectories(state.resolve("segformer3d.jsa.lock/run"));
            Files.setLastModifiedTime(
                    lock.getParent(), FileTime.from(Instant.now().minus(Duration.ofMinutes(20))));

            start(Map.of());
            for (int n = 0; n < 600 && Files.exists(lock); n++) {
                Thread.sleep(50);
            }
            start(Map.of());
            awaitSettled();

            assertThat(start(Map.of())).contains(using());
        }

        @Test
        void isNotMadeInATreeThatIsReadOnly() throws Exception {
            Files.setPosixFilePermissions(state, PosixFilePermissions.fromString("r-xr-xr-x"));
            try {
                assumeFalse(Files.isWritable(state), "this user may write everywhere");

                assertThat(start(Map.of())).doesNotContain("SharedArchiveFile");
                assertThat(made()).isZero();
            } finally {
                Files.setPosixFilePermissions(state, PosixFilePermissions.fromString("rwxr-xr-x"));
            }
        }
    }
}
