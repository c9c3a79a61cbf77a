package org.segformer3d.cli.command;

import java.io.IOException;
import java.io.PrintWriter;
import java.net.BindException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.Callable;
import java.util.concurrent.CountDownLatch;
import org.segformer3d.cli.view.ViewServer;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** Shows a scan and labels in the browser. */
@Command(
        name = "view",
        description =
                "Show a scan and label volumes in the browser, served by this program to this machine only, until it is stopped with Ctrl-C.")
public final class ViewCommand implements Callable<Integer> {
    @Spec
    private CommandSpec spec;

    @Parameters(index = "0", paramLabel = "IMAGE", description = "The scan; the page lets its channels be chosen.")
    private Path image;

    @Parameters(index = "1..*", paramLabel = "LABEL", description = "Label volumes to lay over it.")
    private List<Path> labels = new ArrayList<>();

    @Option(
            names = "--channel",
            paramLabel = "FILE",
            description = "Another channel of the scan in a file of its own; may be repeated.")
    private List<Path> channels = new ArrayList<>();

    @Option(
            names = "--port",
            paramLabel = "N",
            defaultValue = "0",
            description = "Port on the loopback interface (default: a free one).")
    private int port;

    @Option(names = "--no-browser", description = "Only print the address.")
    private boolean noBrowser;

    @Override
    public Integer call() throws IOException {
        if (port < 0 || port > 65535) {
            throw new ParameterException(
                    spec.commandLine(),
                    "Invalid value for option '--port': found " + port + ", expected a number from 0 to 65535");
        }
        PrintWriter out = spec.commandLine().getOut();
        List<Path> images = new ArrayList<>(List.of(image));
        images.addAll(channels);
        try (ViewServer server = ViewServer.start(images, labels, port)) {
            out.println(server.address());
            out.flush();
            spec.commandLine().getErr().println("segformer3d: serving to this machine only; Ctrl-C stops");
            spec.commandLine().getErr().flush();
            if (!noBrowser && !open(server.address().toString())) {
                spec.commandLine().getErr().println("segformer3d: found no browser to open; open the address yourself");
                spec.commandLine().getErr().flush();
            }
            // Until the process is ended: there is nothing else to wait for.
            new CountDownLatch(1).await();
            return 0;
        } catch (BindException e) {
            throw new IOException("port " + port + " is taken or not allowed; choose another --port", e);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            return 0;
        }
    }

    /** Opens the address with the system's own means; this virtual machine has no display. */
    private static boolean open(String address) {
        String system = System.getProperty("os.name").toLowerCase(Locale.ROOT);
        List<String> command = system.contains("mac")
                ? List.of("open", address)
                : system.contains("windows")
                        ? List.of("rundll32", "url.dll,FileProtocolHandler", address)
                        : List.of("xdg-open", address);
        try {
            new ProcessBuilder(command)
                    .redirectOutput(ProcessBuilder.Redirect.DISCARD)
                    .redirectError(ProcessBuilder.Redirect.DISCARD)
                    .start();
            return true;
        } catch (IOException e) {
            return false;
        }
    }
}
