package org.segformer3d.train.run;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.segformer3d.api.backend.Backend;
import org.segformer3d.api.backend.Backends;
import org.segformer3d.train.config.ExperimentConfig;
import org.segformer3d.train.parallel.ProcessTeam;
import org.segformer3d.train.parallel.Rendezvous;

/**
 * A run in a process of its own, for what can't be done to the process that tests run in: killing it, and taking away its disk.
 *
 * <p>Arguments: the backend ({@code fake} or a real one's name), {@code start} or {@code resume}, the experiment, and {@code held} for a
 * run that waits after each step until it is let go on. Prints a line per step and, at the end, the hash of the weights.
 */
final class TrainingProcess {
    private final Process process;
    private final BufferedReader lines;
    private final Path errors;

    private TrainingProcess(Process process, Path errors) {
        this.process = process;
        this.lines = new BufferedReader(new InputStreamReader(process.getInputStream(), StandardCharsets.UTF_8));
        this.errors = errors;
    }

    public static void main(String[] args) throws IOException {
        ExperimentConfig config = ExperimentConfig.read(Path.of(args[2]));
        TrainerOptions options = TrainerOptions.defaults()
                .resuming(args[1].equals("resume"))
                .listenedBy(new ProgressListener() {
                    @Override
                    public void step(Step step) {
                        System.out.println("step " + step.epoch() + " " + step.step());
                        if (args.length > 3) {
                            try {
                                System.in.read();
                            } catch (IOException e) {
                                throw new UncheckedIOException(e);
                            }
                        }
                    }
                });
        try (Backend backend = args[0].equals("fake")
                        ? new FakeBackend()
                        : Backends.provider(args[0]).open(config.backend().options());
                ProcessTeam team = team()) {
            TrainingOutcome outcome = Trainer.run(config, options.in(team), backend);
            System.out.println("hash " + outcome.weightsHash());
        }
    }

    /** The team that the system properties of {@link #start(Path, Place, String...)} describe. */
    private static ProcessTeam team() throws IOException {
        int size = Integer.getInteger("team.size", 1);
        return ProcessTeam.join(new Rendezvous(
                "127.0.0.1",
                Integer.getInteger("team.port", 0),
                Integer.getInteger("team.rank", 0),
                size,
                Duration.ofSeconds(Integer.getInteger("team.timeout", 300))));
    }

    /**
     * Where one of several processes that train together has its place.
     *
     * @param timeout how many seconds it may be silent
     */
    record Place(int rank, int size, int port, int timeout) {
        private List<String> properties() {
            return List.of(
                    "-Dteam.rank=" + rank, "-Dteam.size=" + size, "-Dteam.port=" + port, "-Dteam.timeout=" + timeout);
        }
    }

    /** Starts one of several processes that train together. */
    static TrainingProcess start(Path folder, Place place, String... args) throws IOException {
        return launch(folder, List.of(), place.properties(), args);
    }

    /**
     * Starts a run.
     *
     * @param around what to put before the command, for example {@code bash -c 'ulimit …; exec "$@"' bash}
     */
    static TrainingProcess start(Path folder, List<String> around, String... args) throws IOException {
        return launch(folder, around, List.of(), args);
    }

    private static TrainingProcess launch(Path folder, List<String> around, List<String> options, String... args)
            throws IOException {
        List<String> command = new ArrayList<>(around);
        command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
        command.addAll(options);
        command.addAll(List.of(
                "-XX:TieredStopAtLevel=1",
                "-XX:-UsePerfData",
                "-Xmx512m",
                "-Dorg.bytedeco.javacpp.maxPhysicalBytes=0",
                "-Dorg.bytedeco.javacpp.maxBytes=0",
                "-cp",
                System.getProperty("java.class.path"),
                TrainingProcess.class.getName()));
        command.addAll(Arrays.asList(args));
        Path errors = Files.createTempFile(folder, "errors", ".txt");
        return new TrainingProcess(
                new ProcessBuilder(command).redirectError(errors.toFile()).start(), errors);
    }

    /** Returns the next line that it prints, {@code null} when it has ended. */
    String line() throws IOException {
        String line = lines.readLine();
        while (line != null && line.startsWith("[Gloo]")) {
            // said by the library that connects processes
            line = lines.readLine();
        }
        return line;
    }

    /** Lets a held run go on to its next step. */
    void letGoOn() throws IOException {
        process.getOutputStream().write('\n');
        process.getOutputStream().flush();
    }

    /** Lets a held run go on to its end, if it hasn't ended. */
    void letGo() {
        try {
            process.getOutputStream().close();
        } catch (IOException e) {
            // It has ended.
        }
    }

    /** Ends it as the system's out-of-memory killer does: at once, wherever it is. */
    void kill() throws InterruptedException {
        process.destroyForcibly();
        process.waitFor();
    }

    /** Waits for its end, and returns the last line that it printed. */
    String lastLine() throws IOException {
        String last = "";
        for (String line = line(); line != null; line = line()) {
            last = line;
        }
        return last;
    }

    /** Stops it where it is, without ending it: it falls silent. */
    void freeze() throws IOException, InterruptedException {
        new ProcessBuilder("kill", "-STOP", String.valueOf(process.pid()))
                .start()
                .waitFor();
    }

    int exitValue() throws InterruptedException {
        if (!process.waitFor(120, TimeUnit.SECONDS)) {
            process.destroyForcibly();
            throw new IllegalStateException("the training process doesn't end");
        }
        return process.exitValue();
    }

    String errors() throws IOException {
        return Files.readString(errors);
    }
}
