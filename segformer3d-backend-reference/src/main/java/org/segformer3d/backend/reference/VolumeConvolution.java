package org.segformer3d.backend.reference;

import java.util.Arrays;

/**
 * A convolution with zero padding between an input (B,C,D,H,W) and an output (B,O,D',H',W'), and its two gradients.
 *
 * <p>Where every channel has a kernel of its own (depth-wise), lines along W are multiplied by one tap of the kernel after the other.
 * Otherwise patches of the input under several output positions are gathered and multiplied by the weight as a matrix.
 */
final class VolumeConvolution {
    private final ParallelLoops loops;
    private final int batch;
    private final int channels;
    private final int outputs;
    private final int groups;
    private final int[] input;
    private final int[] output;
    private final int[] kernel;
    private final int[] stride;
    private final int[] padding;
    /** Positions of the input and of the output, taps of the kernel. */
    private final int voxels;

    private final int positions;
    private final int taps;

    /** Shapes are checked by the caller. */
    VolumeConvolution(ParallelLoops loops, long[] x, long[] weight, long[] y, int[] stride, int[] padding, int groups) {
        this.loops = loops;
        this.batch = (int) x[0];
        this.channels = (int) x[1];
        this.outputs = (int) weight[0];
        this.groups = groups;
        this.input = space(x);
        this.output = space(y);
        this.kernel = space(weight);
        this.stride = stride.clone();
        this.padding = padding.clone();
        this.voxels = volume(input);
        this.positions = volume(output);
        this.taps = volume(kernel);
    }

    private static int[] space(long[] shape) {
        return new int[] {(int) shape[2], (int) shape[3], (int) shape[4]};
    }

    private static int volume(int[] space) {
        return Math.multiplyExact(Math.multiplyExact(space[0], space[1]), space[2]);
    }

    private int inputsPerGroup() {
        return channels / groups;
    }

    private int outputsPerGroup() {
        return outputs / groups;
    }

    private boolean isDepthwise() {
        return inputsPerGroup() == 1;
    }

    /** Elements of the input under one output position. */
    private int patch() {
        return inputsPerGroup() * taps;
    }

    /**
     * Returns the output.
     *
     * @param bias (O) or {@code null}
     */
    double[] forward(double[] x, double[] weight, double[] bias) {
        double[] y = new double[Math.multiplyExact(Math.multiplyExact(batch, outputs), positions)];
        if (isDepthwise()) {
            loops.run(batch * outputs, 1, (from, to) -> {
                for (int map = from; map < to; map++) {
                    int o = map % outputs;
                    if (bias != null) {
                        Arrays.fill(y, map * positions, (map + 1) * positions, bias[o]);
                    }
                    lines(0, output[0], inputMap(map), map * positions, (tap, xAt, yAt, count) -> {
                        double w = weight[o * taps + tap];
                        for (int i = 0; i < count; i++) {
                            y[yAt + i] += w * x[xAt + i * stride[2]];
                        }
                    });
                }
            });
            return y;
        }
        int outs = outputsPerGroup();
        double[] transposed = transposed(weight);
        int blocks = (positions + Products.ROWS - 1) / Products.ROWS;
        loops.run(batch * groups * blocks, 1, (from, to) -> {
            double[] patches = new double[Products.ROWS * patch()];
            double[] row = new double[outs];
            for (int i = from; i < to; i++) {
                int group = i / blocks % groups;
                int b = i / blocks / groups;
                int first = i % blocks * Products.ROWS;
                int count = Math.min(Products.ROWS, positions - first);
                gather(x, b, group, first, count, patches);
                for (int n = 0; n < count; n++) {
                    if (bias == null) {
                        Arrays.fill(row, 0);
                    } else {
                        System.arraycopy(bias, group * outs, row, 0, outs);
                    }
                    Products.addProduct(
                            patches, n * patch(), 1, patch(), transposed, group * patch() * outs, outs, row, 0, outs);
                    for (int o = 0; o < outs; o++) {
                        y[(b * outputs + group * outs + o) * positions + first + n] = row[o];
                    }
                }
            }
        });
        return y;
    }

    /** Returns where the input channel begins that a depth-wise output map reads. */
    private int inputMap(int map) {
        return (map / outputs * channels + map % outputs / outputsPerGroup()) * voxels;
    }

    /** Returns (groups, patch, O/groups) from (O, patch). */
    private double[] transposed(double[] weight) {
        int outs = outputsPerGroup();
        double[] result = new double[weight.length];
        for (int o = 0; o < outputs; o++) {
            for (int i = 0; i < patch(); i++) {
                result[(o / outs * patch() + i) * outs + o % outs] = weight[o * patch() + i];
            }
        }
        return result;
    }

