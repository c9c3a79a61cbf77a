package org.segformer3d.backend.libtorch;

import org.bytedeco.javacpp.BoolPointer;
import org.bytedeco.pytorch.MemoryFormatOptional;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorOptional;
import org.bytedeco.pytorch.global.torch;
import org.segformer3d.api.tensor.DType;
import org.segformer3d.api.tensor.Device;

/**
 * Products of token matrices with weights, and their gradients, without autograd.
 *
 * <p>oneDNN computes them in float32 on the CPU, as 1² convolutions over one channels-last column of tokens: for these narrow matrices
 * that is up to three times as fast as the BLAS, which runs on one thread (see {@link Natives}).
 *
 * <p>In mixed precision both factors are rounded to bfloat16 and what comes out is float32 again; long sums are added up in float32.
 */
final class Products {
    private static final long[] ONE = {1, 1};
    private static final long[] NONE = {0, 0};

    /** Elements of both factors of a long sum that the BLAS is given at a time: they should stay in the cache. */
    private static final long SLAB_ELEMENTS = 1 << 19;

    /** Multiplications below which a product isn't worth dividing among threads. */
    private static final long SMALL = 1 << 20;

    private final boolean oneDnn;
    private final boolean mixed;
    private final Workers workers;

    Products(LibtorchBackend backend, Workers workers, boolean mixed) {
        this.workers = workers;
        this.mixed = mixed;
        this.oneDnn = !mixed && backend.device().type() == Device.Type.CPU && backend.computeType() == DType.FLOAT32;
    }

    /** Returns a factor in the type its products are computed in. */
    Tensor factor(Tensor x) {
        return mixed ? x.to(torch.ScalarType.BFloat16) : x;
    }

    /** Returns what came out of a product of {@link #factor factors}, in the type of everything else. */
    Tensor result(Tensor x) {
        return mixed ? x.to(torch.ScalarType.Float) : x;
    }

    /** Returns x wᵀ + b. */
    Tensor times(Tensor x, Tensor weight, Tensor bias) {
        if (mixed) {
            Tensor y = result(torch.linear(factor(x), factor(weight), new TensorOptional()));
            return bias == null ? y : y.add_(bias);
        }
        TensorOptional b = bias == null ? new TensorOptional() : Functional.some(bias);
        if (!oneDnn) {
            return torch.linear(x, weight, b);
        }
        return convolved(x, weight.contiguous().view(weight.size(0), weight.size(1), 1, 1), b);
    }

    /** Returns x wᵀ + b by oneDNN, for a contiguous (n,c) and the weight as a kernel (k,c,1,1). */
    static Tensor convolved(Tensor x, Tensor kernel, TensorOptional bias) {
        return torch.mkldnn_convolution(column(x), kernel, bias, NONE, ONE, ONE, 1)
                .permute(0, 2, 3, 1)
                .reshape(x.size(0), kernel.size(0));
    }

    /** Returns x w: the gradient at the input of {@link #times} where x is the one at its output. */
    Tensor timesTransposed(Tensor x, Tensor weight) {
        // turning a weight takes longer than multiplying a few rows with it
        return mixed || oneDnn && x.size(0) >= weight.size(0) ? times(x, weight.t(), null) : multiply(x, weight);
    }

    /** target += yᵀ x: the gradient at the weight of {@link #times} where y is the one at its output. */
    void addWeightGradient(Tensor target, Tensor y, Tensor x) {
        boolean rows = y.size(1) >= x.size(1);
        long slab = Math.max(256, SLAB_ELEMENTS / (y.size(1) + x.size(1)));
        divide(y.numel() * x.size(1), Math.max(y.size(1), x.size(1)), (worker, first, count) -> {
            Tensor place = target.narrow(rows ? 0 : 1, first, count);
            for (long from = 0; from < y.size(0); from += slab) {
                long size = Math.min(slab, y.size(0) - from);
                Tensor left = y.narrow(0, from, size);
                Tensor right = x.narrow(0, from, size);
                Tensor a = (rows ? left.narrow(1, first, count) : left).t();
                Tensor b = rows ? right : right.narrow(1, first, count);
                if (mixed) {
                    place.add_(torch.mm(factor(a), factor(b)));
                } else {
                    place.addmm_(a, b);
                }
            }
        });
    }

