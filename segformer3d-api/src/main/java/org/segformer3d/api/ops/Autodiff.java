package org.segformer3d.api.ops;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.function.Function;
import java.util.stream.IntStream;
import org.segformer3d.api.tensor.HostTensor;
import org.segformer3d.api.tensor.Scope;
import org.segformer3d.api.tensor.Shapes;
import org.segformer3d.api.tensor.Tensor;

/**
 * A tape for any operations: every call is passed on, and where its result depends on a variable, a step back is written down that is
 * itself made of operations (the call's vector–Jacobian product).
 *
 * <p>A step keeps what it needs as a {@link Ops#reshape} to the same shape, which costs no copy where a backend has views, in a scope of
 * its own; so whatever the recorded code closes is freed unless a step needs it.
 */
public final class Autodiff implements Tape {
    private final Scope scope;
    private final Ops plain;
    private final Ops recording;
    /** What depends on variables; tensors are told apart by identity. */
    private final Map<Tensor, Node> nodes = new IdentityHashMap<>();

    private final List<Node> order = new ArrayList<>();
    private boolean closed;
    private boolean played;

    /**
     * Starts a tape.
     *
     * @param plain operations of the pass, not recorded; their scope isn't used
     */
    public Autodiff(Ops plain) {
        this.scope = plain.newScope();
        this.plain = plain.in(scope);
        this.recording = new Recording(this.plain);
    }

    /** Computes gradients with respect to a step's inputs; {@code null} for those that depend on no variable. */
    @FunctionalInterface
    private interface Pullback {
        Tensor[] apply(Ops ops, Tensor cotangent);
    }

    /** A variable or a result. */
    private static final class Node {
        final long[] shape;
        final Node[] inputs;
        final Scope kept;
        Pullback pullback;
        Tensor gradient;

        Node(long[] shape, Node[] inputs, Scope kept, Pullback pullback) {
            this.shape = shape;
            this.inputs = inputs;
            this.kept = kept;
            this.pullback = pullback;
        }

        void forget() {
            pullback = null;
            if (kept != null) {
                kept.close();
            }
        }
    }

    @Override
    public Ops ops() {
        requireOpen();
        return recording;
    }

    @Override
    public Tensor variable(Tensor value) {
        requireOpen();
        Tensor variable = plain.reshape(value, value.shape());
        nodes.put(variable, new Node(variable.shape(), new Node[0], null, null));
        order.add(nodes.get(variable));
        return variable;
    }

    private void requireOpen() {
        if (closed) {
            throw new IllegalStateException("the tape is closed");
        }
        if (played) {
            throw new IllegalStateException("the tape was played; what comes after needs a new one");
        }
    }

    @Override
    public List<Tensor> gradients(Scope target, Tensor output, Tensor cotangent, List<Tensor> variables) {
        requireOpen();
        Objects.requireNonNull(target, "target");
        for (Tensor variable : variables) {
            Node node = nodes.get(variable);
            if (node == null || node.inputs.length > 0 || node.pullback != null) {
                throw new IllegalArgumentException("gradients: found a tensor " + Shapes.text(variable.shape())
                        + " that is no variable of this tape");
            }
        }
        long[] shape = output.shape();
        if (cotangent == null ? Shapes.elements(shape) != 1 : !Arrays.equals(cotangent.shape(), shape)) {
            throw new IllegalArgumentException("gradients: found "
                    + (cotangent == null ? "no cotangent" : "a cotangent " + Shapes.text(cotangent.shape()))
                    + " for an output " + Shapes.text(shape) + ", expected "
                    + (cotangent == null ? "one, or an output of one element" : "equal shapes"));
        }
        Ops results = plain.in(target);
        played = true;
        try (Scope working = plain.newScope()) {
            Ops ops = plain.in(working);
            Node last = nodes.get(output);
            if (last != null) {
                last.gradient = cotangent == null ? ones(ops, shape) : ops.reshape(cotangent, shape);
                playBack(ops);
            }
            List<Tensor> gradients = new ArrayList<>();
            for (Tensor variable : variables) {
                Node node = nodes.get(variable);
                gradients.add(
                        node.gradient == null
                                ? zeros(results, node.shape)
                                : results.reshape(node.gradient, node.shape));
            }
            return gradients;
        } finally {
            forget();
        }
    }

