package org.segformer3d.eval.metrics;

import java.util.Arrays;
import java.util.Comparator;
import java.util.stream.IntStream;

/**
 * Wilcoxon's signed-rank test of paired differences, two-sided: whether they lie about zero.
 *
 * <p>Differences of exactly zero are left out, equal magnitudes share their mean rank. Up to 100 differences the probability is exact
 * (all 2ⁿ signs, ties included), beyond that a normal approximation with corrections for ties and continuity.
 *
 * @param statistic the smaller of the two sums of ranks, of positive and of negative differences
 * @param p probability of a statistic at least as extreme when the sign of every difference is a coin's; 1 when all are zero
 * @param pairs how many differences were other than zero
 */
public record SignedRankTest(double statistic, double p, int pairs) {
    private static final int EXACT = 100;

    /** Tests the differences, NaN left out. */
    public static SignedRankTest of(double... differences) {
        double[] counted = Arrays.stream(differences)
                .filter(d -> !Double.isNaN(d) && d != 0)
                .toArray();
        int n = counted.length;
        if (n == 0) {
            return new SignedRankTest(0, 1, 0);
        }
        int[] doubledRanks = doubledRanks(counted);
        long positive = 0;
        long all = 0;
        double ties = 0;
        for (int i = 0; i < n; i++) {
            all += doubledRanks[i];
            positive += counted[i] > 0 ? doubledRanks[i] : 0;
        }
        long smaller = Math.min(positive, all - positive);
        if (n <= EXACT) {
            return new SignedRankTest(smaller / 2.0, Math.min(1, 2 * atMost(smaller, doubledRanks)), n);
        }
        for (int count : counts(doubledRanks)) {
            ties += (double) count * count * count - count;
        }
        double variance = n * (n + 1.0) * (2 * n + 1) / 24 - ties / 48;
        double z = Math.max(0, all / 4.0 - smaller / 2.0 - 0.5) / Math.sqrt(variance);
        return new SignedRankTest(smaller / 2.0, Math.min(1, 2 * upperTail(z)), n);
    }

    /** Returns twice the ranks of the magnitudes, whole numbers also where equal ones share their mean. */
    private static int[] doubledRanks(double... values) {
        Integer[] order = IntStream.range(0, values.length).boxed().toArray(Integer[]::new);
        Arrays.sort(order, Comparator.comparingDouble(i -> Math.abs(values[i])));
        int[] ranks = new int[values.length];
        int from = 0;
        while (from < order.length) {
            int to = from + 1;
            while (to < order.length && Math.abs(values[order[to]]) == Math.abs(values[order[from]])) {
                to++;
            }
            for (int i = from; i < to; i++) {
                ranks[order[i]] = from + 1 + to;
            }
            from = to;
        }
        return ranks;
    }

    private static int[] counts(int... ranks) {
        int[] counts = new int[2 * ranks.length + 1];
        Arrays.stream(ranks).forEach(rank -> counts[rank]++);
        return counts;
    }

    /** Returns the probability that a sum of ranks, each taken with probability ½, is at most a number. */
    private static double atMost(long most, int... ranks) {
        double[] probability = new double[Arrays.stream(ranks).sum() + 1];
        probability[0] = 1;
        int largest = 0;
        for (int rank : ranks) {
            largest += rank;
            for (int sum = largest; sum >= 0; sum--) {
                probability[sum] = (probability[sum] + (sum >= rank ? probability[sum - rank] : 0)) / 2;
            }
        }
        double total = 0;
        for (int sum = 0; sum <= most; sum++) {
            total += probability[sum];
        }
        return total;
    }

    /** Returns the normal distribution's upper tail: Abramowitz and Stegun 26.2.17 is too coarse for small ones, so by continued fraction. */
    private static double upperTail(double z) {
        double density = Math.exp(-z * z / 2) / Math.sqrt(2 * Math.PI);
        if (z < 2) {
            double term = z;
            double sum = z;
            for (int k = 1; Math.abs(term) > 1e-17; k++) {
                term *= z * z / (2 * k + 1);
                sum += term;
            }
            return 0.5 - density * sum;
        }
        double fraction = 0;
        for (int k = 200; k > 0; k--) {
            fraction = k / (z + fraction);
        }
        return density / (z + fraction);
    }
}
