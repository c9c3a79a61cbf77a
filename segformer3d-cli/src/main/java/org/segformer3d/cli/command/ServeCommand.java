package org.segformer3d.cli.command;

import java.io.IOException;
import java.io.PrintWriter;
import java.net.InetAddress;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Optional;
import java.util.concurrent.Callable;
import org.segformer3d.api.backend.Backend;
import org.segformer3d.api.backend.Need;
import org.segformer3d.cli.console.Interruption;
import org.segformer3d.cli.option.BackendSelection;
import org.segformer3d.cli.option.BytesConverter;
import org.segformer3d.cli.option.InferenceOptions;
import org.segformer3d.cli.option.ModelSource;
import org.segformer3d.cli.option.Outputs;
import org.segformer3d.cli.option.SecondsConverter;
import org.segformer3d.eval.inference.Ensemble;
import org.segformer3d.eval.inference.Segmenter;
import org.segformer3d.server.Limits;
import org.segformer3d.server.SegmentationServer;
import org.segformer3d.server.ServerOptions;
import org.segformer3d.server.Timeouts;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

/** Puts a model behind HTTP until it is told to stop. */
@Command(
        name = "serve",
        description =
                "Segment scans over HTTP, for programs and for 3D Slicer's MONAI Label extension; see docs/server.md.")
public final class ServeCommand implements Callable<Integer> {
    private static final String TOKEN = "SEGFORMER3D_TOKEN";
    private static final long TICK_MILLISECONDS = 100;

    @Spec
    private CommandSpec spec;

    @Mixin
    private ModelSource source;

    @Option(
            names = "--host",
            paramLabel = "NAME",
            defaultValue = "127.0.0.1",
            description = "Name or address to listen on (default: ${DEFAULT-VALUE}, this machine only).")
    private String host;

    @Option(
            names = "--port",
            paramLabel = "N",
            defaultValue = "" + ServerOptions.DEFAULT_PORT,
            description = "Port to listen on; 0 for any free one (default: ${DEFAULT-VALUE}).")
    private int port;

    @Option(
            names = "--token-file",
            paramLabel = "FILE",
            description = "File with the token that clients must present as a bearer (default: $" + TOKEN
                    + ", else none is asked for).")
    private Optional<Path> tokenFile = Optional.empty();

    @Option(
            names = "--datastore",
            paramLabel = "DIR",
            description = "Folder of images and labels for 3D Slicer (default: a temporary one, deleted at the end).")
    private Optional<Path> datastore = Optional.empty();

    @Option(names = "--workers", paramLabel = "N", description = "Scans segmented at the same time (default: 1).")
    private Optional<Integer> workers = Optional.empty();

    @Option(
            names = "--queue",
            paramLabel = "N",
            description = "Scans that may wait; a further one is answered with 429 (default: 16).")
    private Optional<Integer> queue = Optional.empty();

    @Option(
            names = "--max-connections",
            paramLabel = "N",
            description = "Connections held at the same time (default: 256).")
    private Optional<Integer> connections = Optional.empty();

    @Option(
            names = "--max-upload",
            paramLabel = "SIZE",
            converter = BytesConverter.class,
            description = "Largest body of a request, for example 512M (default: 1G).")
    private Optional<Long> upload = Optional.empty();

    @Option(
            names = "--max-scan",
            paramLabel = "SIZE",
            converter = BytesConverter.class,
            description =
                    "Largest estimated memory of a scan (default: half of what Java may use, divided by the workers).")
    private Optional<Long> scan = Optional.empty();

    @Option(
            names = "--max-datastore",
            paramLabel = "SIZE",
            converter = BytesConverter.class,
            description = "How much the datastore may hold (default: 20G).")
    private Optional<Long> stored = Optional.empty();

    @Option(
            names = "--job-timeout",
            paramLabel = "SECONDS",
            converter = SecondsConverter.class,
            description = "From a scan's acceptance to its labels (default: 1800).")
    private Optional<Duration> job = Optional.empty();

    @Option(
            names = "--transfer-timeout",
            paramLabel = "SECONDS",
            converter = SecondsConverter.class,
            description = "For a whole body to come or to be taken (default: 600).")
    private Optional<Duration> transfer = Optional.empty();