    private void playBack(Ops ops) {
        for (int i = order.size() - 1; i >= 0; i--) {
            Node node = order.get(i);
            if (node.pullback == null) {
                continue;
            }
            if (node.gradient != null) {
                try (Scope inner = plain.newScope()) {
                    Tensor[] found = node.pullback.apply(plain.in(inner), node.gradient);
                    for (int k = 0; k < found.length; k++) {
                        if (node.inputs[k] != null && found[k] != null) {
                            collect(ops, node.inputs[k], found[k]);
                        }
                    }
                }
                node.gradient.close();
                node.gradient = null;
            }
            node.forget();
        }
    }

    private static void collect(Ops ops, Node node, Tensor gradient) {
        Tensor before = node.gradient;
        node.gradient = before == null ? ops.reshape(gradient, node.shape) : ops.add(before, gradient);
        if (before != null) {
            before.close();
        }
    }

    private static Tensor zeros(Ops ops, long... shape) {
        return constant(ops, 0, shape);
    }

    private static Tensor ones(Ops ops, long... shape) {
        return constant(ops, 1, shape);
    }

    private static Tensor constant(Ops ops, double value, long... shape) {
        return ops.part(o -> o.broadcast(o.constant(HostTensor.of(new double[] {value})), shape));
    }

    private void forget() {
        order.forEach(Node::forget);
        order.clear();
        nodes.clear();
    }

    @Override
    public void close() {
        if (!closed) {
            closed = true;
            forget();
            scope.close();
        }
    }

    /** What a step back is given while the call is recorded. */
    private static final class Step {
        private final Node[] inputs;
        private final Ops keeper;

        Step(Node[] inputs, Ops keeper) {
            this.inputs = inputs;
            this.keeper = keeper;
        }

        /** Returns whether an input depends on a variable. */
        boolean needs(int input) {
            return inputs[input] != null;
        }

        /** Keeps a tensor until the step was gone. */
        Tensor keep(Tensor x) {
            return keeper.reshape(x, x.shape());
        }

        /** Keeps a tensor that only one input's gradient needs. */
        Tensor keepFor(int input, Tensor x) {
            return needs(input) ? keep(x) : null;
        }
    }

    /** Writes down a step back from a result to the call's inputs; an input may be {@code null}. */
    private Tensor record(Tensor result, Function<Step, Pullback> pullback, Tensor... inputs) {
        requireOpen();
        Node[] from = new Node[inputs.length];
        boolean depends = false;
        for (int i = 0; i < inputs.length; i++) {
            from[i] = inputs[i] == null ? null : nodes.get(inputs[i]);
            depends |= from[i] != null;
        }
        if (!depends) {
            return result;
        }
        Scope kept = plain.newScope();
        Node node = new Node(result.shape(), from, kept, pullback.apply(new Step(from, plain.in(kept))));
        nodes.put(result, node);
        order.add(node);
        return result;
    }

    /** Writes down a call of one input. */
    private Tensor record(Tensor result, Tensor input, Function<Step, Function<Ops, Function<Tensor, Tensor>>> back) {
        return record(
                result,
                step -> {
                    Function<Ops, Function<Tensor, Tensor>> one = back.apply(step);
                    return (ops, g) -> new Tensor[] {one.apply(ops).apply(g)};
                },
                input);
    }

    /** Sums over the axes along which an argument was repeated. */
    private static Tensor sumTo(Ops ops, Tensor g, long... shape) {
        long[] found = g.shape();
        if (Arrays.equals(found, shape)) {
            return g;
        }
        int extra = found.length - shape.length;
        int[] axes = IntStream.range(0, found.length)
                .filter(k -> k < extra || shape[k - extra] == 1 && found[k] != 1)
                .toArray();
        return ops.reshape(axes.length == 0 ? g : ops.sum(g, axes), shape);
    }

