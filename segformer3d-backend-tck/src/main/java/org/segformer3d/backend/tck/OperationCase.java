package org.segformer3d.backend.tck;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.segformer3d.api.backend.Backend;
import org.segformer3d.api.block.Mode;
import org.segformer3d.api.ops.BatchNormState;
import org.segformer3d.api.ops.Ops;
import org.segformer3d.api.ops.Pass;
import org.segformer3d.api.tensor.HostTensor;
import org.segformer3d.api.tensor.Scope;
import org.segformer3d.api.tensor.Tensor;

/**
 * One call of an operation.
 *
 * @param name what is called and how
 * @param pass in which pass
 * @param inputs tensors that are given; gradients are asked for with respect to the first {@code variables} of them
 * @param call the call
 */
record OperationCase(String name, Pass pass, List<HostTensor> inputs, int variables, Call call) {
    static final Pass TRAINING = new Pass(Mode.TRAINING, 7, 3);

    /** A call on tensors that were given. */
    @FunctionalInterface
    interface Call {
        Tensor on(Ops ops, Tensor... x);
    }

    private static OperationCase of(String name, Call call, HostTensor... inputs) {
        return new OperationCase(name, Pass.INFERENCE, List.of(inputs), inputs.length, call);
    }

    private static OperationCase training(String name, Call call, HostTensor... inputs) {
        return new OperationCase(name, TRAINING, List.of(inputs), inputs.length, call);
    }

    private OperationCase withVariables(int count) {
        return new OperationCase(name, pass, inputs, count, call);
    }

    /** Returns this case with other values of its inputs. */
    OperationCase with(List<HostTensor> others) {
        return new OperationCase(name, pass, others, variables, call);
    }

    /** Computes on a backend. */
    HostTensor run(Backend backend) {
        try (Scope scope = backend.newScope()) {
            Tensor[] x = inputs.stream().map(scope::tensor).toArray(Tensor[]::new);
            return call.on(backend.ops(scope, pass), x).toHost();
        }
    }

    @Override
    public String toString() {
        return name + " of " + inputs.stream().map(HostTensor::toString).toList();
    }

    /** Returns values between 0.5 and about 3. */
    private static HostTensor positive(Samples samples, long... shape) {
        float[] values = samples.normal(shape).toFloats();
        for (int i = 0; i < values.length; i++) {
            values[i] = 0.5f + Math.abs(values[i]);
        }
        return HostTensor.of(values, shape);
    }

    private static int[] axes(int... values) {
        return values;
    }

    /** Returns calls of every operation, the ones that are made of others among them. */
    static List<OperationCase> all() {
        List<OperationCase> cases = new ArrayList<>();
        cases.addAll(moving(new Samples(61)));
        cases.addAll(elementwise(new Samples(62)));
        cases.addAll(reductions(new Samples(63)));
        cases.addAll(products(new Samples(64)));
        cases.addAll(convolutions(new Samples(65)));
        cases.addAll(resampling(new Samples(66)));
        cases.addAll(norms(new Samples(67)));
        cases.addAll(random(new Samples(68)));
        return cases;
    }

    private static List<OperationCase> moving(Samples s) {
        return List.of(
                of("reshape", (o, x) -> o.reshape(x[0], 4, 6), s.normal(2, 3, 4)),
                of("reshape to rank 0", (o, x) -> o.reshape(x[0]), s.normal(1, 1)),
                of("permute", (o, x) -> o.permute(x[0], 2, 0, 3, 1), s.normal(2, 3, 4, 5)),
                of("permute of six axes", (o, x) -> o.permute(x[0], 0, 3, 1, 5, 2, 4), s.normal(2, 3, 2, 3, 2, 4)),
                of("slice in front", (o, x) -> o.slice(x[0], 0, 1, 2), s.normal(3, 4)),
                of("slice within", (o, x) -> o.slice(x[0], 1, 1, 4), s.normal(2, 5, 3)),
                of("slice at the end", (o, x) -> o.slice(x[0], 2, 2, 3), s.normal(2, 5, 3)),
                of("concat", (o, x) -> o.concat(1, x), s.normal(2, 3, 2), s.normal(2, 1, 2), s.normal(2, 4, 2)),
                of("concat of one", (o, x) -> o.concat(0, x), s.normal(2, 3)),
                of("concat of itself", (o, x) -> o.concat(0, x[0], x[0]), s.normal(2, 3)),
                of("pad", (o, x) -> o.pad(x[0], 1, 2, 1), s.normal(2, 3, 4)),
                of("pad by nothing", (o, x) -> o.pad(x[0], 2, 0, 0), s.normal(2, 3, 4)),
                of("broadcast", (o, x) -> o.broadcast(x[0], 2, 3, 4, 2), s.normal(3, 1, 2)),
                of("broadcast of rank 0", (o, x) -> o.broadcast(x[0], 2, 2), s.normal()),
                of("gather", (o, x) -> o.gather(x[0], 1, axes(4, 0, 0, 2)), s.normal(2, 5, 3)),
                of("gather along the last axis", (o, x) -> o.gather(x[0], 1, axes(1, 1, 0)), s.normal(4, 2)),
                of("scatterAdd", (o, x) -> o.scatterAdd(x[0], 0, axes(2, 0, 2), 4), s.normal(3, 2, 2)),
                of(
                        "scatterAdd along the last axis",
                        (o, x) -> o.scatterAdd(x[0], 1, axes(1, 1, 0), 3),
                        s.normal(4, 3)));
    }

