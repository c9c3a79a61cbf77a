package org.segformer3d.cli;

import java.io.PrintWriter;
import java.nio.charset.StandardCharsets;

/** The entry point of the program. */
public final class Main {
    private Main() {}

    /** Runs one command and exits with its code: 0 done, 1 failed, 2 wrong use. */
    public static void main(String[] arguments) {
        PrintWriter out = new PrintWriter(System.out, true, StandardCharsets.UTF_8);
        PrintWriter err = new PrintWriter(System.err, true, StandardCharsets.UTF_8);
        int code = Program.run(out, err, arguments);
        out.flush();
        err.flush();
        // Not a plain return: a native library's threads must not keep a finished command alive.
        System.exit(code);
    }
}
