package org.segformer3d.api.record;

import java.util.ArrayList;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import org.segformer3d.api.block.BlockParameters;
import org.segformer3d.api.block.Grid;
import org.segformer3d.api.block.ParameterSpec;
import org.segformer3d.api.config.ConfigException;
import org.segformer3d.api.network.InputRule;
import org.segformer3d.api.network.Network;
import org.segformer3d.api.ops.Ops;
import org.segformer3d.api.tensor.Tensor;

/**
 * What a network computes in evaluation mode, as a list of steps.
 *
 * <p>The network runs on shapes alone, once for each of several inputs with unusual sizes. A whole number in a step that comes out alike every time is a
 * constant; another one is explained by the size of something computed before. So nothing has to be written for a network or a layer to
 * be recorded for inputs of any size. Where a number has no explanation (windows that are cut otherwise at another size, say), or steps differ,
 * the recording holds for one size, which must then be named.
 *
 * @param parameters number of the value of each entry of the state dict, by name; value 0 is the input
 * @param steps in the order of computation
 * @param outputs numbers of the results
 * @param shapes an example of each value's shape
 * @param fixed the only spatial size of an input that this holds for; empty where it holds for all
 */
public record Recording(
        Map<String, Integer> parameters,
        List<Step> steps,
        List<Integer> outputs,
        List<long[]> shapes,
        Optional<Grid> fixed) {
    /** Number of the value that is the network's input. */
    public static final int INPUT = 0;

    /** Distinct primes, so that sizes and their products are told apart. */
    private static final long[][] EXAMPLES = {{2, 101, 139, 181}, {3, 211, 167, 263}, {5, 149, 227, 113}};

    /** Where an input is so small that more than the next multiple is missing. */
    private static final long[] SMALL = {7, 1, 2, 3};

    private static final int LARGEST_DENOMINATOR = 64;
    private static final int LARGEST_MULTIPLE = 256;

    /** What is recorded. */
    public interface Body {
        /** Computes with the network. */
        List<Tensor> run(Ops ops, BlockParameters parameters, Tensor input);
    }

    /**
     * Records the finest logits of a network.
     *
     * @param size the spatial size to record for where the network can't be recorded for all, or empty
     * @throws ConfigException when it can't, and no size is given
     */
    public static Recording of(Network network, Optional<Grid> size) {
        return of(
                network,
                (ops, parameters, input) ->
                        network.forward(ops, parameters, input).subList(0, 1),
                size);
    }

    /**
     * Records something that is computed with a network.
     *
     * @param body for example {@code network::encode}
     * @param size the spatial size to record for where the network can't be recorded for all, or empty
     * @throws ConfigException when it can't, and no size is given
     */
    public static Recording of(Network network, Body body, Optional<Grid> size) {
        InputRule rule = network.inputRule();
        Optional<Grid> only = rule.exact().or(() -> size);
        if (network.hasSameStepsForAllSizes()) {
            Optional<Recording> general = general(network, body, rule);
            if (general.isPresent()) {
                return general.get();
            }
        }
        Grid grid = only.orElseThrow(
                () -> new ConfigException(
                        network.architecture()
                                + ": what it computes depends on the size of its input in ways that can't be written down for all sizes; name one"));
        rule.check(network.architecture(), grid);
        // Two batches, so that at least their size may vary.
        List<Trace> traces = new ArrayList<>();
        for (long batch : new long[] {2, 3}) {
            traces.add(Trace.of(
                    network, body, new long[] {batch, network.inChannels(), grid.depth(), grid.height(), grid.width()
                    }));
        }
        return unify(traces, Optional.of(grid)).orElseThrow();
    }

    private static Optional<Recording> general(Network network, Body body, InputRule rule) {
        List<Trace> traces = new ArrayList<>();
        for (long[] example : EXAMPLES) {
            long[] shape = {example[0], network.inChannels(), 0, 0, 0};
            for (int axis = 0; axis < 3; axis++) {
                shape[axis + 2] = example[axis + 1] * rule.multiple().get(axis);
            }
            traces.add(Trace.of(network, body, shape));
        }
        long[] small = {SMALL[0], network.inChannels(), SMALL[1], SMALL[2], SMALL[3]};
        if (rule.accepts(new Grid((int) small[2], (int) small[3], (int) small[4]))) {
            Trace least = Trace.of(network, body, small);
            if (least.fits(traces.get(0))) {
                traces.add(least);
            }
        }
        return unify(traces, Optional.empty());
    }

    /** A network run on shapes. */
    private record Trace(Tracer tracer, Map<String, Integer> parameters, List<Integer> outputs) {
        static Trace of(Network network, Body body, long[] shape) {
            Tracer tracer = new Tracer();
            Tensor input = tracer.given(shape);
            Map<String, Integer> numbers = new LinkedHashMap<>();
            Map<String, Tensor> tensors = new LinkedHashMap<>();
            for (ParameterSpec spec : network.parameters()) {
                Tensor tensor = tracer.given(spec.dims());
                numbers.put(spec.name(), tracer.number(tensor));
                tensors.put(spec.name(), tensor);
            }
            List<Integer> outputs = body.run(tracer, new BlockParameters(tensors, ""), input).stream()
                    .map(tracer::number)
                    .toList();
            return new Trace(tracer, numbers, outputs);
        }

        /** Returns whether the same operations were called on the same values. */
        boolean fits(Trace other) {
            List<Tracer.Call> mine = tracer.calls();
            List<Tracer.Call> others = other.tracer.calls();
            if (mine.size() != others.size() || !outputs.equals(other.outputs)) {
                return false;
            }
            for (int i = 0; i < mine.size(); i++) {
                Tracer.Call a = mine.get(i);
                Tracer.Call b = others.get(i);
                if (!a.operation().equals(b.operation())
                        || !a.inputs().equals(b.inputs())
                        || a.sizes().length != b.sizes().length
                        || !a.numbers().equals(b.numbers())
                        || !a.indices().equals(b.indices())
                        || !Objects.equals(a.constant(), b.constant())) {
                    return false;
                }
            }
            return true;
        }
    }

    private static Optional<Recording> unify(List<Trace> traces, Optional<Grid> fixed) {
        Trace first = traces.get(0);
        for (Trace trace : traces) {
            if (!trace.fits(first)) {
                return Optional.empty();
            }
        }
        List<Step> steps = new ArrayList<>();
        int given = 1 + first.parameters().size();
        for (int i = 0; i < first.tracer().calls().size(); i++) {
            Tracer.Call call = first.tracer().calls().get(i);
            int output = given + i;
            Optional<List<Size>> sizes = sizes(traces, i, output);
            if (sizes.isEmpty()) {
                return Optional.empty();
            }
            steps.add(new Step(
                    call.operation(),
                    call.inputs(),
                    sizes.get(),
                    call.numbers(),
                    call.indices(),
                    call.constant(),
                    output));
        }
        List<long[]> shapes = new ArrayList<>();
        for (int value = 0; value < first.tracer().values(); value++) {
            shapes.add(first.tracer().shape(value));
        }
        return Optional.of(new Recording(
                first.parameters(), needed(steps, first.outputs()), first.outputs(), List.copyOf(shapes), fixed));
    }

    /** Leaves out steps that no output depends on, such as heads that only training uses. */
    private static List<Step> needed(List<Step> steps, List<Integer> outputs) {
        Set<Integer> used = new HashSet<>(outputs);
        List<Step> needed = new ArrayList<>();
        for (int i = steps.size() - 1; i >= 0; i--) {
            Step step = steps.get(i);
            if (!used.contains(step.output())) {
                continue;
            }
            needed.add(0, step);
            used.addAll(step.inputs());
            for (Size size : step.sizes()) {
                if (size instanceof Size.OfAxis axis) {
                    used.add(axis.value());
                } else if (size instanceof Size.Missing missing) {
                    used.add(missing.value());
                }
            }
        }
        return List.copyOf(needed);
    }

    /** Explains the whole numbers of one call; empty where one has no explanation. */
    private static Optional<List<Size>> sizes(List<Trace> traces, int call, int output) {
        Tracer.Call one = traces.get(0).tracer().calls().get(call);
        List<Size> sizes = new ArrayList<>();
        int unexplained = -1;
        for (int n = 0; n < one.sizes().length; n++) {
            Size size = explain(traces, call, n, output);
            if (size == null) {
                if (!one.operation().equals("reshape") || unexplained >= 0) {
                    return Optional.empty();
                }
                unexplained = n;
                size = new Size.Rest();
            }
            sizes.add(size);
        }
        return Optional.of(sizes);
    }

    private static Size explain(List<Trace> traces, int call, int number, int output) {
        long[] found = new long[traces.size()];
        boolean constant = true;
        for (int t = 0; t < found.length; t++) {
            found[t] = traces.get(t).tracer().calls().get(call).sizes()[number];
            constant &= found[t] == found[0];
        }
        if (constant) {
            return new Size.Constant(found[0]);
        }
        Tracer.Call one = traces.get(0).tracer().calls().get(call);
        if (one.operation().equals("pad")) {
            return missing(traces, found, one.inputs().get(0), (int) one.sizes()[0]);
        }
        // What the operation works on explains its numbers more plainly than what was computed long before.
        for (int value = output - 1; value >= 0; value--) {
            Size size = axis(traces, found, value);
            if (size != null) {
                return size;
            }
        }
        return null;
    }

    private static Size axis(List<Trace> traces, long[] found, int value) {
        int rank = traces.get(0).tracer().shape(value).length;
        for (int axis = 0; axis < rank; axis++) {
            long size = traces.get(0).tracer().shape(value)[axis];
            if (size < 1 || found[0] < 1) {
                continue;
            }
            long divisor = gcd(found[0], size);
            long numerator = found[0] / divisor;
            long denominator = size / divisor;
            if (numerator > LARGEST_DENOMINATOR || denominator > LARGEST_DENOMINATOR) {
                continue;
            }
            boolean fits = true;
            boolean varies = false;
            for (int t = 0; t < found.length; t++) {
                long other = traces.get(t).tracer().shape(value)[axis];
                fits &= found[t] * denominator == other * numerator;
                varies |= other != size;
            }
            if (fits && varies) {
                return new Size.OfAxis(value, axis, numerator, denominator);
            }
        }
        return null;
    }

    private static Size missing(List<Trace> traces, long[] found, int value, int axis) {
        for (long multiple = 1; multiple <= LARGEST_MULTIPLE; multiple++) {
            long least = 0;
            for (int t = 0; t < found.length; t++) {
                long size = traces.get(t).tracer().shape(value)[axis];
                long target = size + found[t];
                if (target > (size + multiple - 1) / multiple * multiple) {
                    least = Math.max(least, target);
                }
            }
            boolean fits = true;
            for (int t = 0; t < found.length; t++) {
                long size = traces.get(t).tracer().shape(value)[axis];
                fits &= size + found[t] == Math.max((size + multiple - 1) / multiple * multiple, least);
            }
            if (fits) {
                return new Size.Missing(value, axis, multiple, least);
            }
        }
        return null;
    }

    private static long gcd(long a, long b) {
        return b == 0 ? a : gcd(b, a % b);
    }
}
