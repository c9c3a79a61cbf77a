package org.segformer3d.data.weights;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.fail;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.segformer3d.api.block.Grid;
import org.segformer3d.api.tensor.HostTensor;
import org.segformer3d.api.weights.StateDict;
import org.segformer3d.data.dataset.DatasetReader;
import org.segformer3d.data.dataset.Split;
import org.segformer3d.data.format.Mutations;
import org.segformer3d.data.format.VolumeFiles;
import org.segformer3d.data.io.FileFormatException;
import org.segformer3d.data.volume.Affine;
import org.segformer3d.data.volume.Geometry;
import org.segformer3d.data.volume.Volume;

/** Whatever is done to a file of any kind, it is read or refused by an exception that names it, and a lie about sizes takes no memory. */
class MutatedFilesTests {
    private static final int ROUNDS = 400;
    /** Buffers and a thread's start; the files themselves are a few kilobytes. */
    private static final long MOST_BYTES = 48 << 20;

    @TempDir
    Path folder;

    /** A reader of one kind. */
    private interface Reader {
        void read(Path file) throws IOException;
    }

    /** What is damaged. */
    private enum Kind {
        NII(".nii"),
        NII_GZ(".nii.gz"),
        NRRD(".nrrd"),
        NRRD_ASCII(".nrrd"),
        NHDR(".nhdr"),
        MHA(".mha"),
        MHD(".mhd"),
        MGH(".mgh"),
        MGZ(".mgz"),
        NPY(".npy"),
        NPZ(".npz"),
        SAFETENSORS(".safetensors"),
        PYTORCH(".pt"),
        SHARDS(".index.json"),
        DATASET(".json"),
        SPLIT(".json");

        private final String ending;

        Kind(String ending) {
            this.ending = ending;
        }
    }

    private byte[] sound(Kind kind, Path file) throws IOException {
        Geometry geometry = Geometry.of(new Grid(3, 4, 5), Affine.ofRows(2, 0, 0, 1, 0, 3, 0.25, 2, 0, 0, 4, 3));
        float[] values = new float[120];
        for (int n = 0; n < values.length; n++) {
            values[n] = n % 7;
        }
        Map<String, HostTensor> tensors = Map.of("a.weight", HostTensor.of(values, 4, 30));
        switch (kind) {
            case NRRD_ASCII ->
                Files.writeString(
                        file,
                        "NRRD0004\ntype: short\ndimension: 4\nsizes: 2 3 4 5\nkinds: vector space space space\nencoding: ascii\n"
                                + "space: RAS\nspace directions: none (1,0,0) (0,1,0) (0,0,1)\nspace origin: (0,0,0)\n\n"
                                + "1 2 3 ".repeat(40));
            case SAFETENSORS, PYTORCH -> WeightFiles.write(StateDict.of(tensors), file);
            case SHARDS -> {
                WeightFiles.write(StateDict.of(tensors), folder.resolve("s.safetensors"));
                Files.writeString(file, "{\"metadata\": {}, \"weight_map\": {\"a.weight\": \"s.safetensors\"}}");
            }
            case DATASET -> {
                Files.createDirectories(folder.resolve("imagesTr"));
                Files.createDirectories(folder.resolve("labelsTr"));
                VolumeFiles.write(folder.resolve("imagesTr/p_0000.nii"), Volume.of(new float[60], 1, geometry));
                VolumeFiles.write(folder.resolve("labelsTr/p.nii"), Volume.of(new float[60], 1, geometry));
                Files.writeString(
                        file,
                        "{\"channel_names\": {\"0\": \"CT\"}, \"labels\": {\"background\": 0, \"a\": [1, 2], \"b\": 2},"
                                + " \"regions_class_order\": [1, 2], \"numTraining\": 1, \"file_ending\": \".nii\"}");
            }
            case SPLIT ->
                Files.writeString(file, "{\"train\": [\"p1\", \"p2\"], \"validation\": [\"p3\"], \"test\": []}");
            case NPZ, NPY -> VolumeFiles.write(file, Volume.of(values, 2, geometry));
            default -> VolumeFiles.write(file, Volume.of(values, 2, geometry));
        }
        return Files.readAllBytes(file);
    }