    /** Returns all axes but some. */
    private static int[] axesBut(int rank, int... kept) {
        return IntStream.range(0, rank)
                .filter(k -> Arrays.stream(kept).noneMatch(axis -> axis == k))
                .toArray();
    }

    /**
     * Values x̂ = (x − μ)·ρ normalised over some axes, ρ = 1/√(σ² + ε).
     *
     * @param normal x̂
     * @param scale ρ, with size 1 along the axes
     */
    private record Normalised(Tensor normal, Tensor scale, int[] axes) {
        static Normalised of(Ops ops, Tensor x, double epsilon, int... axes) {
            Tensor centred = ops.subtract(x, ops.mean(x, axes));
            Tensor variance = ops.mean(ops.multiply(centred, centred), axes);
            Tensor scale = ops.power(ops.affine(variance, 1, epsilon), -0.5);
            return new Normalised(ops.multiply(centred, scale), scale, axes);
        }

        /** Returns the gradient with respect to x of that with respect to x̂: ρ·(g − mean g − x̂ · mean(g·x̂)). */
        Tensor back(Ops ops, Tensor g) {
            Tensor along = ops.mean(ops.multiply(g, normal), axes);
            Tensor rest = ops.subtract(ops.subtract(g, ops.mean(g, axes)), ops.multiply(normal, along));
            return ops.multiply(rest, scale);
        }
    }

    /** The operations that are written down. */
    private final class Recording implements Ops {
        private final Ops inner;

        Recording(Ops inner) {
            this.inner = inner;
        }

        @Override
        public Scope scope() {
            return inner.scope();
        }

        @Override
        public Pass pass() {
            return inner.pass();
        }

        @Override
        public Ops in(Scope other) {
            return new Recording(inner.in(other));
        }

        @Override
        public Scope newScope() {
            return inner.newScope();
        }

        @Override
        public Tensor constant(HostTensor values) {
            return inner.constant(values);
        }

        @Override
        public Tensor reshape(Tensor x, long... shape) {
            long[] before = x.shape();
            return record(inner.reshape(x, shape), x, step -> ops -> g -> ops.reshape(g, before));
        }

        @Override
        public Tensor permute(Tensor x, int... axes) {
            Tensor result = inner.permute(x, axes);
            int[] inverse = new int[axes.length];
            for (int k = 0; k < axes.length; k++) {
                inverse[axes[k]] = k;
            }
            return record(result, x, step -> ops -> g -> ops.permute(g, inverse));
        }

        @Override
        public Tensor slice(Tensor x, int axis, long from, long to) {
            Tensor result = inner.slice(x, axis, from, to);
            long after = x.shape()[axis] - to;
            return record(result, x, step -> ops -> g -> ops.pad(g, axis, from, after));
        }

        @Override
        public Tensor concat(int axis, Tensor... parts) {
            Tensor result = inner.concat(axis, parts);
            long[] sizes = Arrays.stream(parts).mapToLong(p -> p.shape()[axis]).toArray();
            return record(
                    result,
                    step -> (ops, g) -> {
                        Tensor[] found = new Tensor[sizes.length];
                        long at = 0;
                        for (int i = 0; i < sizes.length; i++) {
                            found[i] = step.needs(i) ? ops.slice(g, axis, at, at + sizes[i]) : null;
                            at += sizes[i];
                        }
                        return found;
                    },
                    parts);
        }

        @Override
        public Tensor pad(Tensor x, int axis, long before, long after) {
            Tensor result = inner.pad(x, axis, before, after);
            long size = x.shape()[axis];
            return record(result, x, step -> ops -> g -> ops.slice(g, axis, before, before + size));
        }

        @Override
        public Tensor broadcast(Tensor x, long... shape) {
            long[] before = x.shape();
            return record(inner.broadcast(x, shape), x, step -> ops -> g -> sumTo(ops, g, before));
        }

        @Override
        public Tensor gather(Tensor x, int axis, int[] indices) {
            Tensor result = inner.gather(x, axis, indices);
            int[] chosen = indices.clone();
            long size = x.shape()[axis];
            return record(result, x, step -> ops -> g -> ops.scatterAdd(g, axis, chosen, size));
        }

