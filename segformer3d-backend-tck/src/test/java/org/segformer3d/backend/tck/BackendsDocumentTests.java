package org.segformer3d.backend.tck;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;
import org.segformer3d.api.config.SegFormer3DConfig;

/** Keeps the code in docs/backends.md equal to sources that are compiled and tested. */
class BackendsDocumentTests {
    private static final Path ROOT = Path.of("..");
    private static final Path DOCUMENT = ROOT.resolve("docs/backends.md");
    private static final Pattern SNIPPET = Pattern.compile("<!-- from (\\S+) -->\n```\\w*\n(.*?)```\n", Pattern.DOTALL);

    @Test
    void everyPieceOfCodeStandsInTheSourceItNames() throws IOException {
        String document = Files.readString(DOCUMENT);
        List<String> named = new ArrayList<>();
        Matcher snippets = SNIPPET.matcher(document);
        while (snippets.find()) {
            String source = Files.readString(ROOT.resolve(snippets.group(1)));
            assertThat(contains(source, snippets.group(2)))
                    .as("lines of " + snippets.group(1) + ":\n" + snippets.group(2))
                    .isTrue();
            named.add(snippets.group(1).replaceAll(".*/", ""));
        }
        assertThat(named)
                .contains(
                        "PooledAttention.java",
                        "UnetrArchitecture.java",
                        "ReferenceOps.java",
                        "ReferenceContractTests.java");
        assertThat(document.split("```java", -1))
                .as("every Java snippet names its source")
                .hasSize(1
                        + (int) named.stream().filter(n -> n.endsWith(".java")).count());
    }

    /** Returns whether lines occur one after the other in a source, whatever their common indentation. */
    private static boolean contains(String source, String snippet) {
        List<String> all = source.lines().toList();
        List<String> wanted = snippet.stripIndent().lines().toList();
        for (int first = 0; first + wanted.size() <= all.size(); first++) {
            String lines = String.join("\n", all.subList(first, first + wanted.size()));
            if (lines.stripIndent().lines().toList().equals(wanted)) {
                return true;
            }
        }
        return false;
    }

    @Test
    void itsConfigurationNamesTheExample() throws IOException {
        assertThat(Files.readString(DOCUMENT)).contains("self_attention: pooled-attention");
        SegFormer3DConfig config =
                SegFormer3DConfig.fromMap(Map.of("layers", Map.of("self_attention", "pooled-attention")));
        assertThat(config.layers()).hasSize(1);
    }

    @Test
    void everyFileItLinksToExists() throws IOException {
        Matcher links = Pattern.compile("\\]\\((?!http)([^)#]+)").matcher(Files.readString(DOCUMENT));
        int count = 0;
        while (links.find()) {
            assertThat(DOCUMENT.resolveSibling(links.group(1)).normalize()).exists();
            count++;
        }
        assertThat(count).isPositive();
    }
}
