package org.segformer3d.cli.option;

import java.io.File;
import java.io.IOException;
import java.io.PrintWriter;
import java.lang.management.ManagementFactory;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import org.segformer3d.api.tensor.Device;
import org.segformer3d.train.config.ExperimentConfig;
import org.segformer3d.train.parallel.ProcessTeam;
import org.segformer3d.train.parallel.Rendezvous;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;
import picocli.CommandLine.Spec.Target;

/** How many processes train together, and how they find each other. */
public final class Processes {
    /** A process that can't end by itself after another is gone, because it waits in a library, is ended after so long. */
    private static final long GRACE_SECONDS = 30;

    @Spec(Target.MIXEE)
    private CommandSpec spec;

    @Option(
            names = "--nproc",
            paramLabel = "N",
            description =
                    "Train on N processes of this machine, each with a batch of its own; on CUDA each on a device of its own.")
    private int nproc;

    @Option(
            names = "--rendezvous",
            paramLabel = "HOST:PORT",
            description = "Train on several machines: where rank 0 listens. Start one command for each rank.")
    private Optional<String> rendezvous = Optional.empty();

    @Option(names = "--rank", paramLabel = "R", description = "Which of the --world processes this is, from 0.")
    private int rank = -1;

    @Option(names = "--world", paramLabel = "N", description = "How many processes meet at --rendezvous.")
    private int world;

    @Option(
            names = "--peer-timeout",
            paramLabel = "SECONDS",
            description =
                    "How long to wait for the other processes to start, and how long one may be silent (default: 300).")
    private int timeout;

    @Option(
            names = "--launched-by",
            hidden = true,
            paramLabel = "PID",
            description = "This is one of the processes that --nproc starts, and who started it.")
    private Optional<Long> launcher = Optional.empty();

    /**
     * Returns whether another process says why this one ends: where --nproc started them they share a screen, on which one line is
     * enough. It is rank 0's, which all tell their failures, and rank 1's where rank 0 is gone.
     */
    public boolean isSpokenFor(ProcessTeam team) {
        return launcher.isPresent() && !(team.rank() == 1 && team.hasLostLeader());
    }

    private boolean isSeveral() {
        if (rendezvous.isPresent()) {
            if (nproc != 0) {
                throw wrong(
                        "--nproc starts the processes of one machine by itself; leave out --rendezvous, or --nproc");
            }
            if (rank < 0 || world < 1) {
                throw wrong("--rendezvous needs --rank and --world as well");
            }
            place();
            return world > 1;
        }
        if (rank >= 0 || world != 0) {
            throw wrong((rank >= 0 ? "--rank" : "--world") + " needs --rendezvous HOST:PORT as well");
        }
        if (nproc < 0) {
            throw wrong("--nproc: found " + nproc + ", expected 1 or more");
        }
        return nproc > 1;
    }

    private ParameterException wrong(String message) {
        return new ParameterException(spec.commandLine(), message);
    }

    private Duration patience() {
        if (timeout < 0) {
            throw wrong("--peer-timeout: found " + timeout + ", expected 1 or more");
        }
        return timeout == 0 ? Rendezvous.USUAL_TIMEOUT : Duration.ofSeconds(timeout);
    }

    private Rendezvous place() {
        try {
            return rendezvous.isPresent()
                    ? Rendezvous.parse(rendezvous.get(), rank, world, patience())
                    : new Rendezvous("127.0.0.1", 0, 0, nproc, patience());
        } catch (IllegalArgumentException e) {
            throw wrong(e.getMessage());
        }
    }

    /**
     * Returns an experiment with this machine's processors divided among the processes that run on it.
     *
     * @throws ParameterException when the options contradict each other
     */
    public ExperimentConfig divide(ExperimentConfig experiment) {
        if (!isSeveral()
                || rendezvous.isPresent()
                || experiment.backend().options().threads() > 0) {
            return experiment;
        }
        return experiment.withOverrides(List.of("backend.threads=" + threads()));
    }

    private int threads() {
        return Math.max(1, Runtime.getRuntime().availableProcessors() / nproc);
    }