        @Override
        public Tensor scatterAdd(Tensor x, int axis, int[] indices, long size) {
            int[] chosen = indices.clone();
            return record(inner.scatterAdd(x, axis, indices, size), x, step -> ops -> g -> ops.gather(g, axis, chosen));
        }

        @Override
        public Tensor add(Tensor a, Tensor b) {
            long[] left = a.shape();
            long[] right = b.shape();
            return record(
                    inner.add(a, b),
                    step -> (ops, g) -> new Tensor[] {
                        step.needs(0) ? sumTo(ops, g, left) : null, step.needs(1) ? sumTo(ops, g, right) : null
                    },
                    a,
                    b);
        }

        @Override
        public Tensor subtract(Tensor a, Tensor b) {
            long[] left = a.shape();
            long[] right = b.shape();
            return record(
                    inner.subtract(a, b),
                    step -> (ops, g) -> new Tensor[] {
                        step.needs(0) ? sumTo(ops, g, left) : null,
                        step.needs(1) ? ops.affine(sumTo(ops, g, right), -1, 0) : null
                    },
                    a,
                    b);
        }

        @Override
        public Tensor multiply(Tensor a, Tensor b) {
            long[] left = a.shape();
            long[] right = b.shape();
            return record(
                    inner.multiply(a, b),
                    step -> {
                        Tensor first = step.keepFor(1, a);
                        Tensor second = step.keepFor(0, b);
                        return (ops, g) -> new Tensor[] {
                            second == null ? null : sumTo(ops, ops.multiply(g, second), left),
                            first == null ? null : sumTo(ops, ops.multiply(g, first), right)
                        };
                    },
                    a,
                    b);
        }

        @Override
        public Tensor divide(Tensor a, Tensor b) {
            long[] left = a.shape();
            long[] right = b.shape();
            Tensor result = inner.divide(a, b);
            return record(
                    result,
                    step -> {
                        Tensor divisor = step.keep(b);
                        Tensor quotient = step.keepFor(1, result);
                        return (ops, g) -> {
                            Tensor share = ops.divide(g, divisor);
                            return new Tensor[] {
                                step.needs(0) ? sumTo(ops, share, left) : null,
                                quotient == null
                                        ? null
                                        : sumTo(ops, ops.affine(ops.multiply(share, quotient), -1, 0), right)
                            };
                        };
                    },
                    a,
                    b);
        }

        @Override
        public Tensor affine(Tensor x, double factor, double summand) {
            return record(inner.affine(x, factor, summand), x, step -> ops -> g -> ops.affine(g, factor, 0));
        }

        @Override
        public Tensor power(Tensor x, double exponent) {
            return record(inner.power(x, exponent), x, step -> {
                Tensor base = step.keep(x);
                return ops -> g -> ops.multiply(g, ops.affine(ops.power(base, exponent - 1), exponent, 0));
            });
        }

        @Override
        public Tensor exp(Tensor x) {
            Tensor result = inner.exp(x);
            return record(result, x, step -> {
                Tensor y = step.keep(result);
                return ops -> g -> ops.multiply(g, y);
            });
        }

        @Override
        public Tensor log(Tensor x) {
            return record(inner.log(x), x, step -> {
                Tensor argument = step.keep(x);
                return ops -> g -> ops.divide(g, argument);
            });
        }

        @Override
        public Tensor erf(Tensor x) {
            return record(inner.erf(x), x, step -> {
                Tensor argument = step.keep(x);
                return ops -> g -> ops.multiply(g, ops.affine(bell(ops, argument, 1), 2 / Math.sqrt(Math.PI), 0));
            });
        }

        /** e^(−factor·x²). */
        private Tensor bell(Ops ops, Tensor x, double factor) {
            return ops.exp(ops.affine(ops.multiply(x, x), -factor, 0));
        }

        @Override
        public Tensor step(Tensor x) {
            // its derivative is 0, so that nothing goes back
            return inner.step(x);
        }

        @Override
        public Tensor relu(Tensor x) {
            Tensor result = inner.relu(x);
            return record(result, x, step -> {
                Tensor y = step.keep(result);
                return ops -> g -> ops.multiply(g, ops.step(y));
            });
        }

