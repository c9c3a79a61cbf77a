package org.segformer3d.bench;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.stream.Collectors;
import org.openjdk.jmh.results.Result;
import org.openjdk.jmh.results.RunResult;
import org.openjdk.jmh.runner.Runner;
import org.openjdk.jmh.runner.RunnerException;
import org.openjdk.jmh.runner.options.ChainedOptionsBuilder;
import org.openjdk.jmh.runner.options.OptionsBuilder;
import org.openjdk.jmh.runner.options.TimeValue;
import org.openjdk.jmh.runner.options.VerboseMode;
import org.segformer3d.api.backend.Backend;
import org.segformer3d.api.backend.BackendOptions;
import org.segformer3d.api.backend.Backends;
import org.segformer3d.api.config.SegFormer3DConfig;
import org.segformer3d.api.network.SegFormer3DNetwork;
import org.segformer3d.api.profile.ModelProfile;
import org.segformer3d.api.training.LossSpec;
import org.segformer3d.backend.libtorch.GemmPeak;
import org.segformer3d.eval.result.Json;
import org.segformer3d.eval.result.Provenance;

/**
 * A quick set of all benchmarks, in one process so that both forms of the network meet the same conditions, and its table: times,
 * ratios of the plain to the fused form, arithmetic a second and its share of what a matrix product reaches, and how time grows.
 *
 * <p>The arithmetic is the paper's ({@link ModelProfile}) for both forms, so that the speeds compare; the fused form computes less.
 */
public final class QuickRun {
    private static final String[] FORMS = {"plain", "fused"};
    private static final String[] SIZES = {"64", "96", "128", "80x96x64"};
    /** Blocks added to a stage to time one: more of the small ones, or the machine's noise hides them. */
    private static final int[] ADDED = {2, 6, 16, 16};

    private static final String PUBLISHED_DEPTHS = "2-2-2-2";

    private static final int PROCESSORS = Runtime.getRuntime().availableProcessors();

    private final List<Map<String, Object>> measured = new ArrayList<>();
    private final StringBuilder table = new StringBuilder();
    private final long started = System.nanoTime();
    private double peak;
    private double peakOfOne;

    private QuickRun() {}

    /** What can be measured by itself. */
    private enum Section {
        FORWARD(QuickRun::forward),
        PARTS(run -> run.parts("128")),
        TRAINING(QuickRun::training),
        LOSSES(QuickRun::losses),
        AROUND(QuickRun::around),
        VOXELS(QuickRun::voxels),
        THREADS(QuickRun::threads),
        BATCHES(QuickRun::batches);

        private final Measuring measure;

        Section(Measuring measure) {
            this.measure = measure;
        }
    }

    private interface Measuring {
        void apply(QuickRun run) throws RunnerException;
    }

    /**
     * Runs and writes.
     *
     * @param arguments where to write the table without its ending ({@code .md}, {@code .json}; default {@code bench}), and which
     *     sections, in lower case (default: all)
     */
    public static void main(String[] arguments) throws RunnerException, IOException {
        String output = arguments.length > 0 ? arguments[0] : "bench";
        List<Section> sections = Arrays.stream(arguments)
                .skip(1)
                .map(name -> Section.valueOf(name.toUpperCase(Locale.ROOT)))
                .toList();
        new QuickRun()
                .run(
                        Path.of(output + ".md"),
                        Path.of(output + ".json"),
                        sections.isEmpty() ? List.of(Section.values()) : sections);
        System.exit(0); // native threads must not keep it alive
    }

    private void run(Path markdown, Path json, List<Section> sections) throws RunnerException, IOException {
        Map<String, Object> report = new LinkedHashMap<>();
        try (Backend backend = Backends.provider("libtorch").open(BackendOptions.defaults())) {
            report.putAll(Provenance.of(backend));
        }
        peak = GemmPeak.gigaflops(PROCESSORS);
        peakOfOne = GemmPeak.gigaflops(1);
        report.put("gemm_gigaflops", peak);
        report.put("gemm_gigaflops_one_thread", peakOfOne);
        line(
                "SegFormer3D for Java %s, %s, %d threads. Matrix product: %.0f GFLOP/s, on one thread %.0f.",
                report.get("version"), report.get("backend_versions"), PROCESSORS, peak, peakOfOne);
        for (Section section : sections) {
            section.measure.apply(this);
        }
        line(
                "%nMeasured in %d s.",
                Duration.ofNanos(System.nanoTime() - started).toSeconds());
        report.put("measured", measured);
        Files.writeString(json, Json.pretty(report));
        Files.writeString(markdown, table.toString());
        System.out.println(table);
    }

