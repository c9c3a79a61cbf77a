package org.segformer3d.backend.kernels;

import org.segformer3d.api.tensor.HostTensor;

/**
 * A matrix in float64, for folding weights at load.
 *
 * @param rows number of rows
 * @param columns number of columns
 * @param values row by row
 */
record Matrix(int rows, int columns, double[] values) {
    /** Returns a matrix of zeros. */
    static Matrix zeros(int rows, int columns) {
        return new Matrix(rows, columns, new double[rows * columns]);
    }

    /** Returns a weight whose first axis is the rows. */
    static Matrix of(HostTensor weight) {
        double[] values = weight.toDoubles();
        int rows = Math.toIntExact(weight.size(0));
        return new Matrix(rows, values.length / rows, values);
    }

    double at(int row, int column) {
        return values[row * columns + column];
    }

    void set(int row, int column, double value) {
        values[row * columns + column] = value;
    }

    /** Returns this · other; by the kernels, because loading would otherwise wait for loops to be compiled. */
    Matrix times(Matrix other) {
        Matrix product = zeros(rows, other.columns);
        try (Memory a = doubles(values);
                Memory b = doubles(other.values);
                Memory c = doubles(product.values)) {
            Kernels.product64(rows, other.columns, columns, a.address(), b.address(), c.address());
            c.asBytes().asDoubleBuffer().get(product.values);
        }
        return product;
    }

    private static Memory doubles(double[] values) {
        Memory memory = new Memory(8L * values.length);
        memory.asBytes().asDoubleBuffer().put(values);
        return memory;
    }

    /** Returns this · vector. */
    double[] times(double[] vector) {
        double[] product = new double[rows];
        for (int i = 0; i < rows; i++) {
            double sum = 0;
            for (int j = 0; j < columns; j++) {
                sum += values[i * columns + j] * vector[j];
            }
            product[i] = sum;
        }
        return product;
    }

    Matrix transposed() {
        Matrix turned = zeros(columns, rows);
        for (int i = 0; i < rows; i++) {
            for (int j = 0; j < columns; j++) {
                turned.values[j * rows + i] = values[i * columns + j];
            }
        }
        return turned;
    }

    /** Multiplies column j by factors[j], in place: copies of whole weights are what loading takes memory for. */
    Matrix scaleColumns(double[] factors) {
        for (int i = 0; i < rows; i++) {
            for (int j = 0; j < columns; j++) {
                values[i * columns + j] *= factors[j];
            }
        }
        return this;
    }

    /** Multiplies row i by factors[i], in place. */
    Matrix scaleRows(double[] factors) {
        for (int i = 0; i < rows; i++) {
            for (int j = 0; j < columns; j++) {
                values[i * columns + j] *= factors[i];
            }
        }
        return this;
    }

    /** Multiplies everything, in place. */
    Matrix scale(double factor) {
        for (int i = 0; i < values.length; i++) {
            values[i] *= factor;
        }
        return this;
    }

    /** Returns rows from {@code first} on. */
    Matrix rowsFrom(int first, int count) {
        double[] part = new double[count * columns];
        System.arraycopy(values, first * columns, part, 0, part.length);
        return new Matrix(count, columns, part);
    }

    /** Returns columns from {@code first} on. */
    Matrix columnsFrom(int first, int count) {
        Matrix part = zeros(rows, count);
        for (int i = 0; i < rows; i++) {
            System.arraycopy(values, i * columns + first, part.values, i * count, count);
        }
        return part;
    }
}
