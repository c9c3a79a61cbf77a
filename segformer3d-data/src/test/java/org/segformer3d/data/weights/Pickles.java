package org.segformer3d.data.weights;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;

/** Pickles written by hand, one character a byte. */
final class Pickles {
    private Pickles() {}

    static Path write(Path file, String pickle) throws IOException {
        return Files.write(file, pickle.getBytes(StandardCharsets.ISO_8859_1));
    }

    static Object load(String pickle) throws IOException {
        byte[] bytes = pickle.getBytes(StandardCharsets.ISO_8859_1);
        return Unpickler.load(new PickleInput(new ArraySource("a.pkl", bytes), 0, bytes.length), null, 0);
    }
}
