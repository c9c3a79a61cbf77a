package org.segformer3d.eval.inference;

import java.nio.FloatBuffer;
import org.segformer3d.api.block.Grid;
import org.segformer3d.api.tensor.HostTensor;
import org.segformer3d.data.preprocessing.PreparedScan;

/** An image (C, D, H, W) that is read row by row, wherever its values are kept. */
interface ImageRows {
    /** Returns the number of channels C. */
    int channels();

    /** Returns the spatial size D×H×W. */
    Grid size();

    /** Copies {@code count} values from (channel, d, h, w) on along the last axis to {@code target} at {@code at}. */
    void copy(int channel, int d, int h, int w, FloatBuffer target, int at, int count);

    /** Returns the rows of a tensor (C, D, H, W), which is converted where it isn't float32. */
    static ImageRows of(HostTensor image) {
        Grid size = new Grid(
                Math.toIntExact(image.size(1)), Math.toIntExact(image.size(2)), Math.toIntExact(image.size(3)));
        int channels = Math.toIntExact(image.size(0));
        FloatBuffer values = image.toFloat32().floatBuffer();
        return new ImageRows() {
            @Override
            public int channels() {
                return channels;
            }

            @Override
            public Grid size() {
                return size;
            }

            @Override
            public void copy(int channel, int d, int h, int w, FloatBuffer target, int at, int count) {
                int from = ((channel * size.depth() + d) * size.height() + h) * size.width() + w;
                target.put(at, values, from, count);
            }
        };
    }

    /** Returns the rows of a prepared scan. */
    static ImageRows of(PreparedScan scan) {
        return new ImageRows() {
            @Override
            public int channels() {
                return scan.channels().size();
            }

            @Override
            public Grid size() {
                return scan.size();
            }

            @Override
            public void copy(int channel, int d, int h, int w, FloatBuffer target, int at, int count) {
                PreparedScan.Channel values = scan.channels().get(channel);
                int row = (d * scan.size().height() + h) * scan.size().width();
                target.put(at, values.values(), values.offset() + row + w, count);
            }
        };
    }
}