        @Override
        public Tensor sigmoid(Tensor x) {
            return record(inner.sigmoid(x), x, step -> {
                Tensor argument = step.keep(x);
                // σ(x)·σ(−x) keeps its digits where 1 − σ(x) has none
                return ops -> g ->
                        ops.multiply(g, ops.multiply(ops.sigmoid(argument), ops.sigmoid(ops.affine(argument, -1, 0))));
            });
        }

        @Override
        public Tensor logSigmoid(Tensor x) {
            return record(inner.logSigmoid(x), x, step -> {
                Tensor argument = step.keep(x);
                return ops -> g -> ops.multiply(g, ops.sigmoid(ops.affine(argument, -1, 0)));
            });
        }

        @Override
        public Tensor gelu(Tensor x) {
            return record(inner.gelu(x), x, step -> {
                Tensor argument = step.keep(x);
                return ops -> g -> {
                    Tensor phi = ops.affine(ops.erf(ops.affine(argument, Math.sqrt(0.5), 0)), 0.5, 0.5);
                    Tensor density = ops.affine(bell(ops, argument, 0.5), 1 / Math.sqrt(2 * Math.PI), 0);
                    return ops.multiply(g, ops.add(phi, ops.multiply(argument, density)));
                };
            });
        }

        @Override
        public Tensor sum(Tensor x, int... axes) {
            long[] before = x.shape();
            return record(inner.sum(x, axes), x, step -> ops -> g -> ops.broadcast(g, before));
        }

        @Override
        public Tensor max(Tensor x, int axis) {
            Tensor result = inner.max(x, axis);
            return record(result, x, step -> {
                Tensor argument = step.keep(x);
                Tensor largest = step.keep(result);
                return ops -> g -> {
                    Tensor left = null;
                    Tensor[] parts = new Tensor[(int) argument.shape()[axis]];
                    for (int i = 0; i < parts.length; i++) {
                        Tensor candidate = ops.slice(argument, axis, i, i + 1);
                        Tensor chosen = firstEqual(ops, largest, candidate, left);
                        left = taken(ops, left, chosen);
                        parts[i] = ops.multiply(g, chosen);
                    }
                    return ops.concat(axis, parts);
                };
            });
        }

        /**
         * Returns 1 where a candidate is the largest value and no earlier one was.
         *
         * @param left 1 where no earlier one was; {@code null} for everywhere
         */
        private Tensor firstEqual(Ops ops, Tensor largest, Tensor candidate, Tensor left) {
            Tensor equal = ops.affine(ops.step(ops.subtract(largest, candidate)), -1, 1);
            return left == null ? equal : ops.multiply(equal, left);
        }

        private Tensor taken(Ops ops, Tensor left, Tensor chosen) {
            return left == null ? ops.affine(chosen, -1, 1) : ops.subtract(left, chosen);
        }

        @Override
        public Tensor softmax(Tensor x, int axis) {
            Tensor result = inner.softmax(x, axis);
            return record(result, x, step -> {
                Tensor y = step.keep(result);
                return ops -> g -> {
                    Tensor product = ops.multiply(g, y);
                    return ops.subtract(product, ops.multiply(y, ops.sum(product, axis)));
                };
            });
        }

        @Override
        public Tensor logSoftmax(Tensor x, int axis) {
            Tensor result = inner.logSoftmax(x, axis);
            return record(result, x, step -> {
                Tensor y = step.keep(result);
                return ops -> g -> ops.subtract(g, ops.multiply(ops.exp(y), ops.sum(g, axis)));
            });
        }

