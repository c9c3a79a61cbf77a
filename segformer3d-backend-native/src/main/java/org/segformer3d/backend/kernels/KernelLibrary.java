package org.segformer3d.backend.kernels;

import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.Properties;
import org.slf4j.LoggerFactory;

/**
 * Loads the library for this processor, once a process: chosen by what the processor and the operating system can do, unpacked once into a
 * cache folder, checked by hash, and tried on small problems before anything relies on it.
 *
 * <p>The folder is the one that the property {@code segformer3d.native.cache} names, else {@code segformer3d/native} in the user's folder for
 * caches; where that can't be written, a temporary one.
 */
final class KernelLibrary {
    private static final String CACHE_PROPERTY = "segformer3d.native.cache";

    private record Outcome(Optional<Isa> isa, Optional<String> problem) {}

    private static final class Loaded {
        private static final Outcome OUTCOME = tryLoad();

        private static Outcome tryLoad() {
            try {
                Isa isa = load();
                Optional<String> wrong = SelfTest.run();
                if (wrong.isPresent()) {
                    String problem = "the " + isa.key() + " kernels compute wrong values on this processor ("
                            + wrong.get() + "); use another backend, or -D" + Isa.PROPERTY + "=avx2";
                    LoggerFactory.getLogger(KernelLibrary.class).warn("backend 'native' is left out: {}", problem);
                    return new Outcome(Optional.empty(), Optional.of(problem));
                }
                return new Outcome(Optional.of(isa), Optional.empty());
            } catch (IOException | LinkageError e) {
                return new Outcome(Optional.empty(), Optional.of(String.valueOf(e.getMessage())));
            }
        }
    }

    private KernelLibrary() {}

    /** Returns why there are no kernels here, one line with what to do about it; empty when there are. Loads them. */
    static Optional<String> problem() {
        return Loaded.OUTCOME.problem();
    }

    /**
     * Returns the instruction set whose kernels are loaded.
     *
     * @throws IllegalStateException when none could be
     */
    static Isa isa() {
        return Loaded.OUTCOME
                .isa()
                .orElseThrow(
                        () -> new IllegalStateException(Loaded.OUTCOME.problem().orElseThrow()));
    }

    private static Isa load() throws IOException {
        String platform = platform();
        Properties index = index();
        if (index.keySet().stream().noneMatch(key -> key.toString().startsWith(platform + "/"))) {
            throw new IOException("this build has no native kernels for " + platform
                    + (index.isEmpty() ? " (its compiler could not be fetched; build again online)" : ""));
        }
        List<Isa> possible;
        if (platform.endsWith("x86_64")) {
            System.load(unpacked(platform, "probe", index).toString());
            possible = Isa.ofX86(Processor.level());
            if (possible.isEmpty()) {
                throw new IOException("the native kernels need a processor with AVX2 and FMA");
            }
        } else {
            possible = List.of(Isa.NEON);
        }
        Isa isa = wanted(possible);
        System.load(unpacked(platform, isa.key(), index).toString());
        return isa;
    }

    private static Isa wanted(List<Isa> possible) throws IOException {
        String name = System.getProperty(Isa.PROPERTY, "").strip().toLowerCase(Locale.ROOT);
        if (name.isEmpty() || name.equals("auto")) {
            return possible.get(0);
        }
        for (Isa isa : possible) {
            if (isa.key().equals(name)) {
                return isa;
            }
        }
        throw new IOException(Isa.PROPERTY + ": found '" + name + "', expected auto or one of "
                + possible.stream().map(Isa::key).toList() + ", which this processor has");
    }

    static String platform() {
        String os = System.getProperty("os.name").toLowerCase(Locale.ROOT);
        String arch = System.getProperty("os.arch").toLowerCase(Locale.ROOT);
        String system =
                os.contains("linux") ? "linux" : os.contains("mac") ? "macosx" : os.contains("win") ? "windows" : os;
        String processor = switch (arch) {
            case "amd64", "x86_64" -> "x86_64";
            case "aarch64", "arm64" -> "arm64";
            default -> arch;
        };
        return system + "-" + processor;
    }

    private static Properties index() throws IOException {
        Properties index = new Properties();
        try (InputStream in = KernelLibrary.class.getResourceAsStream("index.properties")) {
            if (in != null) {
                index.load(in);
            }
        }
        return index;
    }

    /** Returns the library's file, which has the hash that the index tells. */
    private static Path unpacked(String platform, String name, Properties index) throws IOException {
        String file = System.mapLibraryName("segformer3d-" + name);
        String hash = index.getProperty(platform + "/" + file);
        if (hash == null) {
            throw new IOException("this build has no " + name + " kernels for " + platform);
        }
        try {
            return unpack(cacheFolder().resolve(hash.substring(0, 16)), platform, file, hash);
        } catch (IOException e) {
            Path temporary = Files.createTempDirectory("segformer3d-native");
            Path library = unpack(temporary, platform, file, hash);
            temporary.toFile().deleteOnExit();
            library.toFile().deleteOnExit();
            return library;
        }
    }

    private static Path unpack(Path folder, String platform, String file, String hash) throws IOException {
        Path library = folder.resolve(file).toAbsolutePath();
        if (Files.isReadable(library) && sha256(Files.readAllBytes(library)).equals(hash)) {
            return library;
        }
        byte[] bytes;
        try (InputStream in = KernelLibrary.class.getResourceAsStream(platform + "/" + file)) {
            if (in == null) {
                throw new IOException("the jar lacks " + platform + "/" + file);
            }
            bytes = in.readAllBytes();
        }
        if (!sha256(bytes).equals(hash)) {
            throw new IOException(
                    "the jar's " + platform + "/" + file + " is damaged: its SHA-256 isn't the one it was built with");
        }
        Files.createDirectories(folder);
        Path fresh = Files.createTempFile(folder, file, ".new");
        try {
            Files.write(fresh, bytes);
            Files.move(fresh, library, StandardCopyOption.ATOMIC_MOVE);
        } finally {
            Files.deleteIfExists(fresh);
        }
        return library;
    }

    private static Path cacheFolder() {
        String given = System.getProperty(CACHE_PROPERTY, "");
        if (!given.isBlank()) {
            return Path.of(given);
        }
        String os = System.getProperty("os.name").toLowerCase(Locale.ROOT);
        String home = System.getProperty("user.home");
        String base = os.contains("win") ? System.getenv("LOCALAPPDATA") : System.getenv("XDG_CACHE_HOME");
        Path caches = base != null && !base.isBlank()
                ? Path.of(base)
                : os.contains("mac") ? Path.of(home, "Library", "Caches") : Path.of(home, ".cache");
        return caches.resolve("segformer3d").resolve("native");
    }

    private static String sha256(byte[] bytes) {
        try {
            return HexFormat.of().formatHex(MessageDigest.getInstance("SHA-256").digest(bytes));
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException("every Java runtime has SHA-256", e);
        }
    }
}
