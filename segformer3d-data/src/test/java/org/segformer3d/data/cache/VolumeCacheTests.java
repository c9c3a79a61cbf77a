package org.segformer3d.data.cache;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.File;
import java.io.IOException;
import java.net.URL;
import java.net.URLClassLoader;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.segformer3d.api.tensor.HostTensor;
import org.segformer3d.data.weights.TensorFile;

class VolumeCacheTests {
    private static final int ENTRIES = 40;

    @TempDir
    Path folder;

    private static CacheKey key(int n) {
        return CacheKey.of("squares", 1).with("n", n);
    }

    private static TensorFile squares(int n) {
        float[] values = new float[1000];
        for (int i = 0; i < values.length; i++) {
            values[i] = n * i * (float) i;
        }
        return new TensorFile(Map.of("image", HostTensor.of(values, 10, 100)), Map.of("n", Integer.toString(n)));
    }

    /** Asks for all entries, noting in a file of this process which it had to compute; also run as another process. */
    static final class Asker {
        public static void main(String[] args) throws IOException {
            Path log = Path.of(args[1]);
            VolumeCache cache = VolumeCache.open(Path.of(args[0]));
            for (int n = 0; n < ENTRIES; n++) {
                int number = n;
                TensorFile found = cache.get(key(n), () -> {
                    Files.writeString(log, number + "\n", StandardOpenOption.CREATE, StandardOpenOption.APPEND);
                    return squares(number);
                });
                if (!found.equals(squares(n))) {
                    throw new IllegalStateException("entry " + n + " isn't what was computed");
                }
            }
        }
    }

    private static List<String> computed(Path log) throws IOException {
        return Files.exists(log) ? Files.readAllLines(log) : List.of();
    }

    @Nested
    class Keys {
        @Test
        void depend_on_every_part_and_not_on_the_order_of_a_map() throws IOException {
            Map<String, Object> one = new LinkedHashMap<>();
            one.put("spacing", List.of(1.0, 1.0, 2.5));
            one.put("cropping", "none");
            Map<String, Object> turned = new LinkedHashMap<>();
            turned.put("cropping", "none");
            turned.put("spacing", List.of(1.0, 1.0, 2.5));
            Path file = Files.writeString(folder.resolve("a"), "voxels");
            Path copy = Files.writeString(folder.resolve("b"), "voxels");
            Path other = Files.writeString(folder.resolve("c"), "voxelz");
            CacheKey base = CacheKey.of("prepared", 1);

            assertThat(base.with("spec", one).withFile("image", file))
                    .isEqualTo(base.with("spec", turned).withFile("image", copy))
                    .hasToString(
                            base.with("spec", turned).withFile("image", copy).hash());
            assertThat(List.of(
                            base.hash(),
                            CacheKey.of("prepared", 2).hash(),
                            CacheKey.of("resampled", 1).hash(),
                            base.with("spec", one).hash(),
                            base.with("spec", Map.of()).hash(),
                            base.with("spec", null).hash(),
                            base.with("other", one).hash(),
                            base.with("a", "b").with("c", "d").hash(),
                            base.with("c", "d").with("a", "b").hash(),
                            base.withFile("image", file).hash(),
                            base.withFile("image", other).hash(),
                            base.withFile("label", file).hash()))
                    .doesNotHaveDuplicates();
            assertThat(base.with("spec", one)).isNotEqualTo(base);
        }

        @Test
        void refuse_what_has_no_content() {
            assertThatThrownBy(() -> CacheKey.of("x", 1).with("loader", new Object()))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessageContaining("loader");
        }
    }

    @Nested
    class Entries {
        @Test
        void are_computed_once_and_then_read() throws IOException {
            AtomicInteger computed = new AtomicInteger();
            for (int n = 0; n < 3; n++) {
                TensorFile found = VolumeCache.open(folder).get(key(7), () -> {
                    computed.incrementAndGet();
                    return squares(7);
                });
                assertThat(found).isEqualTo(squares(7));
            }
            assertThat(computed).hasValue(1);
        }

