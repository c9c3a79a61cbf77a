package org.segformer3d.backend.libtorch;

import java.util.Arrays;
import java.util.List;
import java.util.function.Supplier;
import org.bytedeco.pytorch.DoubleOptional;
import org.bytedeco.pytorch.LongArrayRefOptional;
import org.bytedeco.pytorch.MemoryFormatOptional;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.ScalarTypeOptional;
import org.bytedeco.pytorch.TensorOptional;
import org.bytedeco.pytorch.TensorVector;
import org.bytedeco.pytorch.global.torch;
import org.segformer3d.api.ops.BatchNormState;
import org.segformer3d.api.ops.Interpolation;
import org.segformer3d.api.ops.Ops;
import org.segformer3d.api.ops.Pass;
import org.segformer3d.api.ops.ShapeRules;
import org.segformer3d.api.tensor.Device;
import org.segformer3d.api.tensor.HostTensor;
import org.segformer3d.api.tensor.Scope;
import org.segformer3d.api.tensor.Tensor;

/**
 * The operations on ATen, on any device.
 *
 * <p>Under autocast products come out in bfloat16 and stay so until something is added to them or a LayerNorm or GroupNorm takes them in:
 * those give the compute type again, so that sums of many blocks keep its digits.
 */
final class LibtorchOps implements Ops {
    private static final int[] NO_PADDING = {0, 0, 0};

    /** Sizes of an axis up to which resizing it by a product with a matrix is faster than reading two neighbours each. */
    private static final long LARGEST_RESIZED_BY_PRODUCT = 64;

    /** Channels from which resizing keeps them last. */
    private static final long FEWEST_CHANNELS_LAST = 16;

    private final LibtorchBackend backend;
    private final LibtorchScope scope;
    private final Recording recording;

    LibtorchOps(LibtorchBackend backend, Scope scope, Recording recording) {
        this.backend = backend;
        this.scope = LibtorchScope.of(backend, scope);
        this.recording = recording;
    }

    @Override
    public Scope scope() {
        return scope;
    }

    @Override
    public Pass pass() {
        return recording.pass();
    }

    @Override
    public Ops in(Scope other) {
        return new LibtorchOps(backend, other, recording);
    }

    @Override
    public Scope newScope() {
        return backend.newScope();
    }

    private LibtorchTensor compute(Supplier<org.bytedeco.pytorch.Tensor> computation) {
        return backend.compute(scope, recording.records(), computation);
    }

    /** Like {@link #compute}, with a result in the compute type under autocast, too. */
    private LibtorchTensor full(Supplier<org.bytedeco.pytorch.Tensor> computation) {
        return compute(() -> computation.get().to(DTypes.of(backend.computeType())));
    }

    private org.bytedeco.pytorch.Tensor value(Tensor x) {
        return LibtorchTensor.unwrap(backend, x);
    }

    private org.bytedeco.pytorch.Tensor valueOrNull(Tensor x) {
        return x == null ? null : value(x);
    }

    private static TensorOptional optional(org.bytedeco.pytorch.Tensor x) {
        return x == null ? new TensorOptional() : new TensorOptional(x);
    }

    private static long[] shapeOrNull(Tensor x) {
        return x == null ? null : x.shape();
    }

    private static long[] longs(int... values) {
        return Arrays.stream(values).asLongStream().toArray();
    }

    /** Returns a handle of its own on one of several results, which are freed together. */
    private static org.bytedeco.pytorch.Tensor own(org.bytedeco.pytorch.Tensor result) {
        return new org.bytedeco.pytorch.Tensor(result);
    }

    /** Returns what autocast may have made narrower in the compute type. */
    Tensor inComputeType(Tensor x) {
        org.bytedeco.pytorch.Tensor value = value(x);
        return full(() -> value);
    }

    /** Returns another handle on the same native tensor. */
    private LibtorchTensor same(Tensor x) {
        org.bytedeco.pytorch.Tensor value = value(x);
        return compute(() -> own(value));
    }