    private static Reader reader(Kind kind) {
        return switch (kind) {
            case SAFETENSORS, PYTORCH, SHARDS -> WeightFiles::read;
            case DATASET -> DatasetReader::read;
            case SPLIT -> Split::read;
            default ->
                file -> {
                    VolumeFiles.readHeader(file);
                    VolumeFiles.read(file);
                };
        };
    }

    @ParameterizedTest
    @EnumSource(Kind.class)
    void areReadOrRefusedByName(Kind kind) throws IOException {
        long seed = 20261201 + kind.ordinal();
        Random random = new Random(seed);
        Path file = folder.resolve(kind == Kind.DATASET ? "dataset.json" : "x" + kind.ending);
        byte[] sound = sound(kind, file);
        Reader reader = reader(kind);
        int refused = 0;
        for (int round = 0; round < ROUNDS; round++) {
            byte[] bytes = round == 0 ? sound : Mutations.of(sound, random);
            Files.write(file, bytes);
            String where = kind + ", seed " + seed + ", round " + round;
            long before = Allocations.ofThisThread();
            try {
                reader.read(file);
            } catch (FileFormatException | NoSuchFileException e) {
                assertThat(round).as(where + ": " + e).isPositive();
                assertThat(e.getMessage()).as(where).contains(folder.toString()).doesNotContain("\n");
                refused++;
            } catch (IOException | RuntimeException | Error e) {
                fail(where + ": " + e + " for " + new String(bytes, StandardCharsets.ISO_8859_1), e);
            }
            assertThat(Allocations.ofThisThread() - before).as(where).isLessThan(MOST_BYTES);
        }
        assertThat(refused).as("seed " + seed).isPositive();
    }

    @ParameterizedTest
    @EnumSource(
            value = Kind.class,
            names = {"NPZ", "NPY", "SAFETENSORS", "PYTORCH", "MGZ", "MHA", "NRRD", "NII_GZ"})
    void thatAreCutAnywhereAreRefusedByName(Kind kind) throws IOException {
        Path file = folder.resolve("x" + kind.ending);
        byte[] sound = sound(kind, file);
        int refused = 0;
        for (int length = 0; length < sound.length; length += 1 + sound.length / 300) {
            Files.write(file, java.util.Arrays.copyOf(sound, length));
            try {
                reader(kind).read(file);
            } catch (FileFormatException e) {
                assertThat(e.getMessage()).startsWith(file.toString());
                refused++;
            } catch (IOException | RuntimeException e) {
                fail(kind + " cut to " + length + " bytes: " + e, e);
            }
        }
        assertThat(refused).isPositive();
    }

    @ParameterizedTest
    @EnumSource(
            value = Kind.class,
            names = {"DATASET", "SPLIT", "SHARDS"})
    void inStrangeEncodingsAreReadOrRefusedByName(Kind kind) throws IOException {
        Path file = folder.resolve(kind == Kind.DATASET ? "dataset.json" : "x" + kind.ending);
        String sound = new String(sound(kind, file), StandardCharsets.UTF_8);
        for (String name : new String[] {"UTF-16", "UTF-16LE", "UTF-32", "UTF-32LE", "ISO-8859-1", "IBM037"}) {
            byte[] bytes = sound.replace("p", "\u00e4").getBytes(java.nio.charset.Charset.forName(name));
            for (int cut = 0; cut < 4; cut++) {
                Files.write(file, java.util.Arrays.copyOfRange(bytes, cut, bytes.length - cut));
                try {
                    reader(kind).read(file);
                } catch (FileFormatException e) {
                    assertThat(e.getMessage()).contains(folder.toString());
                } catch (IOException | RuntimeException e) {
                    fail(kind + " in " + name + " without its first " + cut + " bytes: " + e, e);
                }
            }
        }
    }
}
