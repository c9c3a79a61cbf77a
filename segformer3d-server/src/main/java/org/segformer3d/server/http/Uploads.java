package org.segformer3d.server.http;

import io.javalin.http.Context;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.Semaphore;
import java.util.function.LongConsumer;
import java.util.function.Predicate;
import org.eclipse.jetty.http.MultiPart;
import org.eclipse.jetty.io.Content;
import org.segformer3d.data.format.VolumeFiles;
import org.segformer3d.server.Limits;
import org.segformer3d.server.Timeouts;
import org.segformer3d.server.job.ProblemException;
import org.segformer3d.server.job.Scan.ScanFile;

/**
 * Receives bodies of requests: one file as it is, or a form of fields and files.
 *
 * <p>Everything goes straight to the disk. A body that is too long, too slow or broken ends with a problem that says which.
 */
public final class Uploads {
    private static final int BUFFER = 1 << 16;
    private static final int MOST_PARTS = 64;
    private static final int MOST_FIELD_BYTES = 1 << 16;
    private static final int MOST_PART_HEADER_BYTES = 8192;

    private final Limits limits;
    private final Timeouts timeouts;
    private final LongConsumer counter;
    private final Semaphore places;

    /**
     * Creates a receiver.
     *
     * @param counter told how many bytes came
     */
    public Uploads(Limits limits, Timeouts timeouts, LongConsumer counter) {
        this.limits = limits;
        this.timeouts = timeouts;
        this.counter = counter;
        // Bounds what may lie on the disk: the jobs' files, and as many that are still coming.
        this.places = new Semaphore(2 * (limits.workers() + limits.queue()));
    }

    /**
     * What came.
     *
     * @param fields of a form, by name
     * @param files in the order they came
     */
    public record Upload(Map<String, String> fields, List<ScanFile> files) {}

    /**
     * Receives the body of a request.
     *
     * @param folder where files go
     * @param wanted which of a form's files to keep, by the name of their part
     * @throws ProblemException 408, 413, 415, 429 or 400 for a body that can't be taken
     * @throws IOException when the disk fails
     */
    public Upload receive(Context ctx, Path folder, Predicate<String> wanted) throws IOException {
        long announced = ctx.req().getContentLengthLong();
        if (announced > limits.uploadBytes()) {
            throw tooLarge(announced + " bytes");
        }
        if (!places.tryAcquire()) {
            throw new ProblemException(
                    429, "too_many_uploads", "as many uploads are under way as this server takes; try again later");
        }
        try {
            Body body = new Body(ctx.req().getInputStream());
            String type = ctx.contentType() == null ? "" : ctx.contentType();
            if (type.toLowerCase(Locale.ROOT).startsWith("multipart/form-data")) {
                return form(body, type, folder, wanted);
            }
            if (type.toLowerCase(Locale.ROOT).startsWith("multipart/")
                    || type.startsWith("application/x-www-form-urlencoded") && announced == 0) {
                throw new ProblemException(
                        415,
                        "unsupported_type",
                        "found content type " + type
                                + ", expected multipart/form-data or the bytes of an image file (application/octet-stream)");
            }
            try (Sink sink = new Sink(folder.resolve("channel-0"))) {
                body.transferTo(sink);
                return new Upload(Map.of(), List.of(sink.keep("the uploaded file")));
            }
        } finally {
            places.release();
        }
    }

    private ProblemException tooLarge(String found) {
        return new ProblemException(
                413,
                "body_too_large",
                "found a body of " + found + ", this server takes at most " + limits.uploadBytes() + " bytes");
    }

    private Upload form(Body body, String type, Path folder, Predicate<String> wanted) throws IOException {
        String boundary = MultiPart.extractBoundary(type);
        if (boundary == null || boundary.isEmpty()) {
            throw new ProblemException(400, "bad_form", "found content type " + type + " without a boundary");
        }
        try (FormParts parts = new FormParts(folder, wanted)) {
            MultiPart.Parser parser = new MultiPart.Parser(boundary, parts);
            parser.setMaxParts(MOST_PARTS);
            parser.setPartHeadersMaxLength(MOST_PART_HEADER_BYTES);
            byte[] buffer = new byte[BUFFER];
            int n;
            while ((n = body.read(buffer)) >= 0) {
                parser.parse(Content.Chunk.from(ByteBuffer.wrap(buffer, 0, n), false));
                parts.throwFailure();
            }
            parser.parse(Content.Chunk.from(ByteBuffer.allocate(0), true));
            parts.throwFailure();
            if (!parts.complete) {
                throw new ProblemException(400, "bad_form", "the form ends before its closing boundary");
            }
            return new Upload(parts.fields, parts.files);
        }
    }

    /** The bytes of a body, until there are too many or they take too long. */
    private final class Body extends InputStream {
        private final InputStream in;
        private final long end = System.nanoTime() + timeouts.transfer().toNanos();
        private long count;

        Body(InputStream in) {
            this.in = in;
        }

        @Override
        public int read() throws IOException {
            byte[] one = new byte[1];
            return read(one) < 0 ? -1 : one[0] & 0xff;
        }