    @Override
    public Tensor constant(HostTensor values) {
        return full(() -> backend.copyIn(values));
    }

    @Override
    public Tensor reshape(Tensor x, long... shape) {
        org.bytedeco.pytorch.Tensor value = value(x);
        long[] result = ShapeRules.reshape(x.shape(), shape);
        return compute(() -> value.reshape(result));
    }

    @Override
    public Tensor permute(Tensor x, int... axes) {
        org.bytedeco.pytorch.Tensor value = value(x);
        ShapeRules.permute(x.shape(), axes);
        return compute(() -> value.permute(longs(axes)));
    }

    @Override
    public Tensor slice(Tensor x, int axis, long from, long to) {
        org.bytedeco.pytorch.Tensor value = value(x);
        ShapeRules.slice(x.shape(), axis, from, to);
        return compute(() -> value.narrow(axis, from, to - from));
    }

    @Override
    public Tensor concat(int axis, Tensor... parts) {
        org.bytedeco.pytorch.Tensor[] values =
                Arrays.stream(parts).map(this::value).toArray(org.bytedeco.pytorch.Tensor[]::new);
        ShapeRules.concat(axis, Arrays.stream(parts).map(Tensor::shape).toArray(long[][]::new));
        return compute(() -> torch.cat(new TensorVector(values), axis));
    }

    @Override
    public Tensor pad(Tensor x, int axis, long before, long after) {
        org.bytedeco.pytorch.Tensor value = value(x);
        long[] shape = ShapeRules.pad(x.shape(), axis, before, after);
        // constant_pad_nd counts axes from the last one
        long[] padding = new long[2 * (shape.length - axis)];
        padding[padding.length - 2] = before;
        padding[padding.length - 1] = after;
        return compute(() -> torch.constant_pad_nd(value, padding, new Scalar(0.0)));
    }

    @Override
    public Tensor broadcast(Tensor x, long... shape) {
        org.bytedeco.pytorch.Tensor value = value(x);
        long[] result = ShapeRules.broadcast(x.shape(), shape);
        return compute(() -> value.expand(result));
    }

    @Override
    public Tensor gather(Tensor x, int axis, int[] indices) {
        org.bytedeco.pytorch.Tensor value = value(x);
        ShapeRules.gather(x.shape(), axis, indices);
        return compute(() -> torch.index_select(value, axis, indices(indices)));
    }

    @Override
    public Tensor scatterAdd(Tensor x, int axis, int[] indices, long size) {
        org.bytedeco.pytorch.Tensor value = value(x);
        long[] shape = ShapeRules.scatterAdd(x.shape(), axis, indices, size);
        return compute(() -> torch.index_add(torch.zeros(shape, value.options()), axis, indices(indices), value));
    }

    private org.bytedeco.pytorch.Tensor indices(int[] indices) {
        return backend.copyIn(HostTensor.of(longs(indices), indices.length));
    }

    /** A function of two tensors. */
    private interface Binary {
        org.bytedeco.pytorch.Tensor of(org.bytedeco.pytorch.Tensor a, org.bytedeco.pytorch.Tensor b);
    }

    private Tensor elementwise(String name, Tensor a, Tensor b, Binary operation) {
        org.bytedeco.pytorch.Tensor left = value(a);
        org.bytedeco.pytorch.Tensor right = value(b);
        ShapeRules.elementwise(name, a.shape(), b.shape());
        return full(() -> operation.of(left, right));
    }

    @Override
    public Tensor add(Tensor a, Tensor b) {
        return elementwise("add", a, b, (left, right) -> left.add(right));
    }

    @Override
    public Tensor subtract(Tensor a, Tensor b) {
        return elementwise("subtract", a, b, (left, right) -> left.sub(right));
    }

    @Override
    public Tensor multiply(Tensor a, Tensor b) {
        return elementwise("multiply", a, b, (left, right) -> left.mul(right));
    }

    @Override
    public Tensor divide(Tensor a, Tensor b) {
        return elementwise("divide", a, b, (left, right) -> left.div(right));
    }

