package org.segformer3d.cli;

import java.io.PrintWriter;
import java.io.StringWriter;
import java.util.List;
import java.util.stream.Stream;

/** What one command did: its exit code and what it wrote. */
record Run(int code, String out, String err) {
    /** Runs a command in this process. */
    static Run of(Object... arguments) {
        StringWriter out = new StringWriter();
        StringWriter err = new StringWriter();
        String[] texts = new String[arguments.length];
        for (int i = 0; i < texts.length; i++) {
            texts[i] = arguments[i].toString();
        }
        int code = Program.run(new PrintWriter(out), new PrintWriter(err), texts);
        return new Run(code, out.toString(), err.toString());
    }

    /** Runs a command with arguments that all runs of a test have, and others after them. */
    static Run with(List<?> arguments, Object... more) {
        return of(Stream.concat(arguments.stream(), Stream.of(more)).toArray());
    }
}
