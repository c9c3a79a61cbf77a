import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.security.MessageDigest;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import java.util.zip.ZipEntry;
import java.util.zip.ZipFile;

/**
 * Compiles the C sources for every platform with the clang from Maven Central; run by the build of this module.
 *
 * <p>What was compiled once from the same sources with the same options is kept in {@code ~/.cache/segformer3d/kernels} and taken from
 * there. Where nothing can be compiled, one line says why and the module is built without libraries: the backend then says that it isn't
 * available.
 *
 * <p>Arguments: folder of sources, folder for the libraries, version of the artifact {@code org.bytedeco:llvm}, local Maven repository, home of Maven, whether Maven is
 * offline, which platforms ({@code all} or a name such as {@code linux-x86_64}).
 */
final class CompileKernels {
    /** Sources of a library of kernels; the headers they read are found beside them. */
    private static final List<String> KERNELS = List.of("runtime.c", "forward.c");

    private static final List<String> COMMON = List.of(
            "-std=gnu17", "-O3", "-ffreestanding", "-fPIC", "-fvisibility=hidden", "-ffp-contract=fast", "-fno-math-errno", "-fno-trapping-math",
            // Without it clang gathers the broadcasts of a tile in front and spills: 134 instead of 111 ms a forward.
            "-mllvm", "-enable-misched=false", "-fno-stack-protector", "-fno-asynchronous-unwind-tables", "-Wall", "-Wextra", "-Werror",
            "-Wno-unknown-pragmas", "-Wno-pass-failed");

    private record Isa(String name, List<String> options) {}

    private record Platform(String name, String triple, List<Isa> isas, String prefix, String suffix) {}

    private static final List<Isa> X86 =
            List.of(new Isa("avx512", List.of("-march=x86-64-v4", "-mprefer-vector-width=512")), new Isa("avx2", List.of("-march=x86-64-v3")));
    private static final List<Isa> ARM = List.of(new Isa("neon", List.of()));

    private static final List<Platform> PLATFORMS = List.of(
            new Platform("linux-x86_64", "x86_64-unknown-linux-gnu", X86, "lib", ".so"),
            new Platform("linux-arm64", "aarch64-unknown-linux-gnu", ARM, "lib", ".so"),
            new Platform("macosx-arm64", "arm64-apple-macos11", ARM, "lib", ".dylib"),
            new Platform("macosx-x86_64", "x86_64-apple-macos11", X86, "lib", ".dylib"),
            new Platform("windows-x86_64", "x86_64-pc-windows-msvc", X86, "", ".dll"));

    /** Says why nothing can be compiled here. */
    private static final class Unavailable extends Exception {
        private static final long serialVersionUID = 1;

        Unavailable(String message) {
            super(message);
        }
    }

    private final Path sources;
    private final Path output;
    private final String version;
    private final Path repository;
    private final Path maven;
    private final boolean offline;
    private final List<Platform> platforms;

    private CompileKernels(String... args) {
        sources = Path.of(args[0]);
        output = Path.of(args[1]);
        version = args[2];
        repository = Path.of(args[3]);
        maven = Path.of(args[4]);
        offline = Boolean.parseBoolean(args[5]);
        platforms = PLATFORMS.stream().filter(p -> args[6].equals("all") || List.of(args[6].split(",")).contains(p.name())).toList();
    }

    public static void main(String... args) throws Exception {
        CompileKernels compile = new CompileKernels(args);
        try {
            compile.run();
        } catch (Unavailable e) {
            System.out.println("[WARNING] the native kernels were not compiled, so the build has no backend 'native': " + e.getMessage());
        }
    }

    private void run() throws Exception {
        Path cache = cacheFolder();
        String key = key();
        Path kept = cache.resolve("kernels").resolve(key);
        if (!Files.isDirectory(kept)) {
            Path clang = compiler(cache);
            Path fresh = Files.createTempDirectory(Files.createDirectories(cache.resolve("kernels")), "new");
            try {
                compileAll(clang, fresh);
                moveInto(fresh, kept);
            } finally {
                delete(fresh);
            }
        }
        delete(output);
        copy(kept, output);
    }

