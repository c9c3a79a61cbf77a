package org.segformer3d.backend.libtorch;

import java.nio.ByteBuffer;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.function.Supplier;
import org.bytedeco.javacpp.BytePointer;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.BoolOptional;
import org.bytedeco.pytorch.GradMode;
import org.bytedeco.pytorch.TensorOptions;
import org.bytedeco.pytorch.global.torch;
import org.segformer3d.api.backend.BackendException;
import org.segformer3d.api.backend.BackendOptions;
import org.segformer3d.api.backend.BackendOptions.Implementation;
import org.segformer3d.api.backend.DifferentiableBackend;
import org.segformer3d.api.block.Grid;
import org.segformer3d.api.model.SegmentationModel;
import org.segformer3d.api.network.Network;
import org.segformer3d.api.network.SegFormer3DNetwork;
import org.segformer3d.api.ops.Ops;
import org.segformer3d.api.ops.Pass;
import org.segformer3d.api.ops.Tape;
import org.segformer3d.api.tensor.DType;
import org.segformer3d.api.tensor.Device;
import org.segformer3d.api.tensor.HostTensor;
import org.segformer3d.api.tensor.Scope;
import org.segformer3d.api.tensor.Shapes;
import org.segformer3d.api.tensor.Tensor;
import org.segformer3d.api.training.DataParallel;
import org.segformer3d.api.training.LossGradient;
import org.segformer3d.api.training.LossSpec;
import org.segformer3d.api.training.TrainingBackend;
import org.segformer3d.api.training.TrainingSession;
import org.segformer3d.api.training.TrainingSpec;
import org.segformer3d.api.weights.StateDict;

/** libtorch on one device. */
final class LibtorchBackend implements DifferentiableBackend, TrainingBackend {
    static final String NAME = "libtorch";

    private final BackendOptions options;
    private final ComputeThreads threads;
    private final org.bytedeco.pytorch.Device device;
    private final TensorOptions floating;
    private volatile boolean closed;

    LibtorchBackend(BackendOptions options) {
        this.options = options;
        this.threads = new ComputeThreads(options.threads());
        this.device = options.device().type() == Device.Type.CPU
                ? new org.bytedeco.pytorch.Device(torch.DeviceType.CPU)
                : new org.bytedeco.pytorch.Device(
                        torch.DeviceType.CUDA, (byte) options.device().index());
        this.floating =
                new TensorOptions(DTypes.of(computeType())).device(new org.bytedeco.pytorch.DeviceOptional(device));
    }

    @Override
    public String name() {
        return NAME;
    }

    @Override
    public BackendOptions options() {
        return options;
    }

    @Override
    public Map<String, String> versions() {
        Map<String, String> versions = new LinkedHashMap<>();
        versions.put("libtorch", Natives.version("pytorch"));
        versions.put("openblas", Natives.version("openblas"));
        versions.put("cpu", torch.get_cpu_capability().getString());
        if (options.device().type() == Device.Type.CUDA) {
            versions.put("cuda", String.valueOf(org.bytedeco.pytorch.Context.versionCUDART()));
            versions.put("cudnn", String.valueOf(org.bytedeco.pytorch.Context.versionRuntimeCuDNN()));
        }
        return versions;
    }

    @Override
    public Scope newScope() {
        requireOpen();
        return new LibtorchScope(this);
    }

    @Override
    public Ops ops(Scope scope, Pass pass) {
        requireOpen();
        return new LibtorchOps(this, scope, new Recording(pass, false, null));
    }

    @Override
    public Tape newTape(Pass pass) {
        requireOpen();
        return new LibtorchTape(this, pass);
    }

    @Override
    public Tensor resizeCanvas(Scope scope, Tensor x, Grid size) {
        org.bytedeco.pytorch.Tensor value = LibtorchTensor.unwrap(this, x);
        long[] shape = x.shape();
        if (shape.length != 5) {
            throw new IllegalArgumentException("canvas: found shape " + Shapes.text(shape) + ", expected (B,C,D,H,W)");
        }
        return compute(scope, value.requires_grad(), () -> Functional.canvas(value, size));
    }