    @Option(
            names = "--idle-timeout",
            paramLabel = "SECONDS",
            converter = SecondsConverter.class,
            description = "For the next byte of a body to come or to be taken (default: 30).")
    private Optional<Duration> idle = Optional.empty();

    @Option(
            names = "--keep",
            paramLabel = "SECONDS",
            converter = SecondsConverter.class,
            description = "How long results of asynchronous jobs and sessions are kept (default: 3600).")
    private Optional<Duration> keep = Optional.empty();

    @Option(
            names = "--grace",
            paramLabel = "SECONDS",
            converter = SecondsConverter.class,
            description = "How long accepted scans may go on after Ctrl-C or a polite kill, up to 100 (default: 30).")
    private Optional<Duration> grace = Optional.empty();

    @Mixin
    private InferenceOptions inference;

    @Mixin
    private BackendSelection selection;

    @Override
    public Integer call() throws IOException {
        ServerOptions options = options();
        if (options.datastore().isPresent()) {
            Outputs.checkFolder(options.datastore().get());
        }
        Ensemble models = inference.applyTo(source.readEnsemble());
        PrintWriter out = spec.commandLine().getOut();
        PrintWriter err = spec.commandLine().getErr();
        // Open until all is closed: an interrupted process ends as soon as this is.
        try (Interruption interruption = new Interruption();
                Backend backend = selection.open(Need.prediction(models.networks()));
                Segmenter segmenter = Segmenter.open(backend, models, inference.memory());
                SegmentationServer server = SegmentationServer.start(segmenter, options)) {
            if (options.token().isEmpty()
                    && !InetAddress.getByName(options.host()).isLoopbackAddress()) {
                err.println("segformer3d: anybody who reaches " + server.url()
                        + " can use this server and read its datastore; ask for a token with --token-file");
            }
            out.println("serving '" + models.name() + "' at " + server.url() + " (" + backend.name() + " on "
                    + backend.device() + "); Ctrl-C stops it");
            out.flush();
            err.flush();
            while (!interruption.isRequested() && !Thread.interrupted()) {
                Thread.sleep(TICK_MILLISECONDS);
            }
        } catch (InterruptedException e) {
            // Whoever runs the command within its own process asks it to stop like this.
        }
        out.println("stopped");
        return 0;
    }

    private ServerOptions options() throws IOException {
        Optional<String> token = token();
        try {
            Limits most = Limits.defaults();
            int count = workers.orElse(most.workers());
            long perScan = scan.orElse(most.scanBytes() / Math.max(1, count));
            Limits limits = new Limits(
                    count,
                    queue.orElse(most.queue()),
                    connections.orElse(most.connections()),
                    upload.orElse(most.uploadBytes()),
                    perScan,
                    stored.orElse(most.datastoreBytes()),
                    most.results());
            Timeouts longest = Timeouts.defaults();
            Timeouts timeouts = new Timeouts(
                    job.orElse(longest.job()),
                    transfer.orElse(longest.transfer()),
                    idle.orElse(longest.idle()),
                    longest.header(),
                    keep.orElse(longest.keep()),
                    grace.orElse(longest.grace()));
            if (timeouts.grace().toSeconds() > Interruption.PATIENCE_SECONDS - 20) {
                throw new IllegalArgumentException(
                        "grace: found " + timeouts.grace().toSeconds() + " s, expected at most "
                                + (Interruption.PATIENCE_SECONDS - 20));
            }
            return new ServerOptions(host, port, token, datastore, limits, timeouts);
        } catch (IllegalArgumentException e) {
            throw new ParameterException(spec.commandLine(), e.getMessage(), e);
        }
    }

    /** Returns the token. It is no option of its own, since everybody on a machine sees a command's options. */
    private Optional<String> token() throws IOException {
        if (tokenFile.isPresent()) {
            return Optional.of(Files.readString(tokenFile.get()).strip());
        }
        return Optional.ofNullable(System.getenv(TOKEN)).map(String::strip).filter(text -> !text.isEmpty());
    }
}