    private static List<OperationCase> elementwise(Samples s) {
        HostTensor some = s.normal(3, 4, 5);
        return List.of(
                of("add", (o, x) -> o.add(x[0], x[1]), some, s.normal(3, 4, 5)),
                of("add broadcast", (o, x) -> o.add(x[0], x[1]), s.normal(4, 1, 3), s.normal(2, 1)),
                of("add to itself", (o, x) -> o.add(x[0], x[0]), some),
                of("subtract", (o, x) -> o.subtract(x[0], x[1]), s.normal(2, 3, 4), s.normal(3, 1)),
                of("subtract a scalar", (o, x) -> o.subtract(x[0], x[1]), s.normal(2, 3), s.normal()),
                of("multiply", (o, x) -> o.multiply(x[0], x[1]), s.normal(2, 1, 4), s.normal(1, 3, 1)),
                of("multiply by itself", (o, x) -> o.multiply(x[0], x[0]), some),
                of("divide", (o, x) -> o.divide(x[0], x[1]), s.normal(2, 3, 4), positive(s, 3, 1)),
                of("affine", (o, x) -> o.affine(x[0], -1.5, 0.25), some),
                of("power 2", (o, x) -> o.power(x[0], 2), some),
                of("power -0.5", (o, x) -> o.power(x[0], -0.5), positive(s, 3, 4)),
                of("exp", (o, x) -> o.exp(x[0]), some),
                of("log", (o, x) -> o.log(x[0]), positive(s, 3, 4)),
                of("erf", (o, x) -> o.erf(x[0]), some),
                of("step", (o, x) -> o.step(x[0]), some),
                of("relu", (o, x) -> o.relu(x[0]), some),
                of("leakyRelu", (o, x) -> o.leakyRelu(x[0], 0.1), some),
                of("sigmoid", (o, x) -> o.sigmoid(x[0]), some),
                of("logSigmoid", (o, x) -> o.logSigmoid(x[0]), some),
                of("gelu", (o, x) -> o.gelu(x[0]), some));
    }

    private static List<OperationCase> reductions(Samples s) {
        HostTensor some = s.normal(3, 4, 5, 2);
        return List.of(
                of("sum of the last axis", (o, x) -> o.sum(x[0], 3), some),
                of("sum of the first axis", (o, x) -> o.sum(x[0], 0), some),
                of("sum of two axes", (o, x) -> o.sum(x[0], 2, 0), some),
                of("sum of all axes", (o, x) -> o.sum(x[0], 0, 1, 2, 3), some),
                of("mean", (o, x) -> o.mean(x[0], 1, 3), some),
                of("max", (o, x) -> o.max(x[0], 1), some),
                of("max of the last axis", (o, x) -> o.max(x[0], 3), some),
                of("softmax", (o, x) -> o.softmax(x[0], 1), some),
                of("softmax of the last axis", (o, x) -> o.softmax(x[0], 3), some),
                of("logSoftmax", (o, x) -> o.logSoftmax(x[0], 2), some));
    }

