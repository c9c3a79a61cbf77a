package org.segformer3d.server;

import java.io.IOException;
import java.io.InputStream;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Proxy;
import java.net.Socket;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.SplittableRandom;
import java.util.concurrent.Semaphore;
import org.segformer3d.api.backend.Backend;
import org.segformer3d.api.backend.BackendOptions;
import org.segformer3d.api.backend.Backends;
import org.segformer3d.api.block.Grid;
import org.segformer3d.api.model.SegmentationModel;
import org.segformer3d.api.network.SegFormer3D;
import org.segformer3d.data.labels.LabelSpec;
import org.segformer3d.data.nifti.NiftiWriter;
import org.segformer3d.data.preprocessing.PreprocessingSpec;
import org.segformer3d.data.volume.Affine;
import org.segformer3d.data.volume.Geometry;
import org.segformer3d.data.volume.Volume;
import org.segformer3d.eval.bundle.ModelBundle;
import org.segformer3d.eval.inference.Blend;
import org.segformer3d.eval.inference.InferenceSpec;
import org.segformer3d.eval.inference.PredictionOutput;
import org.segformer3d.eval.inference.Segmenter;

/** A server of a network of a few thousand parameters, with what tests need to talk to it. */
public final class TinyServer implements AutoCloseable {
    static final Timeouts QUICK = Timeouts.defaults()
            .withNetwork(Duration.ofSeconds(20), Duration.ofSeconds(10), Duration.ofSeconds(5))
            .withGrace(Duration.ofSeconds(20));

    private final HttpClient client = HttpClient.newHttpClient();
    private final Backend backend;
    private final Segmenter segmenter;
    private final SegmentationServer server;
    private final Semaphore windows = new Semaphore(0);
    private final boolean gated;

    private TinyServer(ServerOptions options, boolean gated, int channels) throws IOException {
        this.gated = gated;
        backend = Backends.choose(Optional.of("reference"))
                .open(BackendOptions.defaults().withThreads(1));
        segmenter = Segmenter.open(gated ? gate(backend) : backend, bundle(channels));
        server = SegmentationServer.start(segmenter, options);
    }

    /** Starts a server on any free port. */
    public static TinyServer start(ServerOptions options) throws IOException {
        return new TinyServer(options.at(options.host(), 0), false, 1);
    }

    static TinyServer startWithChannels(int channels) throws IOException {
        return new TinyServer(options().at("127.0.0.1", 0), false, channels);
    }

    /** Starts a server whose network waits before each batch of windows until {@link #letPass} lets it. */
    static TinyServer startGated(ServerOptions options) throws IOException {
        return new TinyServer(options.at(options.host(), 0), true, 1);
    }

    /** Returns options with short times. */
    public static ServerOptions options() {
        return ServerOptions.defaults().with(QUICK).with(Limits.defaults().withSizes(1 << 20, 64 << 20));
    }

    static ModelBundle bundle(int channels) {
        LabelSpec labels = LabelSpec.softmax("organ", "lesion");
        ModelBundle random = ModelBundle.random(
                new SegFormer3D()
                        .configure(Map.of(
                                "in_channels", channels,
                                "num_classes", labels.channels(),
                                "embed_dims", List.of(4, 4, 8, 8),
                                "num_heads", List.of(1, 1, 2, 2),
                                "mlp_ratios", List.of(2, 2, 2, 2),
                                "depths", List.of(1, 1, 1, 1),
                                "decoder_head_embedding_dim", 8)),
                PreprocessingSpec.fromMap(Map.of()),
                labels,
                new InferenceSpec(new Grid(16, 16, 16), 0.25, Blend.GAUSSIAN, 1),
                7);
        return new ModelBundle(
                "tiny model",
                random.network(),
                random.weights(),
                random.preprocessing(),
                random.labels(),
                random.inference(),
                random.provenance());
    }

    /** Returns the backend with models that take a permit for each batch. */
    private Backend gate(Backend real) {
        return (Backend) Proxy.newProxyInstance(
                Backend.class.getClassLoader(), new Class<?>[] {Backend.class}, (proxy, method, arguments) -> {
                    Object result = call(real, method, arguments);
                    return method.getName().equals("load") ? gate((SegmentationModel) result) : result;
                });
    }

    private SegmentationModel gate(SegmentationModel real) {
        return (SegmentationModel) Proxy.newProxyInstance(
                SegmentationModel.class.getClassLoader(),
                new Class<?>[] {SegmentationModel.class},
                (proxy, method, arguments) -> {
                    if (method.getName().startsWith("predict")
                            || method.getName().equals("forward")) {
                        windows.acquire();
                    }
                    return call(real, method, arguments);
                });
    }

    private static Object call(Object real, java.lang.reflect.Method method, Object[] arguments) throws Throwable {
        try {
            return method.invoke(real, arguments);
        } catch (InvocationTargetException e) {
            throw e.getCause();
        }
    }

    void letPass(int batches) {
        windows.release(batches);
    }

    Segmenter segmenter() {
        return segmenter;
    }

    SegmentationServer server() {
        return server;
    }

    public int port() {
        return server.port();
    }

    /** Writes a scan with noise and returns its file. */
    public static Path scan(Path folder, String name, int seed, int depth, int height, int width) throws IOException {
        SplittableRandom random = new SplittableRandom(seed);
        float[] values = new float[depth * height * width];
        for (int n = 0; n < values.length; n++) {
            values[n] = (float) (100 + random.nextDouble(50));
        }
        Path file = folder.resolve(name);
        NiftiWriter.write(
                file, Volume.of(values, 1, Geometry.of(new Grid(depth, height, width), Affine.scaling(1, -1.5, 2))));
        return file;
    }

    /** Returns the labels that prediction on the command line writes for a scan. */
    public byte[] expected(Path scan, Path folder) throws IOException {
        return Files.readAllBytes(PredictionOutput.labelsIn(folder).write(segmenter.segment(List.of(scan))));
    }

    public HttpRequest.Builder request(String path) {
        return HttpRequest.newBuilder(URI.create(server.url() + path)).timeout(Duration.ofSeconds(60));
    }

    public HttpResponse<byte[]> send(HttpRequest.Builder request) throws IOException, InterruptedException {
        return client.send(request.build(), BodyHandlers.ofByteArray());
    }

    public HttpResponse<byte[]> get(String path) throws IOException, InterruptedException {
        return send(request(path));
    }

    HttpResponse<byte[]> post(String path, byte[] body) throws IOException, InterruptedException {
        return send(request(path).POST(BodyPublishers.ofByteArray(body)));
    }

    HttpResponse<byte[]> post(String path, Path file) throws IOException, InterruptedException {
        return send(request(path).POST(BodyPublishers.ofFile(file)));
    }

    /** Sends bytes as they are and returns all that comes until the server closes the connection. */
    public String raw(byte[]... parts) throws IOException {
        try (Socket socket = new Socket("127.0.0.1", port())) {
            socket.setSoTimeout(30_000);
            for (byte[] part : parts) {
                socket.getOutputStream().write(part);
            }
            socket.getOutputStream().flush();
            InputStream in = socket.getInputStream();
            return new String(in.readAllBytes(), StandardCharsets.ISO_8859_1);
        }
    }

    public static String text(HttpResponse<byte[]> response) {
        return new String(response.body(), StandardCharsets.UTF_8);
    }

    @Override
    public void close() {
        if (gated) {
            letPass(1 << 20);
        }
        server.close();
        segmenter.close();
        backend.close();
    }
}