        @Test
        void are_computed_anew_when_they_were_damaged() throws IOException {
            VolumeCache cache = VolumeCache.open(folder);
            cache.get(key(1), () -> squares(1));
            byte[] whole = Files.readAllBytes(cache.file(key(1)));
            byte[] flipped = whole.clone();
            flipped[flipped.length - 5] ^= 4;
            byte[] renamed = new String(whole, java.nio.charset.StandardCharsets.ISO_8859_1)
                    .replace("\"n\":\"1\"", "\"n\":\"2\"")
                    .getBytes(java.nio.charset.StandardCharsets.ISO_8859_1);
            assertThat(renamed).isNotEqualTo(whole);
            for (byte[] damaged :
                    List.of(flipped, renamed, java.util.Arrays.copyOf(whole, whole.length / 2), new byte[0])) {
                Files.write(cache.file(key(1)), damaged);
                assertThat(cache.get(key(1), () -> squares(1))).isEqualTo(squares(1));
                assertThat(cache.file(key(1))).hasBinaryContent(whole);
            }
            Files.copy(cache.file(key(1)), cache.file(key(2)));
            assertThat(cache.get(key(2), () -> squares(2))).isEqualTo(squares(2));
        }

        @Test
        void leave_nothing_behind_when_computing_fails_and_take_away_what_a_killed_process_left() throws IOException {
            VolumeCache cache = VolumeCache.open(folder);
            assertThatThrownBy(() -> cache.get(key(3), () -> {
                        throw new IOException("no such scan");
                    }))
                    .hasMessage("no such scan");
            assertThat(folder).isDirectoryNotContaining("glob:**.{safetensors,tmp}");

            Path leftover = Files.writeString(
                    folder.resolve("." + cache.file(key(3)).getFileName() + ".0f0e.tmp"), "half of it");
            cache.get(key(3), () -> squares(3));
            assertThat(leftover).doesNotExist();
        }

        @Test
        void are_still_computed_where_nothing_can_be_kept() throws IOException {
            VolumeCache cache = VolumeCache.open(folder.resolve("cache"));
            Files.delete(folder.resolve("cache"));
            Files.writeString(folder.resolve("cache"), "in the way");
            assertThat(cache.get(key(4), () -> squares(4))).isEqualTo(squares(4));
            assertThatThrownBy(() -> VolumeCache.open(folder.resolve("cache")))
                    .isInstanceOf(IOException.class)
                    .hasMessageContaining("found a file");
        }
    }

    @Nested
    class Shared {
        @Test
        void by_two_processes_computes_everything_once() throws Exception {
            List<Process> processes = new ArrayList<>();
            List<String> computed = new ArrayList<>();
            Path cache = folder.resolve("cache");
            for (int p = 0; p < 2; p++) {
                processes.add(new ProcessBuilder(
                                Path.of(System.getProperty("java.home"), "bin", "java")
                                        .toString(),
                                "-XX:TieredStopAtLevel=1",
                                "-cp",
                                System.getProperty("java.class.path"),
                                Asker.class.getName(),
                                cache.toString(),
                                folder.resolve("log" + p).toString())
                        .redirectErrorStream(true)
                        .redirectOutput(folder.resolve("output" + p).toFile())
                        .start());
            }
            for (int p = 0; p < 2; p++) {
                assertThat(processes.get(p).waitFor(120, TimeUnit.SECONDS)).isTrue();
                assertThat(processes.get(p).exitValue())
                        .as(Files.readString(folder.resolve("output" + p)))
                        .isZero();
                computed.addAll(computed(folder.resolve("log" + p)));
            }
            assertThat(computed).hasSize(ENTRIES).doesNotHaveDuplicates();
            assertThat(cache).isDirectoryNotContaining("glob:**.tmp");
        }

        /** Two copies of the code in one process have no common Java lock, and the system's lock is per process. */
        @Test
        void by_two_copies_of_the_code_and_many_threads_computes_everything_once() throws Exception {
            List<URL> classes = new ArrayList<>();
            for (String entry : System.getProperty("java.class.path").split(File.pathSeparator)) {
                classes.add(Path.of(entry).toUri().toURL());
            }
            ExecutorService threads = Executors.newFixedThreadPool(6);
            List<Future<?>> asking = new ArrayList<>();
            try (URLClassLoader copy =
                    new URLClassLoader(classes.toArray(URL[]::new), ClassLoader.getPlatformClassLoader())) {
                Class<?> asker = copy.loadClass(Asker.class.getName());
                java.lang.reflect.Method main = asker.getDeclaredMethod("main", String[].class);
                main.setAccessible(true);
                String[] args = {
                    folder.resolve("cache").toString(), folder.resolve("log").toString()
                };
                for (int t = 0; t < 3; t++) {
                    asking.add(threads.submit(() -> main.invoke(null, (Object) args)));
                    asking.add(threads.submit(() -> {
                        Asker.main(args);
                        return null;
                    }));
                }
                for (Future<?> one : asking) {
                    one.get(120, TimeUnit.SECONDS);
                }
            } finally {
                threads.shutdownNow();
            }
            assertThat(computed(folder.resolve("log"))).hasSize(ENTRIES).doesNotHaveDuplicates();
        }
    }
}
