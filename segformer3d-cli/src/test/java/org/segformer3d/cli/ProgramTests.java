package org.segformer3d.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.NoSuchFileException;
import java.util.concurrent.ExecutionException;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class ProgramTests {
    @Nested
    class WrongUse {
        @Test
        void withoutACommandExitsWith2() {
            Run run = Run.of();
            assertThat(run.code()).isEqualTo(2);
            assertThat(run.err())
                    .startsWith("segformer3d: Missing required subcommand")
                    .contains("--help");
            assertThat(run.out()).isEmpty();
        }

        @Test
        void anUnknownCommandSuggestsTheNearest() {
            Run run = Run.of("profle");
            assertThat(run.code()).isEqualTo(2);
            assertThat(run.err()).contains("'profle'").contains("Did you mean: segformer3d profile");
        }

        @Test
        void anUnknownOptionSuggestsTheNearest() {
            Run run = Run.of("profile", "--confg", "x.yaml");
            assertThat(run.code()).isEqualTo(2);
            assertThat(run.err()).contains("--confg").contains("--config");
        }

        @ParameterizedTest
        @ValueSource(strings = {"0,1,2", "a", "1,2", "-4", "64,64,64,64", "99999999999"})
        void aWrongInputSizeIsNamed(String size) {
            Run run = Run.of("profile", "--input-size=" + size);
            assertThat(run.code()).isEqualTo(2);
            assertThat(run.err())
                    .contains("--input-size")
                    .contains("'" + size + "'")
                    .contains("D,H,W");
        }
    }

    @Nested
    class HelpAndVersion {
        @Test
        void helpListsTheCommands() {
            Run run = Run.of("--help");
            assertThat(run.code()).isZero();
            assertThat(run.out()).contains("profile", "doctor", "Exit codes");
        }

        @Test
        void everyCommandHasHelp() {
            for (String name : Program.commandLine().getSubcommands().keySet()) {
                Run run = Run.of(name, "--help");
                assertThat(run.code()).as(name).isZero();
                assertThat(run.out()).as(name).contains("segformer3d " + name);
                assertThat(run.err()).as(name).isEmpty();
            }
        }

        @Test
        void theVersionIsTheProjects() {
            Run run = Run.of("--version");
            assertThat(run.code()).isZero();
            assertThat(run.out()).matches("(?s)segformer3d \\d+\\.\\d+\\.\\d+.*");
        }
    }

    @Nested
    class FailureMessages {
        @Test
        void nameAMissingFile() {
            assertThat(Failures.describe(new NoSuchFileException("a.nii"))).isEqualTo("no such file or folder: a.nii");
        }

        @Test
        void areOneLine() {
            assertThat(Failures.describe(new IllegalArgumentException("a\n  b\r\nc")))
                    .isEqualTo("a; b; c");
        }

        @Test
        void sayWhatToDoWhenMemoryRunsOut() {
            assertThat(Failures.describe(new OutOfMemoryError("Java heap space")))
                    .contains("Java heap space")
                    .contains("SEGFORMER3D_JAVA_OPTS");
        }

        @Test
        void nameTheClassOfAMistakeInTheProgram() {
            assertThat(Failures.describe(new NullPointerException("x")))
                    .isEqualTo("internal error: NullPointerException: x");
        }

        @Test
        void lookThroughWrappers() {
            Throwable wrapped = new ExecutionException(new UncheckedIOException(new IOException("disk on fire")));
            java.io.StringWriter err = new java.io.StringWriter();
            assertThat(Failures.report(wrapped, new java.io.PrintWriter(err), false))
                    .isEqualTo(1);
            assertThat(err.toString().strip()).isEqualTo("segformer3d: disk on fire");
        }
    }
}