    @Override
    public Tensor affine(Tensor x, double factor, double summand) {
        org.bytedeco.pytorch.Tensor value = value(x);
        return compute(() -> {
            if (summand == 0) {
                return value.mul(new Scalar(factor));
            }
            // autograd keeps neither factor nor product of a multiplication by a number, so that may be overwritten
            return factor == 1
                    ? value.add(new Scalar(summand))
                    : value.mul(new Scalar(factor)).add_(new Scalar(summand));
        });
    }

    /** A function of each element. */
    private interface Unary {
        org.bytedeco.pytorch.Tensor of(org.bytedeco.pytorch.Tensor x);
    }

    private Tensor each(Tensor x, Unary function) {
        org.bytedeco.pytorch.Tensor value = value(x);
        return compute(() -> function.of(value));
    }

    @Override
    public Tensor power(Tensor x, double exponent) {
        return each(x, value -> value.pow(new Scalar(exponent)));
    }

    @Override
    public Tensor exp(Tensor x) {
        return each(x, torch::exp);
    }

    @Override
    public Tensor log(Tensor x) {
        return each(x, torch::log);
    }

    @Override
    public Tensor erf(Tensor x) {
        return each(x, torch::erf);
    }

    @Override
    public Tensor step(Tensor x) {
        return each(x, value -> value.gt(new Scalar(0.0)).to(value.scalar_type()));
    }

    @Override
    public Tensor relu(Tensor x) {
        return each(x, torch::relu);
    }

    @Override
    public Tensor leakyRelu(Tensor x, double slope) {
        return each(x, value -> torch.leaky_relu(value, new Scalar(slope)));
    }

    @Override
    public Tensor sigmoid(Tensor x) {
        return each(x, torch::sigmoid);
    }

    @Override
    public Tensor logSigmoid(Tensor x) {
        return each(x, torch::log_sigmoid);
    }

    @Override
    public Tensor gelu(Tensor x) {
        return each(x, torch::gelu);
    }

    @Override
    public Tensor sum(Tensor x, int... axes) {
        org.bytedeco.pytorch.Tensor value = value(x);
        ShapeRules.reduction("sum", x.shape(), axes);
        // no axes mean all of them to libtorch
        return axes.length == 0 ? same(x) : full(() -> value.sum(longs(axes), true, new ScalarTypeOptional()));
    }

    @Override
    public Tensor mean(Tensor x, int... axes) {
        org.bytedeco.pytorch.Tensor value = value(x);
        ShapeRules.reduction("mean", x.shape(), axes);
        return axes.length == 0 ? same(x) : full(() -> value.mean(longs(axes), true, new ScalarTypeOptional()));
    }

    @Override
    public Tensor max(Tensor x, int axis) {
        org.bytedeco.pytorch.Tensor value = value(x);
        ShapeRules.reduction("max", x.shape(), axis);
        return compute(() -> own(torch.max(value, axis, true).get0()));
    }

    @Override
    public Tensor softmax(Tensor x, int axis) {
        org.bytedeco.pytorch.Tensor value = value(x);
        ShapeRules.along("softmax", x.shape(), axis);
        return compute(() -> torch.softmax(value, axis));
    }

    @Override
    public Tensor logSoftmax(Tensor x, int axis) {
        org.bytedeco.pytorch.Tensor value = value(x);
        ShapeRules.along("logSoftmax", x.shape(), axis);
        return compute(() -> torch.log_softmax(value, axis));
    }

    @Override
    public Tensor matmul(Tensor a, Tensor b, boolean transposeA, boolean transposeB) {
        org.bytedeco.pytorch.Tensor left = value(a);
        org.bytedeco.pytorch.Tensor right = value(b);
        ShapeRules.matmul(a.shape(), b.shape(), transposeA, transposeB);
        return compute(() ->
                torch.matmul(transposeA ? left.transpose(-2, -1) : left, transposeB ? right.transpose(-2, -1) : right));
    }

