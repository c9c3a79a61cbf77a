package org.segformer3d.api.backend;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.ServiceLoader;
import java.util.stream.Collectors;
import org.segformer3d.api.config.Suggestions;

/**
 * Finds and chooses backends: the one named explicitly, else the one named by {@code SEGFORMER3D_BACKEND}, else the available one of
 * highest rank.
 */
public final class Backends {
    /** Environment variable (and, in lower case with dots, system property) that names the backend. */
    public static final String VARIABLE = "SEGFORMER3D_BACKEND";

    private static final Map<String, String> KNOWN_ARTIFACTS = Map.of(
            "native", "org.segformer3d:segformer3d-backend-native",
            "libtorch", "org.segformer3d:segformer3d-backend-libtorch",
            "reference", "org.segformer3d:segformer3d-backend-reference",
            "onnxruntime", "org.segformer3d:segformer3d-backend-onnxruntime");

    private Backends() {}

    /** Returns every provider on the class path or module path, highest rank first. */
    public static List<BackendProvider> providers() {
        List<BackendProvider> found = new ArrayList<>();
        ServiceLoader.load(BackendProvider.class).forEach(found::add);
        found.sort(Comparator.comparingInt(BackendProvider::rank).reversed().thenComparing(BackendProvider::name));
        return List.copyOf(found);
    }

    /**
     * Returns the provider of that name.
     *
     * @throws BackendException when there is none; the message lists the names there are and the artifact to add
     */
    public static BackendProvider provider(String name) {
        List<BackendProvider> all = providers();
        for (BackendProvider provider : all) {
            if (provider.name().equals(name)) {
                return provider;
            }
        }
        List<String> names = all.stream().map(BackendProvider::name).toList();
        String artifact = KNOWN_ARTIFACTS.containsKey(name)
                ? "add the artifact " + KNOWN_ARTIFACTS.get(name) + " to the class path"
                : Suggestions.nearest(name, names)
                        .map(near -> "did you mean '" + near + "'?")
                        .orElse("known artifacts: "
                                + KNOWN_ARTIFACTS.values().stream().sorted().collect(Collectors.joining(", ")));
        throw new BackendException(
                "backend: found '" + name + "', expected one of " + names + " (on the class path); " + artifact);
    }

    /**
     * Chooses a provider.
     *
     * @param name explicit name, or empty for the environment's or the best one that is available here
     * @throws BackendException when there is none
     */
    public static BackendProvider choose(Optional<String> name) {
        Optional<String> wanted = name.filter(n -> !n.isBlank())
                .or(() -> Optional.ofNullable(System.getProperty("segformer3d.backend")))
                .or(() -> Optional.ofNullable(System.getenv(VARIABLE)))
                .filter(n -> !n.isBlank());
        if (wanted.isPresent()) {
            return provider(wanted.get());
        }
        List<BackendProvider> all = providers();
        List<String> reasons = new ArrayList<>();
        for (BackendProvider provider : all) {
            Optional<String> reason = provider.whyUnavailable();
            if (reason.isEmpty()) {
                return provider;
            }
            reasons.add(provider.name() + ": " + reason.get());
        }
        throw new BackendException(
                all.isEmpty()
                        ? "no backend on the class path; add the artifact " + KNOWN_ARTIFACTS.get("libtorch")
                        : "no backend can be used here: " + String.join("; ", reasons));
    }

    /**
     * Opens the best available backend (or the one the environment names).
     *
     * @throws BackendException when there is none or it can't be opened with these options
     */
    public static Backend open(BackendOptions options) {
        return choose(Optional.empty()).open(options);
    }
}