    private void forward() throws RunnerException {
        heading(
                "Forward",
                "| input 1×4× | libtorch plain | libtorch fused | native | plain : native | fused : native | native, GFLOP/s | of the matrix product |",
                8);
        for (String size : SIZES) {
            double plain = forward(size, 1, FORMS[0], 0, 3);
            double fused = forward(size, 1, FORMS[1], 0, 5);
            double own = forward(size, 1, Forms.NATIVE, 0, 5);
            row(
                    "%s | %.0f ms | %.1f ms | %.1f ms | %.1f | %.1f | %s",
                    name(size), plain, fused, own, plain / own, fused / own, speed(macs(size), own, peak));
        }
    }

    private double forward(String size, int batch, String form, int threads, int iterations) throws RunnerException {
        return measure(
                ForwardBenchmark.class,
                "forward",
                iterations,
                1,
                Map.of(
                        "size",
                        size,
                        "batch",
                        String.valueOf(batch),
                        "implementation",
                        form,
                        "threads",
                        String.valueOf(threads)));
    }

    /** Blocks are timed where they stand: as what some more of them add to the encoder. */
    private void parts(String size) throws RunnerException {
        heading(
                "Parts at 1×4×" + name(size),
                "| part | plain | fused | ratio | fused, GFLOP/s | of the matrix product |",
                6);
        ModelProfile profile = ModelProfile.of(SegFormer3DNetwork.of(SegFormer3DConfig.defaults()), Sizes.grid(size));
        double[] encoder = new double[2];
        double[][] block = new double[SegFormer3DConfig.STAGES][2];
        double[] decoder = new double[2];
        for (int form = 0; form < 2; form++) {
            encoder[form] = encode(size, PUBLISHED_DEPTHS, FORMS[form]);
        }
        for (int stage = 0; stage < block.length; stage++) {
            int[] depths = {2, 2, 2, 2};
            depths[stage] += ADDED[stage];
            String text = Arrays.stream(depths).mapToObj(String::valueOf).collect(Collectors.joining("-"));
            for (int form = 0; form < 2; form++) {
                block[stage][form] = encode(size, text, FORMS[form]);
            }
        }
        for (int form = 0; form < 2; form++) {
            // Again, so that a slow spell of the machine doesn't lie in what is subtracted from all.
            encoder[form] = Math.min(encoder[form], encode(size, PUBLISHED_DEPTHS, FORMS[form]));
            for (int stage = 0; stage < block.length; stage++) {
                block[stage][form] = (block[stage][form] - encoder[form]) / ADDED[stage];
            }
            decoder[form] = forward(size, 1, FORMS[form], 0, 3) - encoder[form];
        }
        double[] rest = encoder.clone();
        for (int stage = 0; stage < block.length; stage++) {
            String prefix = "segformer_encoder.tf_block" + (stage + 1) + ".0";
            long macs = profile.rows().stream()
                    .filter(row -> row.name().startsWith(prefix))
                    .mapToLong(ModelProfile.Row::macs)
                    .sum();
            part("one transformer block of stage " + (stage + 1), block[stage], macs);
            rest[0] -= 2 * block[stage][0];
            rest[1] -= 2 * block[stage][1];
        }
        long embeddings = profile.rows().stream()
                .filter(row -> row.name().contains(".embed_"))
                .mapToLong(ModelProfile.Row::macs)
                .sum();
        part("patch embeddings and stage norms (what is left of the encoder)", rest, embeddings);
        part("encoder", encoder, profile.encoderMacs());
        part("decoder and copies (forward less encoder)", decoder, profile.macs() - profile.encoderMacs());
    }

