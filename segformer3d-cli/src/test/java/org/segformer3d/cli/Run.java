package org.segformer3d.cli;

import java.io.PrintWriter;
import java.io.StringWriter;

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
}