    private static Path cacheFolder() {
        String given = System.getenv("XDG_CACHE_HOME");
        return (given == null || given.isBlank() ? Path.of(System.getProperty("user.home"), ".cache") : Path.of(given)).resolve("segformer3d");
    }

    /** Everything that decides what the libraries contain. */
    private String key() throws Exception {
        MessageDigest digest = MessageDigest.getInstance("SHA-256");
        digest.update((version + platforms + COMMON + KERNELS).getBytes(StandardCharsets.UTF_8));
        for (Path file : list(sources)) {
            digest.update(file.getFileName().toString().getBytes(StandardCharsets.UTF_8));
            digest.update(Files.readAllBytes(file));
        }
        return HexFormat.of().formatHex(digest.digest(), 0, 16);
    }

    private static List<Path> list(Path folder) throws IOException {
        try (Stream<Path> files = Files.list(folder)) {
            return files.sorted().toList();
        }
    }

    // --- the compiler ------------------------------------------------------------------------------------------------

    /** Returns the folder with clang and lld, unpacked if it isn't there yet. */
    private Path compiler(Path cache) throws Exception {
        String os = System.getProperty("os.name").toLowerCase(Locale.ROOT);
        String arch = System.getProperty("os.arch");
        if (!os.contains("linux") || !arch.equals("amd64")) {
            throw new Unavailable("they are compiled on Linux on x86_64 only (for every platform), and this is " + os + " on " + arch);
        }
        String classifier = "linux-x86_64";
        Path folder = cache.resolve("llvm-" + version + "-" + classifier);
        if (!Files.isExecutable(folder.resolve("clang"))) {
            Path jar = artifact(classifier);
            Path fresh = Files.createTempDirectory(Files.createDirectories(cache), "llvm");
            try {
                unpack(jar, "org/bytedeco/llvm/" + classifier + "/", fresh);
                moveInto(fresh, folder);
            } finally {
                delete(fresh);
            }
        }
        return folder;
    }

    private Path artifact(String classifier) throws Exception {
        Path jar = repository.resolve("org/bytedeco/llvm/" + version + "/llvm-" + version + "-" + classifier + ".jar");
        if (Files.isReadable(jar)) {
            return jar;
        }
        if (offline) {
            throw new Unavailable("Maven is offline and its repository has no org.bytedeco:llvm:" + version + ":jar:" + classifier
                    + " (147 MB); build once online");
        }
        Path mvn = maven.resolve("bin/mvn");
        if (!Files.isExecutable(mvn)) {
            throw new Unavailable("there is no " + mvn + " to fetch the compiler with");
        }
        System.out.println("[INFO] fetching the compiler, org.bytedeco:llvm:" + version + " (147 MB)");
        Process process = new ProcessBuilder(mvn.toString(), "-B", "-q", "-ntp", "-Dmaven.repo.local=" + repository,
                        "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:get", "-Dtransitive=false",
                        "-Dartifact=org.bytedeco:llvm:" + version + ":jar:" + classifier)
                .directory(Files.createTempDirectory("segformer3d-llvm").toFile())
                .redirectErrorStream(true)
                .start();
        String said = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        if (process.waitFor() != 0 || !Files.isReadable(jar)) {
            throw new Unavailable("org.bytedeco:llvm:" + version + ":jar:" + classifier + " couldn't be fetched: "
                    + said.lines().filter(l -> l.contains("ERROR")).findFirst().orElse("Maven said nothing"));
        }
        return jar;
    }

