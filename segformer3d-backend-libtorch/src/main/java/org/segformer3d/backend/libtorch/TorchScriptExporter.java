package org.segformer3d.backend.libtorch;

import java.io.IOException;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import org.bytedeco.javacpp.BytePointer;
import org.bytedeco.pytorch.ExtraFilesMap;
import org.bytedeco.pytorch.JitModule;
import org.segformer3d.api.backend.BackendException;
import org.segformer3d.api.export.NetworkExport;
import org.segformer3d.api.export.NetworkExporter;

/**
 * Writes networks as TorchScript archives, format {@code torchscript}: PyTorch's {@code torch.jit.load} reads them without this software,
 * with the weights under their official names.
 *
 * <p>The texts of {@link NetworkExport#metadata()} and the {@code version} become the archive's extra files.
 */
public final class TorchScriptExporter implements NetworkExporter {
    @Override
    public String format() {
        return "torchscript";
    }

    @Override
    public void write(NetworkExport network, OutputStream out) throws IOException {
        Natives.whyUnavailable().ifPresent(reason -> {
            throw new BackendException("format 'torchscript' is written by libtorch: " + reason);
        });
        Path folder = Files.createTempDirectory("segformer3d-export-");
        // the archive's entries bear the file's name
        Path file = folder.resolve("segformer3d.pt");
        try {
            LibtorchBackend.scoped(() -> {
                JitModule module = ScriptedNetwork.of(network);
                module.save(file.toString(), extraFiles(network));
                return null;
            });
            Files.copy(file, out);
        } catch (RuntimeException e) {
            throw new IOException("libtorch can't write TorchScript: " + e.getMessage(), e);
        } finally {
            Files.deleteIfExists(file);
            Files.delete(folder);
        }
    }

    private static ExtraFilesMap extraFiles(NetworkExport network) {
        ExtraFilesMap files = new ExtraFilesMap();
        put(files, "producer", "SegFormer3D for Java");
        put(files, "version", network.version());
        for (Map.Entry<String, String> text : network.metadata().entrySet()) {
            put(files, text.getKey(), text.getValue());
        }
        return files;
    }

    private static void put(ExtraFilesMap files, String name, String text) {
        byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
        files.put(new BytePointer(name), new BytePointer(bytes));
    }
}
