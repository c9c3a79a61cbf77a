package org.segformer3d.backend.libtorch;

import java.time.Duration;
import java.util.function.Supplier;
import org.bytedeco.javacpp.Loader;
import org.bytedeco.javacpp.chrono.Milliseconds;
import org.bytedeco.pytorch.Backend;
import org.bytedeco.pytorch.ProcessGroupGloo;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Store;
import org.bytedeco.pytorch.TCPStore;
import org.bytedeco.pytorch.TCPStoreOptions;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorVector;
import org.bytedeco.pytorch.Work;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch_gloo;
import org.bytedeco.pytorch.nccl.ProcessGroupNCCL;
import org.segformer3d.api.backend.BackendException;
import org.segformer3d.api.tensor.Device;
import org.segformer3d.api.training.ProcessGroup;

/**
 * What several processes do with their tensors together, by libtorch's c10d: Gloo for tensors on the CPU, NCCL for those on CUDA. All
 * processes make the same calls in the same order. Must be closed.
 */
final class Collective implements AutoCloseable {
    /** The group knows which process is gone; one that is merely slow, however slow, is waited for. */
    private static final Duration NEVER = Duration.ofDays(30);

    /** How often the group is asked while others are waited for. */
    private static final Duration SLICE = Duration.ofSeconds(1);

    private final LibtorchBackend backend;
    private final ProcessGroup group;
    private final Store store;
    private final Backend processes;
    /** Whether an operation was given up: it may still be waiting. */
    private boolean isBroken;

    private Collective(LibtorchBackend backend, ProcessGroup group, Store store, Backend processes) {
        this.backend = backend;
        this.group = group;
        this.store = store;
        this.processes = processes;
    }

    /**
     * Connects the processes.
     *
     * @throws BackendException when this build of libtorch or this machine can't
     */
    static Collective open(LibtorchBackend backend, ProcessGroup group) {
        boolean cuda = backend.options().device().type() == Device.Type.CUDA;
        String library = cuda ? "NCCL" : "Gloo";
        if (!Loader.getPlatform().startsWith("linux")) {
            throw new BackendException(
                    "backend 'libtorch': several processes train together on Linux only; libtorch for "
                            + Loader.getPlatform() + " comes without " + library);
        }
        Milliseconds timeout = new Milliseconds(group.timeout().toMillis());
        try {
            if (!cuda) {
                Loader.load(torch_gloo.class);
            }
            Store store = store(group, timeout);
            Backend processes = cuda ? nccl(store, group) : gloo(store, group, timeout);
            return new Collective(backend, group, store, processes);
        } catch (LinkageError e) {
            throw new BackendException("backend 'libtorch': can't load " + library + ": " + firstLine(e), e);
        } catch (RuntimeException e) {
            throw new BackendException(
                    "backend 'libtorch': can't connect process " + group.rank() + " of " + group.size() + " by "
                            + library + ": " + firstLine(e),
                    e);
        }
    }

    /** The first process serves the store, on a port that is free, and tells the others where. */
    private static Store store(ProcessGroup group, Milliseconds timeout) {
        boolean serves = group.rank() == 0;
        String host = group.address();
        int port = 0;
        TCPStore own = null;
        if (serves) {
            own = new TCPStore(host, options(0, true, timeout));
            port = Short.toUnsignedInt(own.getPort());
        }
        String place = group.tell(host + " " + port);
        if (serves) {
            return own;
        }
        int space = place.lastIndexOf(' ');
        return new TCPStore(
                place.substring(0, space), options(Integer.parseInt(place.substring(space + 1)), false, timeout));
    }

    private static TCPStoreOptions options(int port, boolean serves, Milliseconds timeout) {
        TCPStoreOptions options = new TCPStoreOptions();
        options.port((short) port);
        options.isServer(serves);
        options.waitWorkers(false);
        options.timeout(timeout);
        return options;
    }

    private static Backend gloo(Store store, ProcessGroup group, Milliseconds timeout) {
        ProcessGroupGloo.Options options = ProcessGroupGloo.Options.create(timeout);
        options.devices().push_back(ProcessGroupGloo.createDeviceForHostname(group.address()));
        // Calls follow one another, so one thread that carries them out is enough.
        options.threads(1);
        Backend processes = new ProcessGroupGloo(store, group.rank(), group.size(), options);
        processes.setTimeout(new Milliseconds(NEVER.toMillis()));
        return processes;
    }

    private static Backend nccl(Store store, ProcessGroup group) {
        // A process that is gone is noticed by the group; NCCL's own time-out, which ends the whole process, comes
        // later.
        ProcessGroupNCCL.Options options = ProcessGroupNCCL.Options.create(false);
        options.timeout(new Milliseconds(2 * group.timeout().toMillis() + 600_000));
        return new ProcessGroupNCCL(store, group.rank(), group.size(), options);
    }

    int size() {
        return group.size();
    }

    /** Replaces a tensor by the sum of all processes' tensors, the same bits everywhere. */
    void sum(Tensor x) {
        run("summing over", () -> processes.allreduce(new TensorVector(x)));
    }

    /** Replaces a tensor by the first process's. */
    void takeFirst(Tensor x) {
        run("hearing from", () -> processes.broadcast(new TensorVector(x)));
    }

    /** Returns the first process's number. */
    long takeFirst(long own) {
        return LibtorchBackend.scoped(() -> {
            Tensor number = torch.full(new long[] {1}, new Scalar(own), backend.floating(torch.ScalarType.Long));
            takeFirst(number);
            return number.item().toLong();
        });
    }

    private void run(String what, Supplier<Work> call) {
        try {
            LibtorchBackend.scoped(() -> {
                Work work = call.get();
                if (backend.options().device().type() == Device.Type.CUDA) {
                    // The stream waits, not this thread.
                    work._wait();
                } else {
                    ComputeThreads.whileWaiting(() -> await(work));
                }
                return null;
            });
        } catch (RuntimeException e) {
            throw new BackendException(
                    "backend 'libtorch': " + what + " " + group.size() + " processes failed: " + firstLine(e), e);
        }
    }

    /** Waits until an operation has ended, or the group says that it never will. */
    private void await(Work work) {
        while (true) {
            try {
                work._wait(new Milliseconds(SLICE.toMillis()));
                return;
            } catch (RuntimeException e) {
                // Thrown when the time is over as well.
                if (work.isCompleted()) {
                    throw e;
                }
            }
            String failure = group.failure().orElse(null);
            if (failure != null) {
                isBroken = true;
                throw new BackendException(failure);
            }
        }
    }

    /** Returns what an error of c10d says, without the place in its source and the stack. */
    private static String firstLine(Throwable e) {
        String message = e.getMessage() == null
                ? e.toString()
                : e.getMessage().lines().findFirst().orElse("");
        return message.replaceFirst("^\\[[^\\]]*\\]\\s*", "");
    }

    @Override
    public void close() {
        if (isBroken) {
            // Closing would wait for the operation that was given up, and so for a process that is gone.
            return;
        }
        processes.close();
        store.close();
    }
}
