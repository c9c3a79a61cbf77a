package org.segformer3d.cli;

import java.io.FileDescriptor;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.io.PrintWriter;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;

/** The entry point of the program. */
public final class Main {
    private Main() {}

    /** Runs one command and exits with its code: 0 done, 1 failed, 2 wrong use. */
    public static void main(String[] arguments) {
        PrintWriter out = new PrintWriter(results(arguments), true, StandardCharsets.UTF_8);
        PrintWriter err = new PrintWriter(System.err, true, StandardCharsets.UTF_8);
        int code = Program.run(out, err, arguments);
        out.flush();
        err.flush();
        // Not a plain return: a native library's threads must not keep a finished command alive.
        System.exit(code);
    }

    /**
     * Returns where results go. Gloo, which connects processes that train together, writes a line of its own to the standard output of
     * the process; results then go to the same place by another descriptor, and the standard one leads nowhere.
     */
    private static OutputStream results(String[] arguments) {
        boolean several =
                Arrays.stream(arguments).anyMatch(a -> a.startsWith("--nproc") || a.startsWith("--rendezvous"));
        if (several) {
            try {
                OutputStream own = new FileOutputStream("/proc/self/fd/1", true);
                // Java doesn't close descriptor 1 but points it at /dev/null.
                new FileOutputStream(FileDescriptor.out).close();
                return own;
            } catch (IOException e) {
                // No such file on this system, or no right to open it: then the line is among the results.
                return System.out;
            }
        }
        return System.out;
    }
}
