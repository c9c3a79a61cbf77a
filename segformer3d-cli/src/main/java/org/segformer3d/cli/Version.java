package org.segformer3d.cli;

import org.segformer3d.eval.result.Provenance;
import picocli.CommandLine.IVersionProvider;

/** What the option {@code --version} prints. */
public final class Version implements IVersionProvider {
    @Override
    public String[] getVersion() {
        return new String[] {
            "segformer3d " + Provenance.version(),
            "Java " + System.getProperty("java.version") + ", " + System.getProperty("os.name") + " "
                    + System.getProperty("os.arch")
        };
    }
}