    @Override
    public SegmentationModel load(Network network, StateDict weights) {
        requireOpen();
        return isFused(network)
                ? FusedModel.load(this, ((SegFormer3DNetwork) network).config(), weights)
                : DifferentiableBackend.super.load(network, weights);
    }

    /**
     * Returns whether a network is computed in its fused form.
     *
     * @throws BackendException when that was asked for and there is none
     */
    private boolean isFused(Network network) {
        Optional<String> unfit = whyNotFused(network);
        if (unfit.isPresent() && options.implementation() == Implementation.FUSED) {
            throw new BackendException(
                    "backend 'libtorch': the fused implementation " + unfit.get() + "; ask for auto, plain or folded");
        }
        boolean byOperations =
                options.implementation() == Implementation.PLAIN || options.implementation() == Implementation.FOLDED;
        if (options.isReducedPrecision() && (unfit.isPresent() || byOperations)) {
            throw new BackendException("backend 'libtorch': only the fused implementation computes in "
                    + options.computeType()
                    + unfit.map(reason -> ", which " + reason).orElse("; ask for auto")
                    + ", or for float32");
        }
        return switch (options.implementation()) {
            case PLAIN, FOLDED -> false;
            case FUSED -> true;
            // on CUDA the plain form is the default until the fused one has been measured there
            case AUTO ->
                unfit.isEmpty() && (options.device().type() == Device.Type.CPU || options.isReducedPrecision());
        };
    }

    private static Optional<String> whyNotFused(Network network) {
        if (!(network instanceof SegFormer3DNetwork segformer)) {
            return Optional.of("computes segformer3d only; found " + network.architecture());
        }
        if (segformer.layers().isReplaced()) {
            return Optional.of("has the paper's layers only; found replaced ones "
                    + segformer.config().layers());
        }
        return segformer.config().isCubic()
                ? Optional.empty()
                : Optional.of("has the same kernels, strides, paddings and ratios along all axes only");
    }

    @Override
    public boolean supportsTraining() {
        return true;
    }

    @Override
    public TrainingSession train(TrainingSpec spec) {
        return train(spec, null, false);
    }

    @Override
    public TrainingSession train(TrainingSpec spec, DataParallel parallel) {
        if (parallel.group().size() == 1) {
            return train(spec);
        }
        if (spec.loss().batch()) {
            // its sums would be each process's own
            throw new BackendException("backend 'libtorch': a Dice whose sums run over the batch can't be divided among"
                    + " processes; set loss_fn.loss_args.batch to false, or train in one process");
        }
        requireOpen();
        Collective collective = Collective.open(this, parallel.group());
        try {
            return train(spec, collective, parallel.synchronisesBatchNorm());
        } catch (RuntimeException e) {
            collective.close();
            throw e;
        }
    }

    /** @param collective closed with the session; {@code null} for a process alone */
    private TrainingSession train(TrainingSpec spec, Collective collective, boolean sharesBatchNorm) {
        requireOpen();
        if (options.isReducedPrecision()) {
            throw new BackendException("backend 'libtorch': training computes in float32 or float64; found precision "
                    + options.computeType());
        }
        if (spec.mixed()) {
            requireMixed();
        }
        boolean fused = isFused(spec.network());
        if (fused && options.device().type() != Device.Type.CPU) {
            throw new BackendException("backend 'libtorch': training has a fused implementation on the CPU only; found "
                    + options.device() + "; ask for auto or plain");
        }
        if (spec.recomputes() && !fused) {
            throw new BackendException(
                    "backend 'libtorch': activations are computed again in the fused implementation only, found plain"
                            + (options.implementation() == Implementation.AUTO
                                    ? " (on " + options.device()
                                            + whyNotFused(spec.network())
                                                    .map(reason -> "; fused " + reason)
                                                    .orElse("")
                                            + ")"
                                    : "")
                            + "; ask for auto or fused, or set training_parameters.recompute_activations to false");
        }
        return new LibtorchTrainingSession(this, spec, fused, collective, sharesBatchNorm);
    }