    @Override
    public Tensor linear(Tensor x, Tensor weight, Tensor bias) {
        org.bytedeco.pytorch.Tensor value = value(x);
        org.bytedeco.pytorch.Tensor w = value(weight);
        org.bytedeco.pytorch.Tensor b = valueOrNull(bias);
        ShapeRules.linear(x.shape(), weight.shape(), shapeOrNull(bias));
        return compute(() -> torch.linear(value, w, optional(b)));
    }

    @Override
    public Tensor attention(Tensor q, Tensor k, Tensor v, double scale, Tensor bias, double dropout) {
        org.bytedeco.pytorch.Tensor query = value(q);
        org.bytedeco.pytorch.Tensor keys = value(k);
        org.bytedeco.pytorch.Tensor values = value(v);
        org.bytedeco.pytorch.Tensor addend = valueOrNull(bias);
        ShapeRules.attention(q.shape(), k.shape(), v.shape(), shapeOrNull(bias));
        if (dropout != 0 && pass().training()) {
            // the mask is one of RandomMasks, which libtorch's own doesn't know
            return Ops.super.attention(q, k, v, scale, bias, dropout);
        }
        return compute(() -> torch.scaled_dot_product_attention(
                query, keys, values, optional(addend), 0, false, new DoubleOptional(scale), false));
    }

    @Override
    public Tensor convolution(Tensor x, Tensor weight, Tensor bias, int[] stride, int[] padding, int groups) {
        org.bytedeco.pytorch.Tensor value = value(x);
        org.bytedeco.pytorch.Tensor kernel = value(weight);
        org.bytedeco.pytorch.Tensor b = valueOrNull(bias);
        ShapeRules.convolution(x.shape(), weight.shape(), shapeOrNull(bias), stride, padding, groups);
        boolean depthwise = groups > 1 && groups == kernel.size(0) && kernel.size(1) == 1;
        boolean differentiates = recording.records()
                && (value.requires_grad() || kernel.requires_grad() || b != null && b.requires_grad());
        if (depthwise && differentiates) {
            boolean written = DepthwiseConvolution.isWritten(kernel, stride, padding)
                    && b != null
                    && backend.device().type() == Device.Type.CPU
                    && !torch.is_autocast_enabled(torch.DeviceType.CPU);
            return compute(() -> written
                    ? recordDepthwise(value, kernel, b)
                    // NCDHW: oneDNN 3.7.1's input gradient is wrong in channels-last
                    : convolve(value.contiguous(), kernel, b, stride, padding, groups));
        }
        return compute(() -> convolve(
                depthwise || Functional.isChannelsLast(value) ? Functional.channelsLast(value) : value.contiguous(),
                kernel,
                b,
                stride,
                padding,
                groups));
    }

    private static org.bytedeco.pytorch.Tensor convolve(
            org.bytedeco.pytorch.Tensor x,
            org.bytedeco.pytorch.Tensor kernel,
            org.bytedeco.pytorch.Tensor bias,
            int[] stride,
            int[] padding,
            int groups) {
        return torch.conv3d(x, kernel, optional(bias), longs(stride), longs(padding), longs(1, 1, 1), groups);
    }

    /** In channels-last the forward pass is many times as fast; its gradients are written out, since libtorch's is wrong there. */
    private org.bytedeco.pytorch.Tensor recordDepthwise(
            org.bytedeco.pytorch.Tensor x, org.bytedeco.pytorch.Tensor kernel, org.bytedeco.pytorch.Tensor bias) {
        org.bytedeco.pytorch.Tensor input = Functional.channelsLast(x.detach());
        org.bytedeco.pytorch.Tensor weight = kernel.detach();
        org.bytedeco.pytorch.Tensor result =
                convolve(input, weight, bias.detach(), new int[] {1, 1, 1}, new int[] {1, 1, 1}, (int) weight.size(0));
        return WrittenGradient.record(
                recording,
                result,
                List.of(x, kernel, bias),
                List.of(input, weight),
                dy -> DepthwiseConvolution.gradients(input, weight, Functional.channelsLast(dy)));
    }

