package org.segformer3d.train.run;

import java.util.Objects;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.function.BooleanSupplier;
import org.segformer3d.api.tensor.Device;
import org.segformer3d.train.config.ExperimentConfig;
import org.segformer3d.train.parallel.ProcessTeam;

/**
 * How a run is carried out here and now, apart from what the experiment says.
 *
 * @param resume whether to go on from the run folder's last checkpoint; without it, a run folder that isn't empty is an error
 * @param backend backend to use instead of the experiment's
 * @param device device to use instead of the experiment's
 * @param threads threads to use instead of the experiment's
 * @param listener hears how it goes
 * @param stop asked after every step; once it is true the run saves its last state and ends
 * @param team the processes that train together, of which this is one; stays the caller's
 */
public record TrainerOptions(
        boolean resume,
        Optional<String> backend,
        Optional<Device> device,
        OptionalInt threads,
        ProgressListener listener,
        BooleanSupplier stop,
        ProcessTeam team) {
    /** Checks that nothing is {@code null}. */
    public TrainerOptions {
        Objects.requireNonNull(backend, "backend");
        Objects.requireNonNull(device, "device");
        Objects.requireNonNull(threads, "threads");
        Objects.requireNonNull(listener, "listener");
        Objects.requireNonNull(stop, "stop");
        Objects.requireNonNull(team, "team");
    }

    /** Returns options that change nothing, stop never and tell nobody. */
    public static TrainerOptions defaults() {
        return new TrainerOptions(
                false,
                Optional.empty(),
                Optional.empty(),
                OptionalInt.empty(),
                ProgressListener.NONE,
                () -> false,
                ProcessTeam.alone());
    }

    /** Returns these options with resumption switched on or off. */
    public TrainerOptions resuming(boolean on) {
        return new TrainerOptions(on, backend, device, threads, listener, stop, team);
    }

    /** Returns these options with another backend. */
    public TrainerOptions withBackend(String name) {
        return new TrainerOptions(resume, Optional.of(name), device, threads, listener, stop, team);
    }

    /** Returns these options with another device. */
    public TrainerOptions on(Device newDevice) {
        return new TrainerOptions(resume, backend, Optional.of(newDevice), threads, listener, stop, team);
    }

    /** Returns these options with another number of threads; 0 for as many as there are processors. */
    public TrainerOptions withThreads(int newThreads) {
        return new TrainerOptions(resume, backend, device, OptionalInt.of(newThreads), listener, stop, team);
    }

    /** Returns these options with another listener. */
    public TrainerOptions listenedBy(ProgressListener newListener) {
        return new TrainerOptions(resume, backend, device, threads, newListener, stop, team);
    }

    /** Returns these options with another condition for stopping. */
    public TrainerOptions stoppingWhen(BooleanSupplier condition) {
        return new TrainerOptions(resume, backend, device, threads, listener, condition, team);
    }

    /** Returns these options for a process that trains together with others. */
    public TrainerOptions in(ProcessTeam newTeam) {
        return new TrainerOptions(resume, backend, device, threads, listener, stop, newTeam);
    }

    /** Returns the experiment with these options' backend, device and threads in it, so that a run records what it really used. */
    ExperimentConfig applyTo(ExperimentConfig config) {
        java.util.List<String> changes = new java.util.ArrayList<>();
        backend.ifPresent(name -> changes.add("backend.name='" + name.replace("'", "''") + "'"));
        device.ifPresent(d -> changes.add("backend.device='" + d + "'"));
        threads.ifPresent(n -> changes.add("backend.threads=" + n));
        return config.withOverrides(changes);
    }
}
