package org.segformer3d.train.demo;

import java.util.SplittableRandom;
import org.segformer3d.api.block.Grid;
import org.segformer3d.data.volume.Affine;
import org.segformer3d.data.volume.Geometry;
import org.segformer3d.data.volume.Orientation;
import org.segformer3d.data.volume.Volume;

/**
 * One synthetic scan: an ellipsoid organ with a brighter ellipsoid lesion in it, and outside it a decoy as bright as the lesion, under a
 * smooth bias field and noise.
 *
 * @param image intensities, whole numbers
 * @param label 0 background, 1 organ, 2 lesion
 */
record Phantom(Volume image, Volume label) {
    private static final int SMALLEST = 34;
    private static final int LARGEST = 46;
    private static final double BACKGROUND = 300;
    private static final double ORGAN = 520;
    private static final double LESION = 760;
    private static final double NOISE = 60;
    /** How scans are stored, as permutations of RAS axes and flips. */
    private static final int[][] AXES = {{0, 1, 2}, {0, 1, 2}, {1, 0, 2}, {2, 0, 1}};

    private static final boolean[][] FLIPS = {
        {false, false, false}, {true, true, false}, {false, true, false}, {true, false, true}
    };

    static Phantom draw(SplittableRandom random) {
        Grid size = new Grid(edge(random), edge(random), edge(random));
        double[] middle = {size.depth() / 2.0, size.height() / 2.0, size.width() / 2.0};
        Ellipsoid organ = new Ellipsoid(
                moved(middle, random, 3),
                new double[] {uniform(random, 9, 13), uniform(random, 8, 11), uniform(random, 9, 13)},
                uniform(random, -0.5, 0.5));
        // Along the organ's own axes, so that the lesion always touches the inside and reaches towards one side.
        double[] shift = {
            organ.radii[0] * uniform(random, -0.35, 0.35),
            organ.radii[1] * uniform(random, 0.1, 0.35),
            organ.radii[2] * uniform(random, -0.35, 0.35)
        };
        Ellipsoid lesion = new Ellipsoid(
                organ.outward(shift),
                new double[] {uniform(random, 4, 6), uniform(random, 4, 5.5), uniform(random, 4, 6)},
                uniform(random, -0.8, 0.8));
        Ellipsoid decoy = new Ellipsoid(
                organ.outward(new double[] {0, -organ.radii[1] * 1.45, organ.radii[2] * uniform(random, -0.5, 0.5)}),
                new double[] {2.5, 2, 2.5},
                0);
        double[] slope = {uniform(random, -0.3, 0.3), uniform(random, -0.3, 0.3), uniform(random, -0.3, 0.3)};
        double gain = uniform(random, 0.7, 1.5);
        float[] image = new float[size.tokens()];
        int[] label = new int[image.length];
        int at = 0;
        for (int i = 0; i < size.depth(); i++) {
            for (int j = 0; j < size.height(); j++) {
                for (int k = 0; k < size.width(); k++, at++) {
                    boolean inOrgan = organ.contains(i, j, k);
                    boolean inLesion = inOrgan && lesion.contains(i, j, k);
                    label[at] = inLesion ? 2 : inOrgan ? 1 : 0;
                    double tissue =
                            inLesion || !inOrgan && decoy.contains(i, j, k) ? LESION : inOrgan ? ORGAN : BACKGROUND;
                    double bias = 1
                            + slope[0] * (i / (double) size.depth() - 0.5)
                            + slope[1] * (j / (double) size.height() - 0.5)
                            + slope[2] * (k / (double) size.width() - 0.5);
                    image[at] = Math.round(gain * (tissue * bias + NOISE * random.nextGaussian()));
                }
            }
        }
        Affine affine = Affine.ofRows(
                uniform(random, 0.9, 1.1),
                0,
                0,
                uniform(random, -80, -20),
                0,
                uniform(random, 0.9, 1.1),
                0,
                uniform(random, -80, -20),
                0,
                0,
                uniform(random, 0.9, 1.1),
                uniform(random, -80, -20));
        Geometry geometry = Geometry.of(size, affine);
        int storage = random.nextInt(AXES.length);
        Orientation stored = Orientation.of(AXES[storage], FLIPS[storage]);
        return new Phantom(stored.apply(Volume.of(image, 1, geometry)), stored.apply(Volume.ofLabels(label, geometry)));
    }

    private static int edge(SplittableRandom random) {
        return random.nextInt(SMALLEST, LARGEST + 1);
    }

    private static double uniform(SplittableRandom random, double from, double to) {
        return from + (to - from) * random.nextDouble();
    }

    private static double[] moved(double[] point, SplittableRandom random, double by) {
        return new double[] {
            point[0] + uniform(random, -by, by),
            point[1] + uniform(random, -by, by),
            point[2] + uniform(random, -by, by)
        };
    }

    /**
     * An ellipsoid turned around the third axis.
     *
     * @param centre in voxels
     * @param radii in voxels
     * @param angle in radians
     */
    private record Ellipsoid(double[] centre, double[] radii, double angle) {
        boolean contains(double i, double j, double k) {
            double x = i - centre[0];
            double y = j - centre[1];
            double u = (Math.cos(angle) * x + Math.sin(angle) * y) / radii[0];
            double v = (Math.cos(angle) * y - Math.sin(angle) * x) / radii[1];
            double w = (k - centre[2]) / radii[2];
            return u * u + v * v + w * w <= 1;
        }

        /** Returns the point that lies a distance along the ellipsoid's own axes from its centre. */
        double[] outward(double[] along) {
            return new double[] {
                centre[0] + Math.cos(angle) * along[0] - Math.sin(angle) * along[1],
                centre[1] + Math.sin(angle) * along[0] + Math.cos(angle) * along[1],
                centre[2] + along[2]
            };
        }
    }
}
