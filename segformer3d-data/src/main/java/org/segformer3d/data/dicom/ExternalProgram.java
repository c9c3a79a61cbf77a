package org.segformer3d.data.dicom;

import java.io.File;
import java.io.IOException;
import java.io.InterruptedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.stream.Stream;
import org.segformer3d.data.dataset.DatasetException;

/** A program that isn't part of this software and is run where it is installed. */
final class ExternalProgram {
    private final Path file;

    private ExternalProgram(Path file) {
        this.file = file;
    }

    /**
     * Finds a program.
     *
     * @param name its file's name, without an extension
     * @param named where the user says it is, or {@code null}
     * @param path folders to look in otherwise, as in the environment's PATH, or {@code null}
     */
    static Optional<ExternalProgram> find(String name, String named, String path) {
        Stream<Path> candidates = isGiven(named)
                ? Stream.of(Path.of(named))
                : Arrays.stream((path == null ? "" : path).split(File.pathSeparator))
                        .filter(folder -> !folder.isBlank())
                        .flatMap(folder -> Stream.of(name, name + ".exe").map(Path.of(folder)::resolve));
        return candidates
                .filter(candidate -> Files.isRegularFile(candidate) && Files.isExecutable(candidate))
                .findFirst()
                .map(ExternalProgram::new);
    }

    /**
     * Returns that a program was looked for in vain.
     *
     * @param where a file or folder it is wanted for, which the message names
     * @param need what needs it, and that there is none
     * @param install how to get it
     * @param variable the environment variable that {@code named} is the value of
     */
    static DatasetException missing(Path where, String need, String install, String variable, String named) {
        String place = isGiven(named) ? "at " + named + " (" + variable + ")" : "on the path";
        return new DatasetException(where, need + " " + place + "; install it (" + install + "), or set " + variable);
    }

    private static boolean isGiven(String named) {
        return named != null && !named.isBlank();
    }

    /**
     * Runs the program to its end.
     *
     * @param log file that receives what it prints
     * @return its exit code
     */
    int run(List<String> arguments, Path log) throws IOException {
        List<String> command = new ArrayList<>(List.of(file.toString()));
        command.addAll(arguments);
        Process process = new ProcessBuilder(command)
                .redirectErrorStream(true)
                .redirectOutput(log.toFile())
                .redirectInput(ProcessBuilder.Redirect.from(nothing()))
                .start();
        try {
            return process.waitFor();
        } catch (InterruptedException e) {
            process.destroy();
            Thread.currentThread().interrupt();
            throw (IOException)
                    new InterruptedIOException("interrupted while " + file.getFileName() + " ran").initCause(e);
        }
    }

    private static File nothing() {
        return new File(File.separatorChar == '/' ? "/dev/null" : "NUL");
    }

    /** Returns the last line of what a program printed, in quotes. */
    static String lastLine(Path log) throws IOException {
        List<String> lines = Files.readAllLines(log, StandardCharsets.ISO_8859_1).stream()
                .filter(line -> !line.isBlank())
                .toList();
        return lines.isEmpty()
                ? "it printed nothing"
                : "'" + lines.get(lines.size() - 1).strip() + "'";
    }
}