    private void part(String name, double[] times, long macs) {
        row(
                "%s | %.1f ms | %.1f ms | %.1f | %s",
                name, times[0], times[1], times[0] / times[1], speed(macs, times[1], peak));
    }

    private double encode(String size, String depths, String form) throws RunnerException {
        return measure(
                ForwardBenchmark.class, "encode", 3, 1, Map.of("size", size, "depths", depths, "implementation", form));
    }

    private void training() throws RunnerException {
        heading(
                "Training step",
                "| batch | plain | default form | ratio | default, GFLOP/s | of the matrix product |",
                6);
        for (String[] shape : new String[][] {{"2", "64"}, {"2", "96"}}) {
            double plain = step(shape, "plain");
            double chosen = step(shape, "auto");
            // Forward once, backward twice as much.
            long macs = 3 * Integer.parseInt(shape[0]) * macs(shape[1]);
            row(
                    "%s×4×%s | %.0f ms | %.0f ms | %.2f | %s",
                    shape[0], name(shape[1]), plain, chosen, plain / chosen, speed(macs, chosen, peak));
        }
    }

    private double step(String[] shape, String form) throws RunnerException {
        return measure(
                TrainingStepBenchmark.class,
                "step",
                2,
                2,
                Map.of("batch", shape[0], "edge", shape[1], "implementation", form));
    }

    private void losses() throws RunnerException {
        heading("Loss and gradient at 2×3×96³, softmax", "| loss | plain | fused | ratio |", 4);
        for (LossSpec.Kind kind : LossSpec.Kind.values()) {
            double plain = loss(kind, FORMS[0]);
            double fused = loss(kind, FORMS[1]);
            row(
                    "%s | %.0f ms | %.0f ms | %.1f",
                    kind.name().toLowerCase(Locale.ROOT).replace('_', ' '), plain, fused, plain / fused);
        }
    }

    private double loss(LossSpec.Kind kind, String form) throws RunnerException {
        return measure(LossBenchmark.class, "loss", 2, 1, Map.of("kind", kind.name(), "implementation", form));
    }

    private void around() throws RunnerException {
        heading("Around the network", "| what | time |", 2);
        for (String blend : new String[] {"CONSTANT", "GAUSSIAN"}) {
            row(
                    "sliding window over 4×240×240×155 without the network, %s | %.0f ms",
                    blend.toLowerCase(Locale.ROOT),
                    measure(SlidingWindowBenchmark.class, "cover", 2, 1, Map.of("blend", blend)));
        }
        double inflate = measure(NiftiDecodeBenchmark.class, "inflateAlone", 3, 1, Map.of());
        double read = measure(NiftiDecodeBenchmark.class, "read", 3, 1, Map.of());
        row("NIfTI 240×240×155 read (Inflater alone: %.1f ms, ratio %.2f) | %.1f ms", inflate, inflate / read, read);
        for (String masks : new String[] {"tumour", "head", "full"}) {
            row(
                    "HD95 of 240×240×155, %s | %.0f ms",
                    masks, measure(SurfaceDistanceBenchmark.class, "hd95", 2, 1, Map.of("masks", masks)));
        }
        for (String type : new String[] {
            "flip",
            "rotate90",
            "affine",
            "elastic",
            "intensity_scale",
            "contrast",
            "gamma",
            "gaussian_noise",
            "gaussian_smooth",
            "low_resolution",
            "gibbs_noise"
        }) {
            row(
                    "transform of 96³: %s | %.1f ms",
                    type, measure(TransformBenchmark.class, "apply", 2, 0.5, Map.of("type", type)));
        }
    }

    private void voxels() throws RunnerException {
        heading("Time against voxels, native", "| input 1×4× | time | ns a voxel |", 3);
        List<double[]> points = new ArrayList<>();
        for (int edge = 64; edge <= 160; edge += 16) {
            double time = forward(String.valueOf(edge), 1, Forms.NATIVE, 0, 3);
            double count = (double) edge * edge * edge;
            points.add(new double[] {Math.log(count), Math.log(time)});
            row("%d³ | %.1f ms | %.0f", edge, time, time * 1e6 / count);
        }
        line("%nTime grows with voxels to the power of **%.2f** (least squares over the logarithms).", slope(points));
    }

