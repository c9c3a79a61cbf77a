package org.segformer3d.backend.libtorch;

import java.io.File;
import java.io.IOException;
import java.net.JarURLConnection;
import java.net.URL;
import java.util.ArrayList;
import java.util.Enumeration;
import java.util.List;
import java.util.Optional;
import java.util.jar.JarEntry;
import org.bytedeco.javacpp.Loader;
import org.bytedeco.openblas.presets.openblas_nolapack;
import org.bytedeco.pytorch.global.torch;

/**
 * Loads the native libraries, once per process, and says in one line why that can't be done here.
 *
 * <p>The order matters. JavaCPP reads its memory limits when its {@code Pointer} class is initialised, so they are set first. All of
 * libtorch is extracted before any of it is opened: otherwise {@code libtorch.so} is opened while {@code libtorch_cpu.so} isn't
 * there yet, and on a system with a libtorch of its own that one gets bound instead, which crashes the process.
 */
final class Natives {
    private static boolean attempted;
    private static String failure;

    private Natives() {}

    /** Returns why libtorch can't be used here; empty when it is loaded. */
    static synchronized Optional<String> whyUnavailable() {
        if (!attempted) {
            attempted = true;
            failure = load();
        }
        return Optional.ofNullable(failure);
    }

    private static String load() {
        // JavaCPP counts the whole process against these limits (by default multiples of the Java heap's) and would
        // refuse to
        // allocate although memory is plentiful.
        setUnlessGiven("org.bytedeco.javacpp.maxPhysicalBytes", "0");
        setUnlessGiven("org.bytedeco.javacpp.maxBytes", "0");
        String platform;
        try {
            platform = Loader.getPlatform();
            if (Natives.class.getResource(jniLibrary("pytorch", platform, "jnitorch")) == null
                    && Natives.class.getResource(jniLibrary("pytorch", platform + "-gpu", "jnitorch")) == null) {
                return "no libtorch for this platform on the class path; add org.bytedeco:pytorch, :openblas and :javacpp"
                        + " with the classifier " + platform
                        + " (in this project: -Dnative.platform=" + platform + " or -Pall-platforms)";
            }
            extract("/org/bytedeco/openblas/" + platform + "/");
            extract("/org/bytedeco/pytorch/" + platform + "/");
            extract("/org/bytedeco/pytorch/" + platform + "-gpu/");
        } catch (IOException e) {
            return "can't extract libtorch to " + cacheDirectory() + " (" + e.getMessage()
                    + "); free 500 MB there or choose a folder with -Dorg.bytedeco.javacpp.cachedir=DIR";
        } catch (LinkageError | RuntimeException e) {
            return "can't prepare JavaCPP's natives: " + oneLine(e);
        }
        try {
            Loader.load(torch.class);
        } catch (LinkageError | RuntimeException e) {
            return "can't load libtorch for " + platform + ": " + oneLine(e);
        }
        // One pool of threads: libtorch's own. OpenBLAS's would multiply with it and both spin while they wait.
        openblas_nolapack.blas_set_num_threads(1);
        try {
            torch.set_num_interop_threads(1);
        } catch (RuntimeException e) {
            // libtorch takes it once a process, and somebody else in this one was first: it only saves idle threads
        }
        return null;
    }

    /**
     * Extracts every library of a folder of the class path that isn't in the cache with the right size and time: a half-written file
     * of an interrupted first run is replaced.
     */
    private static void extract(String folder) throws IOException {
        URL url = Natives.class.getResource(folder);
        if (url == null || !(url.openConnection() instanceof JarURLConnection connection)) {
            return;
        }
        List<String> names = new ArrayList<>();
        Enumeration<JarEntry> entries = connection.getJarFile().entries();
        while (entries.hasMoreElements()) {
            JarEntry entry = entries.nextElement();
            String name = "/" + entry.getName();
            if (name.startsWith(folder) && !entry.isDirectory() && isLibrary(name.substring(folder.length()))) {
                names.add(name);
            }
        }
        for (String name : names) {
            if (Loader.cacheResource(Natives.class, name) == null) {
                throw new IOException("could not extract " + name);
            }
        }
    }

    private static boolean isLibrary(String name) {
        return name.indexOf('/') < 0
                && (name.contains(".so") || name.endsWith(".dylib") || name.endsWith(".dll"))
                // the LAPACK wrappers for Java are large and not used
                && !name.contains("jniopenblas_full");
    }

    private static String jniLibrary(String module, String folder, String library) {
        java.util.Properties properties = Loader.loadProperties();
        return "/org/bytedeco/" + module + "/" + folder + "/" + properties.getProperty("platform.library.prefix", "")
                + library + properties.getProperty("platform.library.suffix", "");
    }

    /** Returns the version of one of JavaCPP's presets, for example {@code 2.10.0-1.5.13}. */
    static String version(String preset) {
        try {
            return Loader.getVersion("org.bytedeco", preset);
        } catch (IOException e) {
            return "unknown (" + e.getMessage() + ")";
        }
    }

    /** Returns the number of CUDA devices libtorch sees; libtorch must be loaded. */
    static int cudaDevices() {
        return torch.cuda_is_available() ? torch.cuda_device_count() & 0xff : 0;
    }

    /** Returns why a CUDA device can't be used although libtorch is loaded; empty when it can. */
    static Optional<String> whyCudaUnavailable(int index) {
        int count = cudaDevices();
        if (index < count) {
            return Optional.empty();
        }
        if (count > 0) {
            return Optional.of("there is no cuda:" + index + "; the last one is cuda:" + (count - 1));
        }
        String platform = Loader.getPlatform();
        if (Natives.class.getResource(jniLibrary("pytorch", platform + "-gpu", "jnitorch")) == null) {
            return Optional.of("the CUDA build of libtorch isn't on the class path; build with -Pgpu, which adds"
                    + " org.bytedeco:pytorch with the classifier " + platform + "-gpu");
        }
        if (!torch.hasCUDA()) {
            return Optional.of(
                    "libtorch's CUDA libraries were found but not loaded; CUDA 13, cuDNN 9 and NCCL 2 must be on"
                            + " the library path (LD_LIBRARY_PATH): " + missingLibrary());
        }
        return Optional.of("CUDA is loaded but sees no GPU; check the NVIDIA driver with nvidia-smi and that"
                + " CUDA_VISIBLE_DEVICES doesn't hide it");
    }

    private static String missingLibrary() {
        try {
            Loader.load(org.bytedeco.pytorch.global.torch_cuda.class);
            return "no single library is missing";
        } catch (LinkageError | RuntimeException e) {
            return oneLine(e);
        }
    }

    private static void setUnlessGiven(String key, String value) {
        if (System.getProperty(key) == null) {
            System.setProperty(key, value);
        }
    }

    private static String cacheDirectory() {
        try {
            File directory = Loader.getCacheDir();
            return directory.getPath();
        } catch (IOException e) {
            return "JavaCPP's cache (" + e.getMessage() + ")";
        }
    }

    private static String oneLine(Throwable e) {
        Throwable cause = e;
        while (cause.getCause() != null) {
            cause = cause.getCause();
        }
        return (cause.getClass().getSimpleName() + ": " + cause.getMessage())
                .lines()
                .findFirst()
                .orElse("");
    }
}
