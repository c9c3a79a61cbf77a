package org.segformer3d.data.weights;

import java.io.IOException;
import java.net.URISyntaxException;
import java.net.URL;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import org.junit.jupiter.api.Assumptions;
import org.segformer3d.api.tensor.HostTensor;

/** Finds the files that {@code make_fixtures.py} made with real PyTorch, and the shared reference values. */
final class Fixtures {
    private Fixtures() {}

    static Path file(String name) {
        URL url = Fixtures.class.getResource(name);
        if (url == null) {
            throw new IllegalStateException("no fixture " + name);
        }
        try {
            return Path.of(url.toURI());
        } catch (URISyntaxException e) {
            throw new IllegalStateException(e);
        }
    }

    static Map<String, HostTensor> expected(String group) throws IOException {
        Map<String, HostTensor> tensors = new LinkedHashMap<>();
        Safetensors.read(file("expected.safetensors")).tensors().forEach((name, tensor) -> {
            if (name.startsWith(group + ".")) {
                tensors.put(name.substring(group.length() + 1), tensor);
            }
        });
        return tensors;
    }

    /** Returns a file of the shared reference, or skips the test where it is absent. */
    static Path shared(String name) {
        Path file = Path.of(System.getProperty("segformer3d.shared", "../shared"), "reference", name);
        Assumptions.assumeTrue(Files.exists(file), () -> "no " + file);
        return file;
    }
}
