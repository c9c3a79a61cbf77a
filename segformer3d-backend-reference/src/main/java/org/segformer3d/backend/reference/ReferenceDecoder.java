package org.segformer3d.backend.reference;

import java.util.ArrayList;
import java.util.List;
import org.segformer3d.api.backend.BackendException;
import org.segformer3d.api.block.BlockParameters;
import org.segformer3d.api.block.BlockSpec.DecoderSpec;
import org.segformer3d.api.block.Decoder;
import org.segformer3d.api.block.Grid;
import org.segformer3d.api.block.Mode;
import org.segformer3d.api.tensor.Scope;
import org.segformer3d.api.tensor.Shapes;
import org.segformer3d.api.tensor.Tensor;

/** The all-MLP decoder, in the order the paper draws it. */
final class ReferenceDecoder implements Decoder {
    private final ReferenceBackend backend;
    private final DecoderSpec spec;
    private final List<Linear> projections = new ArrayList<>();
    private final List<LayerNorm> norms = new ArrayList<>();
    private final Linear fuse;
    private final BatchNorm fuseNorm;
    private final Linear predict;

    /** Feature maps that were checked: the batch size and the grid of each. */
    private record Geometry(int batch, List<Grid> grids) {
        Grid finest() {
            return grids.get(0);
        }
    }

    ReferenceDecoder(ReferenceBackend backend, DecoderSpec spec, BlockParameters parameters, Mode mode) {
        if (mode == Mode.TRAINING && spec.dropout() > 0) {
            throw new BackendException("backend 'reference' has no dropout: found decoder_dropout " + spec.dropout()
                    + " in training, expected 0");
        }
        this.backend = backend;
        this.spec = spec;
        int dim = spec.dim();
        int stages = spec.featureDims().size();
        for (int i = 0; i < stages; i++) {
            String name = "linear_c" + (i + 1) + ".";
            projections.add(Weights.linear(
                    backend, parameters, name + "proj", spec.featureDims().get(i), dim));
            norms.add(Weights.layerNorm(backend, parameters, name + "bn.", dim));
        }
        this.fuse = new Linear(
                Weights.of(backend, parameters, "linear_fuse.0.weight", dim, (long) stages * dim, 1, 1, 1),
                null,
                stages * dim,
                dim);
        this.fuseNorm = new BatchNorm(backend, parameters.at("linear_fuse.1."), dim, mode);
        this.predict = new Linear(
                Weights.of(backend, parameters, "linear_pred.weight", spec.classes(), dim, 1, 1, 1),
                Weights.of(backend, parameters, "linear_pred.bias", spec.classes()),
                dim,
                spec.classes());
    }

    @Override
    public DecoderSpec spec() {
        return spec;
    }

    @Override
    public Tensor forward(Scope scope, List<Tensor> features) {
        ReferenceScope owner = backend.scope(scope);
        Geometry geometry = check(features);
        ParallelLoops loops = backend.loops();
        List<double[]> projected = new ArrayList<>();
        for (int i = 0; i < features.size(); i++) {
            int tokens = geometry.grids().get(i).tokens();
            double[] rows = Layout.toTokens(
                    backend.tensor(features.get(i)).data(),
                    geometry.batch(),
                    spec.featureDims().get(i),
                    tokens);
            double[] embedded = projections.get(i).apply(loops, rows, geometry.batch() * tokens);
            projected.add(norms.get(i).apply(loops, embedded));
        }
        double[] fused = fuse(projected, geometry);
        BatchNorm.Affine affine = fuseNorm.affine(fused);
        int dim = spec.dim();
        loops.run(fused.length / dim, Linear.ROWS, (from, to) -> {
            for (int row = from; row < to; row++) {
                for (int c = 0; c < dim; c++) {
                    fused[row * dim + c] = Math.max(0, affine.apply(fused[row * dim + c], c));
                }
            }
        });
        double[] logits = predict.apply(loops, fused, fused.length / dim);
        return upsample(owner, logits, geometry);
    }

    private Geometry check(List<Tensor> features) {
        int stages = spec.featureDims().size();
        if (features.size() != stages) {
            throw new IllegalArgumentException(
                    "decoder: found " + features.size() + " feature maps, expected " + stages);
        }
        List<Grid> grids = new ArrayList<>();
        long batch = 0;
        for (int i = 0; i < stages; i++) {
            long[] shape = backend.tensor(features.get(i)).shape();
            if (i == 0 && shape.length == 5) {
                batch = shape[0];
            }
            if (shape.length != 5
                    || shape[0] < 1
                    || shape[0] != batch
                    || shape[1] != spec.featureDims().get(i)) {
                throw new IllegalArgumentException("decoder: found feature map c" + (i + 1) + " of shape "
                        + Shapes.text(shape) + ", expected (" + (i == 0 ? "B" : batch) + ","
                        + spec.featureDims().get(i) + ",D,H,W)");
            }
            grids.add(Grid.of(shape));
        }
        return new Geometry(Math.toIntExact(batch), grids);
    }

    /** Returns the fuse convolution of [c4,c3,c2,c1], all at c1's size: rows (B·N,E). */
    private double[] fuse(List<double[]> projected, Geometry geometry) {
        int dim = spec.dim();
        int stages = projected.size();
        Grid finest = geometry.finest();
        int tokens = finest.tokens();
        List<Interpolation> resize = geometry.grids().stream()
                .map(grid -> Interpolation.of(grid, finest))
                .toList();
        double[] fused = new double[Math.multiplyExact(geometry.batch() * tokens, dim)];
        backend.loops().run(geometry.batch() * tokens, Linear.ROWS, (from, to) -> {
            double[] concatenated = new double[(to - from) * stages * dim];
            for (int row = from; row < to; row++) {
                int n = row % tokens;
                int w = n % finest.width();
                int h = n / finest.width() % finest.height();
                int d = n / finest.width() / finest.height();
                for (int i = 0; i < stages; i++) {
                    int firstRow = row / tokens * geometry.grids().get(i).tokens();
                    int offset = ((row - from) * stages + stages - 1 - i) * dim;
                    resize.get(i).row(projected.get(i), firstRow, d, h, w, dim, concatenated, offset);
                }
            }
            fuse.apply(concatenated, 0, fused, from, to - from);
        });
        return fused;
    }

    /** Returns logits (B,K,u·D,u·H,u·W) from rows (B·N,K). */
    private Tensor upsample(ReferenceScope owner, double[] rows, Geometry geometry) {
        Grid from = geometry.finest();
        Grid to = from.times(spec.upsampling());
        Interpolation resize = Interpolation.of(from, to);
        int classes = spec.classes();
        int voxels = to.tokens();
        int plane = to.height() * to.width();
        double[] logits = new double[Math.multiplyExact(geometry.batch() * classes, voxels)];
        backend.loops().run(geometry.batch() * to.depth(), 1, (first, last) -> {
            double[] voxel = new double[classes];
            for (int slice = first; slice < last; slice++) {
                int b = slice / to.depth();
                int d = slice % to.depth();
                for (int hw = 0; hw < plane; hw++) {
                    resize.row(rows, b * from.tokens(), d, hw / to.width(), hw % to.width(), classes, voxel, 0);
                    for (int k = 0; k < classes; k++) {
                        logits[(b * classes + k) * voxels + d * plane + hw] = voxel[k];
                    }
                }
            }
        });
        return owner.own(logits, geometry.batch(), classes, to.depth(), to.height(), to.width());
    }
}