    private static List<OperationCase> products(Samples s) {
        List<OperationCase> cases = new ArrayList<>();
        for (boolean a : new boolean[] {false, true}) {
            for (boolean b : new boolean[] {false, true}) {
                HostTensor left = a ? s.normal(2, 1, 4, 3) : s.normal(2, 1, 3, 4);
                HostTensor right = b ? s.normal(3, 5, 4) : s.normal(3, 4, 5);
                cases.add(of("matmul " + a + " " + b, (o, x) -> o.matmul(x[0], x[1], a, b), left, right));
            }
        }
        cases.add(of(
                "matmul of a stack by one",
                (o, x) -> o.matmul(x[0], x[1], false, true),
                s.normal(2, 40, 3),
                s.normal(5, 3)));
        cases.add(of(
                "matmul of one by a stack",
                (o, x) -> o.matmul(x[0], x[1], true, false),
                s.normal(3, 40),
                s.normal(2, 3, 5)));
        cases.add(of("linear", (o, x) -> o.linear(x[0], x[1], x[2]), s.normal(2, 3, 4), s.normal(5, 4), s.normal(5)));
        cases.add(of("linear without bias", (o, x) -> o.linear(x[0], x[1], null), s.normal(7, 4), s.normal(5, 4)));
        cases.add(of(
                "attention",
                (o, x) -> o.attention(x[0], x[1], x[2], 0.5, null, 0),
                s.normal(2, 3, 7, 4),
                s.normal(2, 3, 5, 4),
                s.normal(2, 3, 5, 6)));
        cases.add(of(
                "attention with bias",
                (o, x) -> o.attention(x[0], x[1], x[2], 0.5, x[3], 0.4),
                s.normal(2, 3, 4, 4),
                s.normal(2, 3, 5, 4),
                s.normal(2, 3, 5, 4),
                s.normal(3, 4, 5)));
        cases.add(training(
                "attention with dropout",
                (o, x) -> o.attention(x[0], x[1], x[2], 0.5, null, 0.4),
                s.normal(2, 3, 4, 4),
                s.normal(2, 3, 5, 4),
                s.normal(2, 3, 5, 4)));
        return cases;
    }

    private static List<OperationCase> convolutions(Samples s) {
        List<OperationCase> cases = new ArrayList<>();
        // B, C, O, groups, D, H, W, kD, kH, kW, stride, padding
        int[][] forms = {
            {2, 3, 4, 1, 5, 6, 7, 3, 3, 3, 1, 1, 1, 1, 1, 1},
            {1, 2, 5, 1, 9, 8, 11, 7, 7, 7, 4, 4, 4, 3, 3, 3},
            {2, 4, 4, 4, 4, 5, 3, 3, 3, 3, 1, 1, 1, 1, 1, 1},
            {1, 3, 6, 3, 5, 4, 6, 3, 1, 2, 2, 1, 2, 1, 0, 1},
            {1, 6, 4, 2, 5, 4, 6, 2, 3, 1, 1, 2, 3, 0, 1, 2},
            {2, 5, 3, 1, 2, 3, 4, 1, 1, 1, 1, 1, 1, 0, 0, 0},
            {1, 2, 3, 1, 5, 7, 4, 2, 3, 2, 2, 3, 2, 0, 0, 0},
            {1, 2, 2, 1, 1, 3, 9, 1, 3, 5, 1, 1, 2, 0, 1, 2}
        };
        for (int[] f : forms) {
            int[] stride = Arrays.copyOfRange(f, 10, 13);
            int[] padding = Arrays.copyOfRange(f, 13, 16);
            int groups = f[3];
            HostTensor x = s.normal(f[0], f[1], f[4], f[5], f[6]);
            HostTensor w = s.normal(f[2], f[1] / groups, f[7], f[8], f[9]);
            long[] out = new long[3];
            for (int k = 0; k < 3; k++) {
                out[k] = (f[4 + k] + 2 * padding[k] - f[7 + k]) / stride[k] + 1;
            }
            HostTensor y = s.normal(f[0], f[2], out[0], out[1], out[2]);
            int[] kernel = Arrays.copyOfRange(f, 7, 10);
            long[] size = {f[4], f[5], f[6]};
            String name = " " + Arrays.toString(f);
            cases.add(of(
                    "convolution" + name,
                    (o, v) -> o.convolution(v[0], v[1], v[2], stride, padding, groups),
                    x,
                    w,
                    s.normal(f[2])));
            cases.add(of(
                    "convolutionInputGradient" + name,
                    (o, v) -> o.convolutionInputGradient(v[0], v[1], size, stride, padding, groups),
                    y,
                    w));
            cases.add(of(
                    "convolutionWeightGradient" + name,
                    (o, v) -> o.convolutionWeightGradient(v[0], v[1], kernel, stride, padding, groups),
                    x,
                    y));
        }
        cases.add(of(
                "convolution without bias",
                (o, v) -> o.convolution(v[0], v[1], null, axes(1, 1, 1), axes(0, 0, 0), 1),
                s.normal(1, 2, 3, 3, 3),
                s.normal(2, 2, 2, 2, 2)));
        cases.add(of(
                "transposedConvolution",
                (o, v) -> o.transposedConvolution(v[0], v[1], v[2], axes(2, 2, 2), axes(0, 0, 0)),
                s.normal(2, 3, 2, 3, 2),
                s.normal(3, 4, 2, 2, 2),
                s.normal(4)));
        cases.add(of(
                "transposedConvolution that overlaps and is padded",
                (o, v) -> o.transposedConvolution(v[0], v[1], null, axes(1, 2, 2), axes(0, 1, 0)),
                s.normal(1, 2, 2, 3, 2),
                s.normal(2, 3, 1, 3, 3)));
        return cases;
    }