    private static void unpack(Path jar, String prefix, Path folder) throws IOException {
        List<String> programs = List.of("clang", "lld", "libclang-cpp.so", "libLLVM.so");
        try (ZipFile zip = new ZipFile(jar.toFile())) {
            for (ZipEntry entry : (Iterable<ZipEntry>) zip.stream().map(ZipEntry.class::cast)::iterator) {
                if (entry.isDirectory() || !entry.getName().startsWith(prefix)) {
                    continue;
                }
                String name = entry.getName().substring(prefix.length());
                if (programs.contains(name) || name.startsWith("lib/clang/")) {
                    Path file = folder.resolve(name).normalize();
                    if (!file.startsWith(folder)) {
                        throw new IOException("an entry that leaves its folder: " + entry.getName());
                    }
                    Files.createDirectories(file.getParent());
                    try (InputStream in = zip.getInputStream(entry)) {
                        Files.copy(in, file);
                    }
                }
            }
        }
        Map<String, String> links = Map.of(
                "libclang-cpp.so.20.1", "libclang-cpp.so", "libLLVM.so.20.1", "libLLVM.so", "ld.lld", "lld", "ld64.lld", "lld", "lld-link", "lld");
        for (Map.Entry<String, String> link : links.entrySet()) {
            Files.createSymbolicLink(folder.resolve(link.getKey()), Path.of(link.getValue()));
        }
        for (String program : List.of("clang", "lld")) {
            if (!folder.resolve(program).toFile().setExecutable(true)) {
                throw new IOException("can't make " + folder.resolve(program) + " executable");
            }
        }
    }

    // --- compiling ---------------------------------------------------------------------------------------------------

    private void compileAll(Path compiler, Path folder) throws Exception {
        long start = System.nanoTime();
        Map<String, String> hashes = new TreeMap<>();
        for (Platform platform : platforms) {
            Map<String, Path> libraries = new LinkedHashMap<>();
            try {
                if (platform.isas() == X86) {
                    libraries.put("probe", build(compiler, platform, "probe", List.of(), List.of("probe.c"), folder));
                }
                for (Isa isa : platform.isas()) {
                    libraries.put(isa.name(), build(compiler, platform, isa.name(), isa.options(), KERNELS, folder));
                }
            } catch (CompilerFailure e) {
                if (platform.name().startsWith("linux")) {
                    throw e;
                }
                System.out.println("[WARNING] no native kernels for " + platform.name() + ": " + e.getMessage().lines().findFirst().orElse(""));
                continue;
            }
            for (Map.Entry<String, Path> library : libraries.entrySet()) {
                hashes.put(platform.name() + "/" + library.getValue().getFileName(), sha256(library.getValue()));
            }
        }
        Files.write(
                folder.resolve("index.properties"),
                hashes.entrySet().stream().map(e -> e.getKey() + "=" + e.getValue()).toList());
        System.out.println("[INFO] compiled native kernels for "
                + platforms.stream().map(Platform::name).collect(Collectors.joining(", ")) + " in "
                + TimeUnit.NANOSECONDS.toMillis(System.nanoTime() - start) + " ms");
    }

    private static final class CompilerFailure extends IOException {
        private static final long serialVersionUID = 1;

        CompilerFailure(String message) {
            super(message);
        }
    }

    private Path build(Path compiler, Platform platform, String name, List<String> options, List<String> files, Path folder) throws Exception {
        Path library = Files.createDirectories(folder.resolve(platform.name()))
                .resolve(platform.prefix() + "segformer3d-" + name + platform.suffix());
        Path objects = Files.createTempDirectory("segformer3d-kernels");
        try {
            List<Process> running = new ArrayList<>();
            List<Path> made = new ArrayList<>();
            for (String file : files) {
                Path object = objects.resolve(file + ".o");
                List<String> command = new ArrayList<>(List.of(compiler.resolve("clang").toString(), "--target=" + platform.triple()));
                command.addAll(COMMON);
                command.addAll(options);
                if (platform.name().startsWith("windows")) {
                    command.removeAll(List.of("-fPIC"));
                    command.add("-mno-stack-arg-probe"); // there is no C library to probe with
                }
                command.addAll(List.of("-c", sources.resolve(file).toString(), "-o", object.toString()));
                running.add(start(compiler, command));
                made.add(object);
            }
            for (Process process : running) {
                finish(process);
            }
            finish(start(compiler, link(compiler, platform, made, objects, library)));
            Files.deleteIfExists(library.resolveSibling("segformer3d-" + name + ".lib"));
            return library;
        } finally {
            delete(objects);
        }
    }