        @Override
        public int read(byte[] target, int offset, int length) {
            int n;
            try {
                n = in.read(target, offset, length);
            } catch (IOException e) {
                if (e.getCause() instanceof java.util.concurrent.TimeoutException || isTimeout(e)) {
                    throw new ProblemException(
                            408,
                            "too_slow",
                            "after " + count + " bytes nothing came for "
                                    + timeouts.idle().toSeconds() + " s");
                }
                throw new ClientGoneException("the client went away after " + count + " bytes", e);
            }
            if (n > 0) {
                count += n;
                counter.accept(n);
            }
            if (count > limits.uploadBytes()) {
                throw tooLarge("more than " + limits.uploadBytes() + " bytes");
            }
            if (n >= 0 && System.nanoTime() > end) {
                throw new ProblemException(
                        408,
                        "too_slow",
                        "only " + count + " bytes came in "
                                + timeouts.transfer().toSeconds() + " s");
            }
            return n;
        }

        private static boolean isTimeout(IOException e) {
            return e.getMessage() != null && e.getMessage().contains("Idle timeout expired");
        }
    }

    /** A file on its way to the disk, whose name's ending follows from its content. */
    private static final class Sink extends OutputStream {
        private final Path partial;
        private final OutputStream out;
        private long size;

        Sink(Path file) throws IOException {
            partial = file.resolveSibling(file.getFileName() + ".part");
            out = Files.newOutputStream(partial);
        }

        @Override
        public void write(int b) throws IOException {
            write(new byte[] {(byte) b}, 0, 1);
        }

        @Override
        public void write(byte[] bytes, int offset, int length) throws IOException {
            out.write(bytes, offset, length);
            size += length;
        }

        @Override
        public void close() throws IOException {
            out.close();
        }

        /** Ends the file and gives it its name. */
        ScanFile keep(String shown) throws IOException {
            close();
            if (size == 0) {
                throw new ProblemException(400, "empty_file", shown + ": found no bytes, expected an image file");
            }
            // What isn't an image is left to whoever checks it.
            String ending = VolumeFiles.endingForContent(partial).orElse(".nii");
            String name = partial.getFileName().toString().replace(".part", ending);
            return new ScanFile(Files.move(partial, partial.resolveSibling(name)), shown);
        }
    }

    /** Takes the parts of a form as they come. */
    private static final class FormParts implements MultiPart.Parser.Listener, AutoCloseable {
        private final Path folder;
        private final Predicate<String> wanted;
        private final Map<String, String> fields = new HashMap<>();
        private final List<ScanFile> files = new ArrayList<>();
        private String name;
        private String fileName;
        private Sink sink;
        private java.io.ByteArrayOutputStream field;
        private RuntimeException problem;
        private IOException failure;
        private boolean complete;

        FormParts(Path folder, Predicate<String> wanted) {
            this.folder = folder;
            this.wanted = wanted;
        }

        @Override
        public void onPartBegin() {
            name = null;
            fileName = null;
            field = null;
        }

        @Override
        public void onPartHeader(String header, String value) {
            if (header.equalsIgnoreCase("Content-Disposition")) {
                name = FormHeader.parameter(value, "name");
                fileName = FormHeader.parameter(value, "filename");
            }
        }

        @Override
        public void onPartHeaders() {
            if (name == null) {
                problem = new ProblemException(400, "bad_form", "found a part of the form that has no name");
            } else if (fileName == null) {
                field = new java.io.ByteArrayOutputStream();
            } else if (wanted.test(name)) {
                try {
                    sink = new Sink(folder.resolve("channel-" + files.size()));
                } catch (IOException e) {
                    failure = e;
                }
            }
        }

        @Override
        public void onPartContent(Content.Chunk chunk) {
            ByteBuffer bytes = chunk.getByteBuffer();
            byte[] copy = new byte[bytes.remaining()];
            bytes.get(copy);
            try {
                if (sink != null) {
                    sink.write(copy, 0, copy.length);
                } else if (field != null) {
                    field.write(copy);
                    if (field.size() > MOST_FIELD_BYTES) {
                        problem = new ProblemException(
                                413,
                                "field_too_large",
                                "field '" + Names.shown(name, "?") + "': found more than " + MOST_FIELD_BYTES
                                        + " bytes; send files with a filename");
                    }
                }
            } catch (IOException e) {
                failure = e;
            }
        }

        @Override
        public void onPartEnd() {
            try {
                if (sink != null) {
                    Sink ended = sink;
                    sink = null;
                    files.add(ended.keep(Names.shown(fileName, "file " + (files.size() + 1))));
                } else if (field != null && problem == null) {
                    fields.put(name, field.toString(java.nio.charset.StandardCharsets.UTF_8));
                }
            } catch (IOException e) {
                failure = e;
            } catch (ProblemException e) {
                problem = e;
            }
        }

        @Override
        public void onComplete() {
            complete = true;
        }

        @Override
        public void onFailure(Throwable thrown) {
            if (problem == null) {
                problem =
                        new ProblemException(400, "bad_form", "the form can't be taken apart: " + thrown.getMessage());
            }
        }

        void throwFailure() throws IOException {
            if (failure != null) {
                throw failure;
            }
            if (problem != null) {
                throw problem;
            }
        }

        @Override
        public void close() throws IOException {
            if (sink != null) {
                sink.close();
            }
        }
    }
}
