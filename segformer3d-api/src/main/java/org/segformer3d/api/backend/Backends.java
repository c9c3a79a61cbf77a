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
 * highest rank that can do what is wanted.
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
     * A provider, and those that would have come first.
     *
     * @param provider the chosen one
     * @param passedOver one line for each better one that could be opened but can't do what is wanted: which, why, and what is used
     */
    public record Choice(BackendProvider provider, List<String> passedOver) {
        /** Copies the list. */
        public Choice {
            passedOver = List.copyOf(passedOver);
        }
    }

    /**
     * Chooses a provider for a purpose. One that is named, here or by the environment, is taken whatever it can do.
     *
     * @param name explicit name, or empty for the environment's or the best one that can be used here and do what is wanted
     * @param options how it is going to be opened
     * @param need what it is going to be used for
     * @throws BackendException when there is none
     */
    public static Choice choose(Optional<String> name, BackendOptions options, Need need) {
        Optional<String> wanted = name.filter(n -> !n.isBlank())
                .or(() -> Optional.ofNullable(System.getProperty("segformer3d.backend")))
                .or(() -> Optional.ofNullable(System.getenv(VARIABLE)))
                .filter(n -> !n.isBlank());
        if (wanted.isPresent()) {
            return new Choice(provider(wanted.get()), List.of());
        }
        List<BackendProvider> all = providers();
        List<String> reasons = new ArrayList<>();
        List<BackendProvider> unsuited = new ArrayList<>();
        for (BackendProvider provider : all) {
            // what it can't do is asked first: that loads nothing
            Optional<String> unsuitable = provider.whyUnsuited(options, need);
            Optional<String> reason = unsuitable.or(provider::whyUnavailable);
            if (reason.isEmpty()) {
                return new Choice(
                        provider,
                        unsuited.stream()
                                .map(other -> "backend '" + other.name() + "' "
                                        + other.whyUnsuited(options, need).orElseThrow() + "; '" + provider.name()
                                        + "' is used")
                                .toList());
            }
            // what follows from the options, a device or a type, was asked for and goes without saying
            if (unsuitable.isPresent()
                    && provider.whyUnsuited(options, Need.nothing()).isEmpty()) {
                unsuited.add(provider);
            }
            reasons.add(provider.name() + ": " + reason.get());
        }
        throw new BackendException(
                all.isEmpty()
                        ? "no backend on the class path; add the artifact " + KNOWN_ARTIFACTS.get("libtorch")
                        : "no backend can be used here: " + String.join("; ", reasons));
    }

    /**
     * Chooses a provider that can do everything.
     *
     * @param name explicit name, or empty for the environment's or the best one that is available here
     * @throws BackendException when there is none
     */
    public static BackendProvider choose(Optional<String> name) {
        return choose(name, BackendOptions.defaults(), Need.everything()).provider();
    }

    /**
     * Opens the best available backend (or the one the environment names) for a purpose.
     *
     * @throws BackendException when there is none or it can't be opened with these options
     */
    public static Backend open(BackendOptions options, Need need) {
        return choose(Optional.empty(), options, need).provider().open(options);
    }

    /**
     * Opens the best available backend (or the one the environment names) that can do everything.
     *
     * @throws BackendException when there is none or it can't be opened with these options
     */
    public static Backend open(BackendOptions options) {
        return open(options, Need.everything());
    }
}