    private List<String> link(Path compiler, Platform platform, List<Path> objects, Path work, Path library) throws Exception {
        List<String> command = new ArrayList<>();
        if (platform.name().startsWith("windows")) {
            Path kernel = work.resolve("kernel32.lib");
            Path definitions = work.resolve("kernel32.def");
            Files.write(definitions, List.of("LIBRARY kernel32.dll", "EXPORTS", "VirtualAlloc", "VirtualFree", "SwitchToThread"));
            finish(start(compiler, List.of(compiler.resolve("lld-link").toString(), "/lib", "/machine:x64", "/def:" + definitions, "/out:" + kernel)));
            command.addAll(List.of(compiler.resolve("lld-link").toString(), "/dll", "/noentry", "/nodefaultlib", "/Brepro", "/out:" + library));
            command.add(kernel.toString());
        } else if (platform.name().startsWith("macosx")) {
            command.addAll(List.of(compiler.resolve("ld64.lld").toString(), "-dylib", "-arch", platform.name().endsWith("arm64") ? "arm64" : "x86_64",
                    "-platform_version", "macos", "11.0", "11.0", "-undefined", "dynamic_lookup", "-o", library.toString()));
        } else {
            command.addAll(List.of(compiler.resolve("ld.lld").toString(), "-shared", "-s", "-z", "noexecstack", "-z", "now",
                    "--build-id=none", "-o", library.toString()));
        }
        objects.forEach(object -> command.add(object.toString()));
        return command;
    }

    private static Process start(Path compiler, List<String> command) throws IOException {
        ProcessBuilder builder = new ProcessBuilder(command).redirectErrorStream(true);
        builder.environment().put("LD_LIBRARY_PATH", compiler.toString());
        Path said = Files.createTempFile("segformer3d-clang", ".log");
        builder.redirectOutput(said.toFile());
        Process process = builder.start();
        LOGS.put(process, said);
        return process;
    }

    private static final Map<Process, Path> LOGS = new LinkedHashMap<>();

    private static void finish(Process process) throws Exception {
        int code = process.waitFor();
        Path log = LOGS.remove(process);
        String said = Files.readString(log);
        Files.delete(log);
        if (code != 0) {
            throw new CompilerFailure(said.isBlank() ? "the compiler ended with " + code : said.strip());
        }
    }

    // --- files -------------------------------------------------------------------------------------------------------

    private static String sha256(Path file) throws Exception {
        return HexFormat.of().formatHex(MessageDigest.getInstance("SHA-256").digest(Files.readAllBytes(file)));
    }

    /** Several builds may do the same at once; the first one's result stays. */
    private static void moveInto(Path fresh, Path folder) throws IOException {
        try {
            Files.move(fresh, folder, StandardCopyOption.ATOMIC_MOVE);
        } catch (IOException e) {
            if (!Files.isDirectory(folder)) {
                throw e;
            }
        }
    }

    private static void copy(Path from, Path to) throws IOException {
        try (Stream<Path> files = Files.walk(from)) {
            for (Path file : (Iterable<Path>) files::iterator) {
                Path target = to.resolve(from.relativize(file).toString());
                if (Files.isDirectory(file)) {
                    Files.createDirectories(target);
                } else {
                    Files.copy(file, target);
                }
            }
        }
    }

    private static void delete(Path folder) throws IOException {
        if (!Files.exists(folder)) {
            return;
        }
        try (Stream<Path> files = Files.walk(folder)) {
            for (Path file : (Iterable<Path>) files.sorted(Comparator.reverseOrder())::iterator) {
                Files.delete(file);
            }
        }
    }
}
