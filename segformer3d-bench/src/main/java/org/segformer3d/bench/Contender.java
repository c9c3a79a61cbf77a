package org.segformer3d.bench;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Optional;
import org.segformer3d.api.backend.Backend;
import org.segformer3d.api.config.SegFormer3DConfig;
import org.segformer3d.api.model.SegmentationModel;
import org.segformer3d.api.tensor.HostTensor;
import org.segformer3d.data.npy.NpyFile;
import org.segformer3d.data.weights.Safetensors;
import org.segformer3d.data.weights.WeightFiles;
import org.segformer3d.eval.result.Provenance;

/**
 * Our side of the comparison in {@code segformer3d-bench/peers}: a process that runs the network whenever a line arrives.
 *
 * <p>Prints its versions first; then, for each line on standard input, the milliseconds of a forward pass from and to Java's memory, or
 * for the line {@code logits} writes those of the last one.
 */
public final class Contender {
    private Contender() {}

    /**
     * Runs.
     *
     * @param arguments {@code native} for the backend of that name or the form of libtorch's network, folder with {@code weights.safetensors} and {@code input.safetensors}, number of threads
     */
    public static void main(String[] arguments) throws IOException {
        if (arguments.length != 3) {
            throw new IllegalArgumentException("expected FORM FOLDER THREADS");
        }
        Path folder = Path.of(arguments[1]);
        HostTensor input =
                Safetensors.read(folder.resolve("input.safetensors")).tensors().get("input");
        try (Backend backend = Forms.open(arguments[0], Integer.parseInt(arguments[2]));
                SegmentationModel model = backend.load(
                        SegFormer3DConfig.defaults(), WeightFiles.read(folder.resolve("weights.safetensors")))) {
            HostTensor logits = model.predict(input);
            System.out.println("{\"versions\": \"SegFormer3D for Java " + Provenance.version() + ", "
                    + model.implementation() + ", " + backend.versions() + "\"}");
            BufferedReader lines = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
            for (String line = lines.readLine(); line != null; line = lines.readLine()) {
                if (line.strip().equals("logits")) {
                    NpyFile.write(folder.resolve("ours-" + arguments[0] + ".npy"), logits);
                    System.out.println("written");
                } else {
                    long start = System.nanoTime();
                    logits = model.predict(input, Optional.of(logits));
                    System.out.println((System.nanoTime() - start) / 1e6);
                }
            }
        }
        System.exit(0); // native threads must not keep it alive
    }
}