        @Override
        public Tensor matmul(Tensor a, Tensor b, boolean transposeA, boolean transposeB) {
            long[] left = a.shape();
            long[] right = b.shape();
            return record(
                    inner.matmul(a, b, transposeA, transposeB),
                    step -> {
                        Tensor first = step.keepFor(1, a);
                        Tensor second = step.keepFor(0, b);
                        return (ops, g) -> new Tensor[] {
                            second == null
                                    ? null
                                    : sumTo(
                                            ops,
                                            transposeA
                                                    ? ops.matmul(second, g, transposeB, true)
                                                    : ops.matmul(g, second, false, !transposeB),
                                            left),
                            first == null
                                    ? null
                                    : sumTo(
                                            ops,
                                            transposeB
                                                    ? ops.matmul(g, first, true, transposeA)
                                                    : ops.matmul(first, g, !transposeA, false),
                                            right)
                        };
                    },
                    a,
                    b);
        }

        @Override
        public Tensor linear(Tensor x, Tensor weight, Tensor bias) {
            long[] before = x.shape();
            return record(
                    inner.linear(x, weight, bias),
                    step -> {
                        Tensor matrix = step.keepFor(0, weight);
                        Tensor rows = step.keepFor(1, x);
                        long in = before[before.length - 1];
                        return (ops, g) -> {
                            long out = g.shape()[before.length - 1];
                            Tensor flat = ops.reshape(g, Shapes.elements(g.shape()) / out, out);
                            return new Tensor[] {
                                matrix == null ? null : ops.reshape(ops.matmul(flat, matrix, false, false), before),
                                rows == null
                                        ? null
                                        : ops.matmul(
                                                flat, ops.reshape(rows, Shapes.elements(before) / in, in), true, false),
                                step.needs(2) ? sumTo(ops, flat, out) : null
                            };
                        };
                    },
                    x,
                    weight,
                    bias);
        }

        @Override
        public Tensor convolution(Tensor x, Tensor weight, Tensor bias, int[] stride, int[] padding, int groups) {
            long[] size = x.shape();
            long[] kernel = weight.shape();
            return record(
                    inner.convolution(x, weight, bias, stride, padding, groups),
                    step -> {
                        Tensor w = step.keepFor(0, weight);
                        Tensor input = step.keepFor(1, x);
                        return (ops, g) -> new Tensor[] {
                            w == null ? null : ops.convolutionInputGradient(g, w, space(size), stride, padding, groups),
                            input == null
                                    ? null
                                    : ops.convolutionWeightGradient(
                                            input, g, ints(space(kernel)), stride, padding, groups),
                            step.needs(2) ? ops.reshape(ops.sum(g, 0, 2, 3, 4), kernel[0]) : null
                        };
                    },
                    x,
                    weight,
                    bias);
        }

        private long[] space(long[] shape) {
            return Arrays.copyOfRange(shape, 2, 5);
        }

        private int[] ints(long[] values) {
            return Arrays.stream(values).mapToInt(Math::toIntExact).toArray();
        }

        @Override
        public Tensor convolutionInputGradient(
                Tensor y, Tensor weight, long[] inputSize, int[] stride, int[] padding, int groups) {
            long[] kernel = weight.shape();
            return record(
                    inner.convolutionInputGradient(y, weight, inputSize, stride, padding, groups),
                    step -> {
                        Tensor w = step.keepFor(0, weight);
                        Tensor gradient = step.keepFor(1, y);
                        return (ops, g) -> new Tensor[] {
                            w == null ? null : ops.convolution(g, w, null, stride, padding, groups),
                            gradient == null
                                    ? null
                                    : ops.convolutionWeightGradient(
                                            g, gradient, ints(space(kernel)), stride, padding, groups)
                        };
                    },
                    y,
                    weight);
        }

        @Override
        public Tensor convolutionWeightGradient(
                Tensor x, Tensor y, int[] kernel, int[] stride, int[] padding, int groups) {
            long[] size = x.shape();
            return record(
                    inner.convolutionWeightGradient(x, y, kernel, stride, padding, groups),
                    step -> {
                        Tensor gradient = step.keepFor(0, y);
                        Tensor input = step.keepFor(1, x);
                        return (ops, g) -> new Tensor[] {
                            gradient == null
                                    ? null
                                    : ops.convolutionInputGradient(gradient, g, space(size), stride, padding, groups),
                            input == null ? null : ops.convolution(input, g, null, stride, padding, groups)
                        };
                    },
                    x,
                    y);
        }