    /** Returns the gradient with respect to the input of that with respect to the output. */
    double[] inputGradient(double[] y, double[] weight) {
        double[] x = new double[Math.multiplyExact(Math.multiplyExact(batch, channels), voxels)];
        int outs = outputsPerGroup();
        int plane = output[1] * output[2];
        loops.run(batch * channels, isDepthwise() ? 1 : 8, (from, to) -> {
            double[] sums = new double[plane];
            // plane by plane, so that what is read of y stays in the cache for all channels of this range
            for (int d = 0; d < output[0]; d++) {
                int slice = d;
                for (int map = from; map < to; map++) {
                    int c = map % channels;
                    int group = c / inputsPerGroup();
                    int firstOut = group * outs;
                    int yStart = (map / channels * outputs + firstOut) * positions + d * plane;
                    int[] summed = {-1};
                    lines(d, d + 1, map * voxels, 0, (tap, xAt, yAt, count) -> {
                        if (summed[0] != tap) {
                            summed[0] = tap;
                            Arrays.fill(sums, 0);
                            int wAt = firstOut * patch() + c % inputsPerGroup() * taps + tap;
                            Products.addProduct(weight, wAt, patch(), outs, y, yStart, positions, sums, 0, plane);
                        }
                        for (int i = 0; i < count; i++) {
                            x[xAt + i * stride[2]] += sums[yAt - slice * plane + i];
                        }
                    });
                }
            }
        });
        return x;
    }

    /** Returns the gradient with respect to the weight of that with respect to the output. */
    double[] weightGradient(double[] x, double[] y) {
        double[] weight = new double[Math.multiplyExact(outputs, patch())];
        if (isDepthwise()) {
            loops.run(outputs, 1, (from, to) -> {
                for (int o = from; o < to; o++) {
                    int own = o;
                    for (int b = 0; b < batch; b++) {
                        int map = b * outputs + o;
                        lines(0, output[0], inputMap(map), map * positions, (tap, xAt, yAt, count) -> {
                            double sum = 0;
                            for (int i = 0; i < count; i++) {
                                sum += y[yAt + i] * x[xAt + i * stride[2]];
                            }
                            weight[own * taps + tap] += sum;
                        });
                    }
                }
            });
            return weight;
        }
        int outs = outputsPerGroup();
        int blocks = (outs + Products.ROWS - 1) / Products.ROWS;
        loops.run(groups * blocks, 1, (from, to) -> {
            double[] patches = new double[Products.ROWS * patch()];
            for (int i = from; i < to; i++) {
                int group = i / blocks;
                int firstOut = group * outs + i % blocks * Products.ROWS;
                int lastOut = Math.min((group + 1) * outs, firstOut + Products.ROWS);
                for (int b = 0; b < batch; b++) {
                    for (int first = 0; first < positions; first += Products.ROWS) {
                        int count = Math.min(Products.ROWS, positions - first);
                        gather(x, b, group, first, count, patches);
                        for (int o = firstOut; o < lastOut; o++) {
                            int yAt = (b * outputs + o) * positions + first;
                            Products.addProduct(y, yAt, 1, count, patches, 0, patch(), weight, o * patch(), patch());
                        }
                    }
                }
            }
        });
        return weight;
    }

    /** What is done with a line of output positions along W and the inputs under one tap of the kernel. */
    @FunctionalInterface
    private interface Line {
        void visit(int tap, int xAt, int yAt, int count);
    }

    /** Visits all lines of some output slices of one map, tap by tap, without what lies in the padding. */
    private void lines(int fromDepth, int toDepth, int xStart, int yStart, Line line) {
        for (int tap = 0; tap < taps; tap++) {
            int kw = tap % kernel[2];
            int kh = tap / kernel[2] % kernel[1];
            int kd = tap / kernel[2] / kernel[1];
            int first = Math.max(0, (padding[2] - kw + stride[2] - 1) / stride[2]);
            // floorDiv: a tap may lie beyond the last input even for the first position
            int last = Math.min(output[2], Math.floorDiv(input[2] - 1 + padding[2] - kw, stride[2]) + 1);
            if (first >= last) {
                continue;
            }
            for (int d = fromDepth; d < toDepth; d++) {
                int sourceD = d * stride[0] - padding[0] + kd;
                for (int h = 0; h < output[1]; h++) {
                    int sourceH = h * stride[1] - padding[1] + kh;
                    if (sourceD >= 0 && sourceD < input[0] && sourceH >= 0 && sourceH < input[1]) {
                        int x = xStart + (sourceD * input[1] + sourceH) * input[2] - padding[2] + kw;
                        int y = yStart + (d * output[1] + h) * output[2];
                        line.visit(tap, x + first * stride[2], y + first, last - first);
                    }
                }
            }
        }
    }

    /** Copies the patches under some output positions, one after the other. */
    private void gather(double[] x, int b, int group, int firstPosition, int count, double[] patches) {
        int at = 0;
        for (int n = firstPosition; n < firstPosition + count; n++) {
            int left = n % output[2] * stride[2] - padding[2];
            int top = n / output[2] % output[1] * stride[1] - padding[1];
            int front = n / output[2] / output[1] * stride[0] - padding[0];
            int first = Math.max(0, -left);
            int last = Math.min(kernel[2], input[2] - left);
            for (int c = group * inputsPerGroup(); c < (group + 1) * inputsPerGroup(); c++) {
                for (int kd = 0; kd < kernel[0]; kd++) {
                    int d = front + kd;
                    for (int kh = 0; kh < kernel[1]; kh++) {
                        int h = top + kh;
                        if (first < last && d >= 0 && d < input[0] && h >= 0 && h < input[1]) {
                            int line = (((b * channels + c) * input[0] + d) * input[1] + h) * input[2];
                            Arrays.fill(patches, at, at + first, 0);
                            System.arraycopy(x, line + left + first, patches, at + first, last - first);
                            Arrays.fill(patches, at + last, at + kernel[2], 0);
                        } else {
                            Arrays.fill(patches, at, at + kernel[2], 0);
                        }
                        at += kernel[2];
                    }
                }
            }
        }
    }
}