    private void requireMixed() {
        if (options.computeType() != DType.FLOAT32) {
            throw new BackendException("backend 'libtorch': training_parameters.amp keeps all but products in float32;"
                    + " found backend.precision " + options.computeType().name().toLowerCase(Locale.ROOT)
                    + "; set one of them back");
        }
        ReducedPrecision.whyUnavailable(options.in(DType.BFLOAT16)).ifPresent(reason -> {
            throw new BackendException("backend 'libtorch' in bfloat16 (training_parameters.amp): " + reason);
        });
    }

    @Override
    public LossGradient loss(LossSpec loss, HostTensor logits, HostTensor target, Optional<HostTensor> mask) {
        requireOpen();
        if (!Arrays.equals(logits.shape(), target.shape()) || logits.rank() != 5) {
            throw new IllegalArgumentException("loss: found logits " + Shapes.text(logits.shape()) + " with target "
                    + Shapes.text(target.shape()) + ", expected equal shapes (B,K,D,H,W)");
        }
        mask.ifPresent(m -> LossSpec.requireMask(m.shape(), target.shape()));
        if (options.implementation() == Implementation.PLAIN || options.device().type() != Device.Type.CPU) {
            return org.segformer3d.api.training.Losses.gradient(this, loss, logits, target, mask);
        }
        return on(
                false,
                () -> scoped(() -> {
                    org.bytedeco.pytorch.Tensor x = copyIn(logits).to(DTypes.of(computeType()));
                    org.bytedeco.pytorch.Tensor t = copyIn(target).to(DTypes.of(computeType()));
                    org.bytedeco.pytorch.Tensor m = mask.map(
                                    host -> copyIn(host).to(DTypes.of(computeType())))
                            .orElse(null);
                    try (Workers workers = new Workers(options.threads())) {
                        double value = new TrainedLoss(this, loss, workers).replaceByGradient(x, t, m, 1);
                        return new LossGradient(value, copyOut(x));
                    }
                }));
    }

    @Override
    public boolean isClosed() {
        return closed;
    }

    @Override
    public void close() {
        closed = true;
    }

    void requireOpen() {
        if (closed) {
            throw new IllegalStateException("the backend is closed");
        }
    }

    /**
     * Computes one tensor for a scope: with this backend's threads, with or without recording gradients, everything else native that
     * is made on the way released at the end.
     */
    LibtorchTensor compute(Scope scope, boolean gradients, Supplier<org.bytedeco.pytorch.Tensor> computation) {
        LibtorchScope owner = LibtorchScope.of(this, scope);
        return owner.own(on(
                gradients,
                () -> scoped(() -> {
                    org.bytedeco.pytorch.Tensor result = computation.get();
                    // The pointer scope holds one reference to everything made in it; this one keeps the result beyond
                    // its end.
                    result.retainReference();
                    return result;
                })));
    }

    /** Runs something in a pointer scope, which releases every native object made in it at the end. */
    @SuppressWarnings("try") // the scope works by being open
    static <T> T scoped(Supplier<T> work) {
        try (PointerScope pointers = new PointerScope()) {
            return work.get();
        }
    }

    /** Runs with this backend's threads and gradient mode. */
    <T> T on(boolean gradients, Supplier<T> work) {
        requireOpen();
        threads.enter();
        // The mode belongs to the native thread, so every call sets it and puts it back.
        boolean before = GradMode.is_enabled();
        try {
            GradMode.set_enabled(gradients);
            return work.get();
        } finally {
            GradMode.set_enabled(before);
            threads.exit();
        }
    }

