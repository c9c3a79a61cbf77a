package org.segformer3d.train.parity;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.function.Consumer;
import org.segformer3d.api.backend.Backend;
import org.segformer3d.api.backend.BackendException;
import org.segformer3d.api.backend.BackendProvider;
import org.segformer3d.api.backend.Backends;

/**
 * Checks this build on this machine against reference files: networks in evaluation and training mode, whole training runs, losses,
 * weight files, sliding windows, schedules, metrics, transforms, preprocessing and experiment files, each on every backend that can: gradients where they are computed.
 */
public final class Parity {
    private final ReferenceFolder folder;
    private final ParityOptions options;
    private final Consumer<ParityLine> sink;
    private final List<ParityCase> independent = new ArrayList<>();
    private final List<BackendCase> onBackends = new ArrayList<>();
    /** Cases that a backend could be asked. */
    private final Set<BackendCase> asked = new HashSet<>();

    private int compared;
    private int failed;
    private int skipped;

    private Parity(ReferenceFolder folder, ParityOptions options, Consumer<ParityLine> sink) {
        this.folder = folder;
        this.options = options;
        this.sink = sink;
        // Folders that belong to one case come first: what lies in them makes no other.
        independent.addAll(BratsCases.in(folder));
        independent.addAll(WeightFileCases.in(folder));
        independent.addAll(SlidingWindowCases.in(folder));
        independent.addAll(ScheduleCases.in(folder));
        independent.addAll(MetricsCases.in(folder));
        independent.addAll(TransformCases.in(folder));
        independent.addAll(ExperimentCases.in(folder));
        onBackends.addAll(ModelCases.in(folder));
        onBackends.addAll(LossCases.in(folder));
        onBackends.addAll(TrainingCases.in(folder));
    }

    /**
     * The count of outcomes.
     *
     * @param ok cases within their tolerance
     * @param failed cases beyond it
     * @param skipped cases that couldn't run here
     */
    public record Summary(int ok, int failed, int skipped) {
        /** Returns whether something was compared and nothing failed. */
        public boolean passed() {
            return failed == 0 && ok > 0;
        }
    }

    /**
     * Runs every case a folder has files for.
     *
     * @param directory a folder with reference files, which may lie in folders below it such as {@code models/} and {@code pipeline/}
     * @param options never {@code null}
     * @param sink receives each line as soon as it is known
     * @throws IOException when the folder can't be listed; an unreadable file inside is a failed case instead
     * @throws org.segformer3d.api.backend.BackendException when a named backend doesn't exist
     */
    public static Summary run(Path directory, ParityOptions options, Consumer<ParityLine> sink) throws IOException {
        Parity parity = new Parity(ReferenceFolder.open(directory), options, sink);
        parity.run();
        return new Summary(parity.compared - parity.failed, parity.failed, parity.skipped);
    }

    /** Files of a folder that no case is made from. */
    static List<String> unknownFiles(Path directory) throws IOException {
        return new Parity(ReferenceFolder.open(directory), ParityOptions.defaults(), line -> {}).folder.unknownFiles();
    }

    private void run() {
        runAll(independent);
        onBackends.removeIf(backendCase -> !wanted(backendCase.name()));
        for (String file : folder.unknownFiles()) {
            if (wanted(file)) {
                emit(ParityLine.skipped(file, "-", "no case is made from this file"));
            }
        }
        if (onBackends.isEmpty()) {
            return;
        }
        List<BackendProvider> providers = options.backends().isEmpty()
                ? Backends.providers()
                : options.backends().stream().map(Backends::provider).toList();
        for (BackendProvider provider : providers) {
            run(provider, onBackends);
        }
        for (BackendCase backendCase : onBackends) {
            if (!asked.contains(backendCase)) {
                emit(ParityLine.skipped(backendCase.name(), "*", "no backend that was asked computes this"));
            }
        }
    }

    private void run(BackendProvider provider, List<BackendCase> cases) {
        Optional<String> reason = provider.whyUnavailable(options.device());
        if (reason.isPresent()) {
            emit(ParityLine.skipped("*", provider.name(), reason.get()));
            return;
        }
        for (Variant variant : Variant.of(provider, options.device(), options.threads())) {
            Backend opened;
            try {
                opened = provider.open(variant.options());
            } catch (BackendException e) {
                if (variant.isAuto()) {
                    emit(ParityLine.skipped("*", variant.label("auto"), e.getMessage()));
                }
                // a backend needn't have every form
                continue;
            }
            try (Backend backend = opened) {
                for (BackendCase backendCase : cases) {
                    if (!backendCase.isPossible(backend)) {
                        continue;
                    }
                    asked.add(backendCase);
                    guarded(
                            backendCase.name(),
                            variant.label(variant.options().implementation().toString()),
                            () -> backendCase.run(variant, backend, this::offer));
                }
            }
        }
    }

    private void runAll(List<ParityCase> cases) {
        for (ParityCase parityCase : cases) {
            if (wanted(parityCase.name())) {
                guarded(parityCase.name(), parityCase.module(), () -> parityCase.run(this::offer));
            }
        }
    }

    /** Whether a case may have lines that are asked for: its name begins theirs. */
    private boolean wanted(String name) {
        return name.contains(options.only()) || options.only().startsWith(name);
    }

    private interface Body {
        void run() throws IOException;
    }

    /** One bad file or one failing computation is that case's failure and nobody else's. */
    private void guarded(String name, String backend, Body body) {
        try {
            body.run();
        } catch (IOException | RuntimeException e) {
            String message = e.getMessage() == null ? e.toString() : e.getMessage();
            emit(ParityLine.failed(name, backend, message));
        }
    }

    /** Emits a case's line where it is asked for. */
    private void offer(ParityLine line) {
        if (wanted(line.name())) {
            emit(line);
        }
    }

    private void emit(ParityLine line) {
        switch (line.status()) {
            case OK -> compared++;
            case FAIL -> {
                compared++;
                failed++;
            }
            case SKIPPED -> skipped++;
        }
        sink.accept(line);
    }

    /** A case that needs no backend. */
    interface ParityCase {
        String name();

        /** Who computes it. */
        String module();

        void run(Consumer<ParityLine> sink) throws IOException;
    }

    /** A case that every backend is asked. */
    interface BackendCase {
        String name();

        /** Returns whether a backend can be asked; one that can't computes no gradients. */
        boolean isPossible(Backend backend);

        void run(Variant variant, Backend backend, Consumer<ParityLine> sink) throws IOException;
    }
}
