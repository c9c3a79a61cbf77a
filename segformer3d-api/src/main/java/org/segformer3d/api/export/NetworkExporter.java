package org.segformer3d.api.export;

import java.io.IOException;
import java.io.OutputStream;

/**
 * Writes networks in one file format; found by {@link java.util.ServiceLoader}.
 *
 * <p>What is written takes an input called {@value #INPUT} of shape (batch, channels, depth, height, width), all but the channels of any
 * size, and gives {@value #LOGITS} of shape (batch, classes, depth, height, width), float32. Instantiating an exporter and asking for
 * its name loads no native code.
 */
public interface NetworkExporter {
    /** Name of the input, where the format has names. */
    String INPUT = "input";

    /** Name of the output, where the format has names. */
    String LOGITS = "logits";

    /** Returns the format's name, for example {@code onnx}, never {@code null}. */
    String format();

    /**
     * Writes a network.
     *
     * @param network never {@code null}
     * @param out where to; left open
     * @throws IOException when writing fails
     * @throws org.segformer3d.api.backend.BackendException when the exporter needs a native library that can't be used here; the message
     *     says what to do about it
     */
    void write(NetworkExport network, OutputStream out) throws IOException;
}