    /** Returns a bᵀ for every head, (S,n,c)·(S,k,c). */
    Tensor stacked(Tensor a, Tensor b) {
        return a.size(0) == 1
                ? times(a.select(0, 0), b.select(0, 0), null).unsqueeze(0)
                : result(torch.bmm(factor(a), factor(b).transpose(1, 2)));
    }

    /** target += aᵀ b for every head, (S,n,k)·(S,n,c). */
    void addStacked(Tensor target, Tensor a, Tensor b) {
        if (mixed) {
            target.add_(torch.bmm(factor(a).transpose(1, 2), factor(b)));
        } else {
            target.baddbmm_(a.transpose(1, 2), b);
        }
    }

    /** Returns a b by the BLAS, never reduced. */
    Tensor multiply(Tensor a, Tensor b) {
        Tensor result = torch.empty(new long[] {a.size(0), b.size(1)}, a.options(), new MemoryFormatOptional());
        multiplyInto(result, a, b);
        return result;
    }

    void multiplyInto(Tensor result, Tensor a, Tensor b) {
        boolean rows = a.size(0) >= b.size(1);
        divide(a.numel() * b.size(1), Math.max(a.size(0), b.size(1)), (worker, first, count) -> {
            if (rows) {
                torch.mm_out(result.narrow(0, first, count), a.narrow(0, first, count), b);
            } else {
                torch.mm_out(result.narrow(1, first, count), a, b.narrow(1, first, count));
            }
        });
    }

    /** Multiplies every matrix of a stack (n,k,m) by one matrix from the left, never reduced; torch.matmul would turn and copy the stack. */
    Tensor each(Tensor matrix, Tensor stack) {
        Tensor result = torch.empty(
                new long[] {stack.size(0), matrix.size(0), stack.size(2)}, stack.options(), new MemoryFormatOptional());
        eachInto(result, matrix, stack);
        return result;
    }

    void eachInto(Tensor result, Tensor matrix, Tensor stack) {
        divide(
                stack.numel() * matrix.size(0),
                stack.size(0),
                (worker, first, count) ->
                        eachHereInto(result.narrow(0, first, count), matrix, stack.narrow(0, first, count)));
    }

    /** The same without dividing the stack among threads. */
    static void eachHereInto(Tensor result, Tensor matrix, Tensor stack) {
        torch.bmm_out(result, matrix.unsqueeze(0).expand(stack.size(0), matrix.size(0), matrix.size(1)), stack);
    }

    private void divide(long multiplications, long count, Workers.Range action) {
        if (multiplications < SMALL || workers.parts(count) == 1) {
            LibtorchBackend.scoped(() -> {
                action.on(0, 0, count);
                return null;
            });
        } else {
            workers.divide(count, action);
        }
    }

    /** Returns those the products are divided among. */
    Workers workers() {
        return workers;
    }

    /** target += the sum of all rows: the gradient at a bias. */
    static void addBiasGradient(Tensor target, Tensor y) {
        target.add_(y.sum(0));
    }

    /**
     * Returns an affine map of each column, rows·scale + shift.
     *
     * @param rows (R,C)
     */
    static Tensor affine(Tensor rows, Tensor scale, Tensor shift) {
        return torch.addcmul(shift, rows, scale, new Scalar(1.0));
    }

    /** Sees (R,C) as one channels-last column (1,C,R,1). */
    static Tensor column(Tensor rows) {
        return rows.view(1, rows.size(0), 1, rows.size(1)).permute(0, 3, 1, 2);
    }

    /** Returns which of an operation's three gradients are wanted. */
    static BoolPointer mask(boolean input, boolean weight, boolean bias) {
        return new BoolPointer(3).put(0, input).put(1, weight).put(2, bias);
    }
}