    @Override
    public Tensor convolutionInputGradient(
            Tensor y, Tensor weight, long[] inputSize, int[] stride, int[] padding, int groups) {
        org.bytedeco.pytorch.Tensor value = value(y);
        org.bytedeco.pytorch.Tensor kernel = value(weight);
        long[] shape =
                ShapeRules.convolutionInputGradient(y.shape(), weight.shape(), inputSize, stride, padding, groups);
        return compute(() -> {
            org.bytedeco.pytorch.Tensor input = torch.empty(shape, value.options(), new MemoryFormatOptional());
            return own(torch.convolution_backward(
                            value.contiguous(),
                            input,
                            kernel.contiguous(),
                            new LongArrayRefOptional(),
                            longs(stride),
                            longs(padding),
                            longs(1, 1, 1),
                            false,
                            longs(NO_PADDING),
                            groups,
                            Products.mask(true, false, false))
                    .get0());
        });
    }

    @Override
    public Tensor convolutionWeightGradient(Tensor x, Tensor y, int[] kernel, int[] stride, int[] padding, int groups) {
        org.bytedeco.pytorch.Tensor value = value(x);
        org.bytedeco.pytorch.Tensor gradient = value(y);
        long[] shape = ShapeRules.convolutionWeightGradient(x.shape(), y.shape(), kernel, stride, padding, groups);
        return compute(() -> {
            org.bytedeco.pytorch.Tensor weight = torch.empty(shape, value.options(), new MemoryFormatOptional());
            return own(torch.convolution_backward(
                            gradient.contiguous(),
                            value.contiguous(),
                            weight,
                            new LongArrayRefOptional(),
                            longs(stride),
                            longs(padding),
                            longs(1, 1, 1),
                            false,
                            longs(NO_PADDING),
                            groups,
                            Products.mask(false, true, false))
                    .get1());
        });
    }

    @Override
    public Tensor transposedConvolution(Tensor x, Tensor weight, Tensor bias, int[] stride, int[] outputPadding) {
        org.bytedeco.pytorch.Tensor value = value(x);
        org.bytedeco.pytorch.Tensor kernel = value(weight);
        org.bytedeco.pytorch.Tensor b = valueOrNull(bias);
        ShapeRules.transposedConvolution(x.shape(), weight.shape(), shapeOrNull(bias), stride, outputPadding);
        return compute(() -> torch.conv_transpose3d(
                value.contiguous(),
                kernel,
                optional(b),
                longs(stride),
                longs(NO_PADDING),
                longs(outputPadding),
                1,
                longs(1, 1, 1)));
    }

    @Override
    public Tensor resize(Tensor x, long[] size, boolean alignCorners) {
        org.bytedeco.pytorch.Tensor value = value(x);
        long[] from = x.shape();
        ShapeRules.resize(from, size);
        boolean byProducts = backend.device().type() == Device.Type.CPU
                && Arrays.stream(from).skip(2).max().orElse(0) <= LARGEST_RESIZED_BY_PRODUCT;
        return compute(() -> byProducts
                ? resizeByProducts(value, size, alignCorners)
                : torch.upsample_trilinear3d(value, size, alignCorners));
    }

    /** Resizes by a matrix along each axis: libtorch's own kernel takes several times as long, and so does its gradient. */
    private org.bytedeco.pytorch.Tensor resizeByProducts(
            org.bytedeco.pytorch.Tensor x, long[] size, boolean alignCorners) {
        // many channels stay last where they are, few would make small products
        boolean last = x.size(1) >= FEWEST_CHANNELS_LAST && Functional.isChannelsLast(x);
        org.bytedeco.pytorch.Tensor y = last ? x.permute(0, 2, 3, 4, 1) : x;
        int first = last ? 1 : 2;
        for (int axis = first; axis < first + 3; axis++) {
            long to = size[axis - first];
            if (to != y.size(axis)) {
                y = resizeByProduct(y, axis, to, alignCorners);
            }
        }
        return own(last ? y.permute(0, 4, 1, 2, 3) : y);
    }