    /**
     * Returns a copy of a host array on the device, floating types in the compute type.
     *
     * <p>What goes to a GPU is staged in pinned memory, which the GPU reads by itself while this thread goes on; libtorch keeps that
     * memory until it has been read. Types are converted on the device.
     */
    org.bytedeco.pytorch.Tensor copyIn(HostTensor host) {
        boolean uploads = options.device().type() == Device.Type.CUDA;
        TensorOptions staging = new TensorOptions(DTypes.of(host.dtype()));
        org.bytedeco.pytorch.Tensor tensor = torch.empty(
                host.shape(),
                uploads ? staging.pinned_memory(new BoolOptional(true)) : staging,
                new org.bytedeco.pytorch.MemoryFormatOptional());
        ByteBuffer bytes = host.bytes();
        if (bytes.hasRemaining()) {
            new BytePointer(tensor.data_ptr())
                    .capacity(bytes.remaining())
                    .asByteBuffer()
                    .put(bytes);
        }
        if (uploads) {
            tensor = tensor.to(
                    device, tensor.scalar_type(), true, false, new org.bytedeco.pytorch.MemoryFormatOptional());
        }
        return host.dtype().isFloating() && host.dtype() != computeType()
                ? tensor.to(DTypes.of(computeType()))
                : tensor;
    }

    /** Returns a tensor over a host tensor's own memory, which must be direct and outlive it. */
    org.bytedeco.pytorch.Tensor view(HostTensor host) {
        return torch.from_blob(new BytePointer(host.bytes()), host.shape(), new TensorOptions(DTypes.of(host.dtype())));
    }

    /** Returns a host tensor for reading while it lives: itself where that is possible, else a copy. */
    org.bytedeco.pytorch.Tensor borrow(HostTensor host) {
        boolean converts = host.dtype().isFloating() && host.dtype() != computeType();
        return options.device().type() == Device.Type.CPU
                        && !converts
                        && host.bytes().isDirect()
                ? view(host)
                : copyIn(host);
    }

    /** The same as a tensor of a scope. */
    LibtorchTensor borrow(Scope scope, HostTensor host) {
        return compute(scope, false, () -> borrow(host));
    }

    org.bytedeco.pytorch.Tensor toDevice(org.bytedeco.pytorch.Tensor value) {
        return options.device().type() == Device.Type.CPU ? value : value.to(device, value.scalar_type());
    }

    /** Returns a copy of a native tensor in C order. */
    HostTensor copyOut(org.bytedeco.pytorch.Tensor value) {
        return scoped(() -> {
            org.bytedeco.pytorch.Tensor source = toCpu(value.detach()).contiguous();
            DType dtype = DTypes.of(source.scalar_type());
            HostTensor host = HostTensor.zeros(dtype, Functional.shape(source));
            ByteBuffer bytes = host.bytes();
            if (bytes.hasRemaining()) {
                bytes.put(new BytePointer(source.data_ptr())
                        .capacity(bytes.remaining())
                        .asByteBuffer());
            }
            return host;
        });
    }

    org.bytedeco.pytorch.Tensor toCpu(org.bytedeco.pytorch.Tensor value) {
        if (options.device().type() == Device.Type.CPU) {
            return value;
        }
        return value.to(new org.bytedeco.pytorch.Device(torch.DeviceType.CPU), value.scalar_type());
    }

    ComputeThreads threads() {
        return threads;
    }

    /** Returns what new tensors of the compute type on the device are made with. */
    TensorOptions floating() {
        return floating;
    }

    /** Returns what new tensors of a type on the device are made with; it belongs to the open pointer scope. */
    TensorOptions floating(torch.ScalarType type) {
        return new TensorOptions(type).device(new org.bytedeco.pytorch.DeviceOptional(device));
    }

    @Override
    public String toString() {
        return NAME + " on " + options.device();
    }
}