    /**
     * Starts the other processes of this machine, where that is asked for, and joins them.
     *
     * @param err hears of a process that has to be ended
     * @return the team of this process, alone where nothing else is asked for
     */
    public ProcessTeam start(ExperimentConfig experiment, PrintWriter err) throws IOException {
        if (!isSeveral()) {
            return ProcessTeam.alone();
        }
        AtomicBoolean joined = new AtomicBoolean();
        // Until it has joined, nothing else tells it that the one that started it is gone.
        launcher.ifPresent(pid -> ProcessHandle.of(pid)
                .map(ProcessHandle::onExit)
                .orElseGet(() -> CompletableFuture.completedFuture(null))
                .thenRun(() -> {
                    if (!joined.get()) {
                        Runtime.getRuntime().halt(1);
                    }
                }));
        ProcessTeam team = ProcessTeam.join(place());
        joined.set(true);
        watch(team, err);
        if (rendezvous.isEmpty()) {
            try {
                for (int r = 1; r < nproc; r++) {
                    launch(team, r, experiment);
                }
            } catch (IOException e) {
                team.fail("rank 0 failed: it can't start the others (" + e.getMessage() + ")");
                team.close();
                throw e;
            }
        }
        return team;
    }

    private void launch(ProcessTeam team, int r, ExperimentConfig experiment) throws IOException {
        List<String> command = new ArrayList<>();
        command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
        boolean sized = false;
        for (String option : ManagementFactory.getRuntimeMXBean().getInputArguments()) {
            // A debugger's port and a profiler's file belong to one process.
            if (!option.startsWith("-agent")
                    && !option.startsWith("-javaagent")
                    && !option.contains("MaxRAMPercentage")) {
                command.add(option);
            }
            sized |= option.startsWith("-Xmx");
        }
        if (!sized) {
            command.add("-XX:MaxRAMPercentage=" + 50 / nproc);
        }
        command.add("org.segformer3d.cli.Main");
        List<String> own = spec.commandLine().getParseResult().originalArgs();
        command.add("train");
        for (int n = 0; n < own.size(); n++) {
            String argument = own.get(n);
            if (argument.equals("--nproc") || argument.equals("--peer-timeout")) {
                n++;
            } else if (!argument.equals("train")
                    && !argument.startsWith("--nproc=")
                    && !argument.startsWith("--peer-timeout=")) {
                command.add(argument);
            }
        }
        command.addAll(List.of(
                "--launched-by",
                String.valueOf(ProcessHandle.current().pid()),
                "--rendezvous",
                team.place().toString(),
                "--rank",
                String.valueOf(r),
                "--world",
                String.valueOf(nproc),
                "--peer-timeout",
                String.valueOf(team.timeout().toSeconds())));
        if (experiment.backend().options().threads() > 0) {
            command.addAll(List.of(
                    "--set", "backend.threads=" + experiment.backend().options().threads()));
        }
        Device device = experiment.backend().options().device();
        if (device.type() == Device.Type.CUDA) {
            command.addAll(List.of("--set", "backend.device=cuda:" + (device.index() + r)));
        }
        ProcessBuilder builder = new ProcessBuilder(command)
                .redirectOutput(ProcessBuilder.Redirect.DISCARD)
                .redirectError(ProcessBuilder.Redirect.INHERIT);
        builder.redirectInput(new File(System.getProperty("os.name").startsWith("Windows") ? "NUL" : "/dev/null"));
        // By the environment, as the launcher does: the path may be too long for a command line.
        builder.environment().put("CLASSPATH", System.getProperty("java.class.path"));
        Process process = builder.start();
        process.onExit().thenAccept(ended -> {
            if (ended.exitValue() != 0) {
                team.fail("rank " + r + " is gone (its process ended with " + ended.exitValue() + ")");
            }
        });
    }

    /** Ends a process that waits in a library for one that is gone. */
    private void watch(ProcessTeam team, PrintWriter err) {
        Thread thread = new Thread(
                () -> {
                    try {
                        team.awaitFailure();
                        if (team.failure().isPresent()) {
                            TimeUnit.SECONDS.sleep(GRACE_SECONDS);
                            if (!isSpokenFor(team)) {
                                err.println("segformer3d: " + team.failure().get()
                                        + "; go on from the last checkpoint with --resume");
                                err.flush();
                            }
                            Runtime.getRuntime().halt(1);
                        }
                    } catch (InterruptedException e) {
                        Thread.currentThread().interrupt();
                    }
                },
                "process-team-watch");
        thread.setDaemon(true);
        thread.start();
    }
}