        @Override
        public Tensor resize(Tensor x, long[] size, boolean alignCorners) {
            long[] from = x.shape();
            long[] to = size.clone();
            return record(
                    inner.resize(x, size, alignCorners),
                    x,
                    step -> ops -> g -> {
                        // the transpose of each axis's matrix, one axis after the other
                        Tensor[] matrices = new Tensor[3];
                        for (int k = 0; k < 3; k++) {
                            matrices[k] = ops.constant(Interpolation.of(from[k + 2], to[k], alignCorners)
                                    .matrix());
                        }
                        Tensor depth = ops.matmul(
                                matrices[0], ops.reshape(g, from[0], from[1], to[0], to[1] * to[2]), true, false);
                        Tensor height = ops.matmul(
                                matrices[1], ops.reshape(depth, from[0], from[1], from[2], to[1], to[2]), true, false);
                        return ops.matmul(height, matrices[2], false, false);
                    });
        }

        @Override
        public Tensor maxPool(Tensor x, int[] kernel, int[] stride) {
            Tensor result = inner.maxPool(x, kernel, stride);
            return record(result, x, step -> {
                Tensor argument = step.keep(x);
                Tensor largest = step.keep(result);
                return ops -> g -> throughWindows(ops, argument, largest, g, kernel, stride);
            });
        }

        /** Gives each window's gradient to the first place of the window that has its maximum. */
        private Tensor throughWindows(Ops ops, Tensor x, Tensor largest, Tensor g, int[] kernel, int[] stride) {
            long[] shape = x.shape();
            long[] windows = largest.shape();
            Tensor left = null;
            Tensor total = null;
            for (int place = 0; place < kernel[0] * kernel[1] * kernel[2]; place++) {
                int[] offset = {place / kernel[2] / kernel[1], place / kernel[2] % kernel[1], place % kernel[2]};
                int[][] indices = new int[3][];
                Tensor candidate = x;
                for (int k = 0; k < 3; k++) {
                    int start = offset[k];
                    int step = stride[k];
                    indices[k] = IntStream.range(0, (int) windows[k + 2])
                            .map(i -> i * step + start)
                            .toArray();
                    candidate = ops.gather(candidate, k + 2, indices[k]);
                }
                Tensor chosen = firstEqual(ops, largest, candidate, left);
                left = taken(ops, left, chosen);
                Tensor spread = ops.multiply(g, chosen);
                for (int k = 0; k < 3; k++) {
                    spread = ops.scatterAdd(spread, k + 2, indices[k], shape[k + 2]);
                }
                total = total == null ? spread : ops.add(total, spread);
            }
            return total;
        }

        @Override
        public Tensor layerNorm(Tensor x, Tensor weight, Tensor bias, double epsilon) {
            long[] shape = x.shape();
            int last = shape.length - 1;
            return record(
                    inner.layerNorm(x, weight, bias, epsilon),
                    step -> {
                        Tensor argument = step.keep(x);
                        Tensor factor = weight == null ? null : step.keep(weight);
                        return (ops, g) -> {
                            Normalised normalised = Normalised.of(ops, argument, epsilon, last);
                            return new Tensor[] {
                                step.needs(0)
                                        ? normalised.back(ops, factor == null ? g : ops.multiply(g, factor))
                                        : null,
                                step.needs(1) ? sumTo(ops, ops.multiply(g, normalised.normal()), shape[last]) : null,
                                step.needs(2) ? sumTo(ops, g, shape[last]) : null
                            };
                        };
                    },
                    x,
                    weight,
                    bias);
        }

