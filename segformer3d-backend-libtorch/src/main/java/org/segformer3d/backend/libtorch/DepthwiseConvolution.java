package org.segformer3d.backend.libtorch;

import java.util.List;
import org.bytedeco.pytorch.T_TensorTensorTensor_T;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorOptional;
import org.bytedeco.pytorch.global.torch;
import org.segformer3d.api.block.Grid;

/**
 * The depth-wise 3³ convolution of channels-last tokens and its gradients, a few slices at a time: what one core works on should stay in
 * its cache. The gradient at the kernel is made of two-dimensional ones, for which oneDNN has a fast kernel and for three none.
 */
final class DepthwiseConvolution {
    /** Elements of a slab of slices. */
    private static final long SLAB_ELEMENTS = 1 << 19;

    private static final long[] ONE = {1, 1};
    private static final long[] ONES = {1, 1, 1};
    /** Both neighbours in depth are given. */
    private static final long[] WITHIN = {0, 1, 1};

    private DepthwiseConvolution() {}

    /** Returns whether {@link #gradients} is for such a convolution. */
    static boolean isWritten(Tensor kernel, int[] stride, int[] padding) {
        for (int axis = 0; axis < 3; axis++) {
            if (kernel.size(axis + 2) != 3 || stride[axis] != 1 || padding[axis] != 1) {
                return false;
            }
        }
        return true;
    }

    /**
     * Returns the gradients at input, kernel and bias.
     *
     * @param x the input (B,C,D,H,W), channels-last
     * @param kernel (C,1,3,3,3)
     * @param dy gradient at the output, channels-last
     */
    static List<Tensor> gradients(Tensor x, Tensor kernel, Tensor dy) {
        long channels = x.size(1);
        Tensor dx = torch.conv3d(dy, transposed(kernel), new TensorOptional(), ONES, ONES, ONES, channels);
        Tensor dKernel = torch.zeros_like(kernel);
        Grid grid = Grid.of(Functional.shape(x));
        for (long b = 0; b < x.size(0); b++) {
            addKernelGradient(dKernel, rows(dy, b), rows(x, b), grid);
        }
        return List.of(dx, dKernel, dy.sum(new long[] {0, 2, 3, 4}));
    }

    private static Tensor rows(Tensor channelsLast, long sample) {
        return channelsLast.permute(0, 2, 3, 4, 1).select(0, sample).view(-1, channelsLast.size(1));
    }

    private interface Slab {
        void on(long from, long to);
    }

    private static void slabs(long c, Grid grid, Slab action) {
        long most = Math.max(1, SLAB_ELEMENTS / (c * grid.height() * grid.width()));
        for (long first = 0; first < grid.depth(); first += most) {
            long from = first;
            long to = Math.min(grid.depth(), from + most);
            LibtorchBackend.scoped(() -> {
                action.on(from, to);
                return null;
            });
        }
    }

    /**
     * Convolves all slices.
     *
     * @param result where to write, contiguous
     * @param rows (N,C) of one sample, contiguous
     * @param kernel (C,1,3,3,3)
     * @param bias (C), {@code null} for none
     */
    static void into(Tensor result, Tensor rows, Grid grid, Tensor kernel, Tensor bias) {
        long slice = (long) grid.height() * grid.width();
        slabs(
                rows.size(1),
                grid,
                (from, to) -> result.narrow(0, from * slice, (to - from) * slice)
                        .copy_(slab(rows, grid, from, to, kernel, bias)));
    }

    /** Returns the rows of the slices from…to−1 of the result, contiguous; parameters as for {@link #into}. */
    static Tensor slab(Tensor rows, Grid grid, long from, long to, Tensor kernel, Tensor bias) {
        long first = Math.max(0, from - 1);
        long last = Math.min(grid.depth(), to + 1);
        Tensor volume = Functional.volume(rows, grid).narrow(2, first, last - first);
        boolean within = first < from && to < last;
        Tensor y = torch.conv3d(
                volume,
                kernel,
                bias == null ? new TensorOptional() : Functional.some(bias),
                ONES,
                within ? WITHIN : ONES,
                ONES,
                kernel.size(0));
        // at the grid's ends the slab is padded on both sides, and what that made of its inner side is left out
        Tensor own = within ? y : y.narrow(2, from - first, to - from);
        return own.squeeze(0).permute(1, 2, 3, 0).reshape((to - from) * grid.height() * grid.width(), rows.size(1));
    }

    /** Returns the kernel with which {@link #into} takes the output's gradient to the input's. */
    static Tensor transposed(Tensor kernel) {
        return kernel.flip(2, 3, 4);
    }

    /**
     * Adds the gradient at the kernel.
     *
     * @param target (C,1,3,3,3)
     * @param dy (N,C) of one sample, contiguous
     * @param rows the input, of the same shape
     */
    static void addKernelGradient(Tensor target, Tensor dy, Tensor rows, Grid grid) {
        Tensor inputs = slices(rows, grid);
        Tensor outputs = slices(dy, grid);
        slabs(rows.size(1), grid, (from, to) -> {
            for (int plane = 0; plane < 3; plane++) {
                // output slice d takes input slice d + plane − 1
                long first = Math.max(from, 1 - plane);
                long count = Math.min(to, grid.depth() + 1 - plane) - first;
                if (count > 0) {
                    addPlaneGradient(
                            target.select(2, plane),
                            outputs.narrow(0, first, count),
                            inputs.narrow(0, first + plane - 1, count));
                }
            }
        });
    }

    private static void addPlaneGradient(Tensor target, Tensor outputs, Tensor inputs) {
        T_TensorTensorTensor_T found = torch.convolution_backward(
                outputs,
                inputs,
                target,
                new long[0],
                ONE,
                ONE,
                ONE,
                false,
                new long[] {0, 0},
                target.size(0),
                Products.mask(false, true, false));
        target.add_(found.get1());
    }

    private static Tensor slices(Tensor rows, Grid grid) {
        return rows.view(grid.depth(), grid.height(), grid.width(), rows.size(1))
                .permute(0, 3, 1, 2);
    }
}