    private void threads() throws RunnerException {
        heading(
                "Time against threads, 1×4×128³",
                "| threads | libtorch fused | native | ratio | native, GFLOP/s | of the matrix product |",
                6);
        for (int threads = 1; threads <= PROCESSORS; threads *= 2) {
            double fused = forward("128", 1, FORMS[1], threads, 3);
            double own = forward("128", 1, Forms.NATIVE, threads, 3);
            row(
                    "%d | %.0f ms | %.1f ms | %.1f | %s",
                    threads, fused, own, fused / own, speed(macs("128"), own, threads == 1 ? peakOfOne : peak));
        }
    }

    private void batches() throws RunnerException {
        heading("Time against batch, B×4×64³, native", "| batch | time | a volume |", 3);
        for (int batch = 1; batch <= 4; batch *= 2) {
            double time = forward("64", batch, Forms.NATIVE, 0, 3);
            row("%d | %.1f ms | %.1f ms", batch, time, time / batch);
        }
    }

    /** Returns the slope of the line of least squares. */
    static double slope(List<double[]> points) {
        double meanX = points.stream().mapToDouble(p -> p[0]).average().orElseThrow();
        double meanY = points.stream().mapToDouble(p -> p[1]).average().orElseThrow();
        double xy = points.stream()
                .mapToDouble(p -> (p[0] - meanX) * (p[1] - meanY))
                .sum();
        double xx = points.stream()
                .mapToDouble(p -> (p[0] - meanX) * (p[0] - meanX))
                .sum();
        return xy / xx;
    }

    private static long macs(String size) {
        return ModelProfile.of(SegFormer3DNetwork.of(SegFormer3DConfig.defaults()), Sizes.grid(size))
                .macs();
    }

    private static String speed(long macs, double milliseconds, double peak) {
        double gigaflops = 2 * macs / (milliseconds * 1e6);
        return String.format(Locale.ROOT, "%.0f | %.0f %%", gigaflops, 100 * gigaflops / peak);
    }

    /** Returns the best iteration's milliseconds an operation: what disturbs a run makes it longer only. */
    private double measure(
            Class<?> benchmark, String method, int iterations, double seconds, Map<String, String> parameters)
            throws RunnerException {
        System.err.printf(
                "%4d s  %s.%s %s%n",
                Duration.ofNanos(System.nanoTime() - started).toSeconds(),
                benchmark.getSimpleName(),
                method,
                parameters);
        TimeValue time = TimeValue.milliseconds((long) (1000 * seconds));
        ChainedOptionsBuilder options = new OptionsBuilder()
                .include(benchmark.getName().replace(".", "\\.") + "\\." + method + "$")
                .forks(0)
                .warmupIterations(1)
                .warmupTime(time)
                .measurementIterations(iterations)
                .measurementTime(time)
                .verbosity(VerboseMode.SILENT);
        parameters.forEach(options::param);
        RunResult run = new Runner(options.build()).runSingle();
        Result<?> result = run.getPrimaryResult();
        double best = result.getStatistics().getMin();
        Map<String, Object> entry = new LinkedHashMap<>();
        entry.put("benchmark", benchmark.getSimpleName() + "." + method);
        entry.put("parameters", new LinkedHashMap<>(parameters));
        entry.put("best_ms", best);
        entry.put("mean_ms", result.getScore());
        entry.put("iterations", iterations);
        measured.add(entry);
        return best;
    }

    private static String name(String size) {
        return size.contains("x") ? size.replace('x', '×') : size + "³";
    }

    private void heading(String title, String columns, int count) {
        table.append("\n### ").append(title).append("\n\n").append(columns).append("\n|");
        table.append("---|".repeat(count)).append('\n');
    }

    private void row(String format, Object... values) {
        table.append("| ").append(String.format(Locale.ROOT, format, values)).append(" |\n");
    }

    private void line(String format, Object... values) {
        table.append(String.format(Locale.ROOT, format, values)).append('\n');
    }
}