    private static List<OperationCase> resampling(Samples s) {
        List<OperationCase> cases = new ArrayList<>();
        long[][] sizes = {{4, 6, 10}, {2, 3, 5}, {1, 7, 2}, {5, 4, 3}};
        for (long[] size : sizes) {
            for (boolean corners : new boolean[] {false, true}) {
                cases.add(of(
                        "resize to " + Arrays.toString(size) + (corners ? " keeping corners" : ""),
                        (o, x) -> o.resize(x[0], size, corners),
                        s.normal(2, 2, 2, 3, 5)));
            }
        }
        cases.add(of("maxPool", (o, x) -> o.maxPool(x[0], axes(2, 2, 2), axes(2, 2, 2)), s.normal(2, 2, 4, 5, 6)));
        cases.add(of(
                "maxPool of windows that overlap",
                (o, x) -> o.maxPool(x[0], axes(1, 3, 2), axes(1, 2, 1)),
                s.normal(1, 2, 2, 5, 4)));
        return cases;
    }

    private static List<OperationCase> norms(Samples s) {
        HostTensor map = s.normal(3, 4, 2, 3, 2);
        OperationCase.Call batch =
                (o, x) -> o.batchNorm(x[0], new BatchNormState(x[1], x[2], x[3], x[4], null), 0.1, 1e-5);
        HostTensor[] state = {map, s.normal(4), s.normal(4), s.normal(4), positive(s, 4)};
        return List.of(
                of(
                        "layerNorm",
                        (o, x) -> o.layerNorm(x[0], x[1], x[2], 1e-5),
                        s.normal(2, 3, 8),
                        s.normal(8),
                        s.normal(8)),
                of("layerNorm without scale and shift", (o, x) -> o.layerNorm(x[0], null, null, 1e-2), s.normal(5, 8)),
                of("batchNorm in inference", batch, state).withVariables(3),
                training("batchNorm in training", batch, state).withVariables(3),
                of("groupNorm", (o, x) -> o.groupNorm(x[0], 2, x[1], x[2], 1e-5), map, s.normal(4), s.normal(4)),
                of("instanceNorm", (o, x) -> o.groupNorm(x[0], 4, x[1], x[2], 1e-5), map, s.normal(4), s.normal(4)),
                of("groupNorm without scale and shift", (o, x) -> o.groupNorm(x[0], 1, null, null, 1e-2), map));
    }

    private static List<OperationCase> random(Samples s) {
        return List.of(
                of("dropout in inference", (o, x) -> o.dropout(x[0], 0.5), s.normal(2, 3)),
                training("dropout", (o, x) -> o.dropout(x[0], 0.3), s.normal(4, 3, 5)),
                training(
                        "dropout that is the second of its pass",
                        (o, x) -> o.dropout(o.dropout(x[0], 0.3), 0.2),
                        s.normal(4, 50)),
                training("dropPath", (o, x) -> o.dropPath(x[0], 0.4), s.normal(9, 2, 3)));
    }
}