        @Override
        public Tensor batchNorm(Tensor x, BatchNormState state, double momentum, double epsilon) {
            Tensor weight = state.weight();
            boolean training = pass().training();
            int rank = x.shape().length;
            int[] axes = axesBut(rank, 1);
            return record(
                    inner.batchNorm(x, state, momentum, epsilon),
                    step -> {
                        Tensor argument = step.keep(x);
                        Tensor factor = step.keep(weight);
                        Tensor mean = training ? null : step.keep(state.runningMean());
                        Tensor variance = training ? null : step.keep(state.runningVariance());
                        return (ops, g) -> {
                            Tensor scaled = ops.multiply(g, channels(ops, factor, rank));
                            Normalised normalised = training
                                    ? Normalised.of(ops, argument, epsilon, axes)
                                    : running(ops, argument, mean, variance, epsilon);
                            Tensor back = !step.needs(0)
                                    ? null
                                    : training
                                            ? normalised.back(ops, scaled)
                                            : ops.multiply(scaled, normalised.scale());
                            return new Tensor[] {back, scale(ops, step, g, normalised), shift(ops, step, g)};
                        };
                    },
                    x,
                    weight,
                    state.bias());
        }

        private Normalised running(Ops ops, Tensor x, Tensor mean, Tensor variance, double epsilon) {
            int rank = x.shape().length;
            Tensor scale = ops.power(ops.affine(channels(ops, variance, rank), 1, epsilon), -0.5);
            Tensor normal = ops.multiply(ops.subtract(x, channels(ops, mean, rank)), scale);
            return new Normalised(normal, scale, new int[0]);
        }

        /** (C) as (1,C,1,…). */
        private Tensor channels(Ops ops, Tensor vector, int rank) {
            long[] shape = new long[rank];
            Arrays.fill(shape, 1);
            shape[1] = vector.shape()[0];
            return ops.reshape(vector, shape);
        }

        /** The gradient with respect to a norm's γ, its second input. */
        private Tensor scale(Ops ops, Step step, Tensor g, Normalised normalised) {
            long[] shape = g.shape();
            return step.needs(1) ? perChannel(ops, ops.multiply(g, ops.reshape(normalised.normal(), shape))) : null;
        }

        /** The gradient with respect to a norm's β, its third input. */
        private Tensor shift(Ops ops, Step step, Tensor g) {
            return step.needs(2) ? perChannel(ops, g) : null;
        }

        private Tensor perChannel(Ops ops, Tensor x) {
            return ops.reshape(ops.sum(x, axesBut(x.shape().length, 1)), x.shape()[1]);
        }

        @Override
        public Tensor groupNorm(Tensor x, int groups, Tensor weight, Tensor bias, double epsilon) {
            long[] shape = x.shape();
            return record(
                    inner.groupNorm(x, groups, weight, bias, epsilon),
                    step -> {
                        Tensor argument = step.keep(x);
                        Tensor factor = weight == null ? null : step.keep(weight);
                        long[] grouped = {shape[0], groups, Shapes.elements(shape) / shape[0] / groups};
                        return (ops, g) -> {
                            Normalised normalised = Normalised.of(ops, ops.reshape(argument, grouped), epsilon, 2);
                            Tensor scaled = factor == null ? g : ops.multiply(g, channels(ops, factor, shape.length));
                            return new Tensor[] {
                                step.needs(0)
                                        ? ops.reshape(normalised.back(ops, ops.reshape(scaled, grouped)), shape)
                                        : null,
                                scale(ops, step, g, normalised),
                                shift(ops, step, g)
                            };
                        };
                    },
                    x,
                    weight,
                    bias);
        }

        @Override
        public Tensor dropout(Tensor x, double probability) {
            long[] shape = ShapeRules.dropout("dropout", x.shape(), probability);
            return dropped(x, probability, ones -> inner.dropout(ones, probability), shape);
        }

        @Override
        public Tensor dropPath(Tensor x, double probability) {
            long[] shape = ShapeRules.dropout("dropPath", x.shape(), probability);
            Arrays.fill(shape, 1, shape.length, 1);
            return dropped(x, probability, ones -> inner.dropPath(ones, probability), shape);
        }

        /** Multiplies by what becomes of ones: the mask, by which the gradient is multiplied as well. */
        private Tensor dropped(Tensor x, double probability, Function<Tensor, Tensor> drop, long[] shape) {
            if (!pass().training() || probability == 0) {
                return reshape(x, x.shape());
            }
            try (Scope masks = newScope()) {
                Tensor mask = drop.apply(ones(inner.in(masks), shape)).moveTo(masks);
                return multiply(x, mask);
            }
        }
    }
}