    private org.bytedeco.pytorch.Tensor resizeByProduct(
            org.bytedeco.pytorch.Tensor x, int axis, long to, boolean alignCorners) {
        long[] shape = Functional.shape(x);
        long from = shape[axis];
        long before = Arrays.stream(shape, 0, axis).reduce(1, (a, b) -> a * b);
        long after = Arrays.stream(shape, axis + 1, shape.length).reduce(1, (a, b) -> a * b);
        org.bytedeco.pytorch.Tensor matrix = backend.copyIn(
                        Interpolation.of(from, to, alignCorners).matrix())
                .to(x.scalar_type());
        shape[axis] = to;
        return after == 1
                ? torch.matmul(x.reshape(before, from), matrix.t()).view(shape)
                : torch.bmm(matrix.unsqueeze(0).expand(before, to, from), x.reshape(before, from, after))
                        .view(shape);
    }

    @Override
    public Tensor maxPool(Tensor x, int[] kernel, int[] stride) {
        org.bytedeco.pytorch.Tensor value = value(x);
        ShapeRules.maxPool(x.shape(), kernel, stride);
        return compute(() -> torch.max_pool3d(
                value.contiguous(), longs(kernel), longs(stride), longs(NO_PADDING), longs(1, 1, 1), false));
    }

    @Override
    public Tensor layerNorm(Tensor x, Tensor weight, Tensor bias, double epsilon) {
        org.bytedeco.pytorch.Tensor value = value(x);
        org.bytedeco.pytorch.Tensor w = valueOrNull(weight);
        org.bytedeco.pytorch.Tensor b = valueOrNull(bias);
        long[] shape = ShapeRules.layerNorm(x.shape(), shapeOrNull(weight), shapeOrNull(bias));
        return full(() -> torch.layer_norm(
                value, new long[] {shape[shape.length - 1]}, optional(w), optional(b), epsilon, false));
    }

    @Override
    public Tensor batchNorm(Tensor x, BatchNormState state, double momentum, double epsilon) {
        org.bytedeco.pytorch.Tensor value = value(x);
        Functional.BatchNorm norm = new Functional.BatchNorm(
                value(state.weight()),
                value(state.bias()),
                value(state.runningMean()),
                value(state.runningVariance()),
                valueOrNull(state.batchesTracked()));
        long[] shape = ShapeRules.batchNorm(x.shape(), state, pass().training());
        if (recording.sharedBatchNorm() == null || !pass().training()) {
            return compute(() -> Functional.batchNorm(value, norm, pass().training(), momentum, epsilon));
        }
        return compute(() -> recording
                .sharedBatchNorm()
                .forward(recording, value.reshape(shape[0], shape[1], -1, 1, 1), norm, momentum, epsilon)
                .view(shape));
    }

    @Override
    public Tensor groupNorm(Tensor x, int groups, Tensor weight, Tensor bias, double epsilon) {
        org.bytedeco.pytorch.Tensor value = value(x);
        org.bytedeco.pytorch.Tensor w = valueOrNull(weight);
        org.bytedeco.pytorch.Tensor b = valueOrNull(bias);
        ShapeRules.groupNorm(x.shape(), groups, shapeOrNull(weight), shapeOrNull(bias));
        return full(() -> torch.group_norm(value.contiguous(), groups, optional(w), optional(b), epsilon, false));
    }

    @Override
    public Tensor dropout(Tensor x, double probability) {
        return dropped("dropout", x, probability, false);
    }

    @Override
    public Tensor dropPath(Tensor x, double probability) {
        return dropped("dropPath", x, probability, true);
    }

    private Tensor dropped(String name, Tensor x, double probability, boolean whole) {
        org.bytedeco.pytorch.Tensor value = value(x);
        long[] shape = ShapeRules.dropout(name, x.shape(), probability);
        if (!pass().training() || probability == 0) {
            return same(x);
        }
        if (whole) {
            Arrays.fill(shape, 1, shape.length, 1);
        }
        long call = recording.nextMask();
        return compute(() -> value.mul(Dropout.mask(backend, pass(), call, shape, value.scalar_type(), probability)));
    }
}
