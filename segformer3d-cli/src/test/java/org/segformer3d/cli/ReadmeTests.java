package org.segformer3d.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

class ReadmeTests {
    private static final Path ROOT = Path.of("..").toAbsolutePath().normalize();

    private static List<String> blocks(String text, String pattern) {
        Matcher matcher = Pattern.compile(pattern, Pattern.DOTALL).matcher(text);
        List<String> blocks = new ArrayList<>();
        while (matcher.find()) {
            blocks.add(Arrays.stream(matcher.group(1).split("\n"))
                    .map(String::strip)
                    .filter(line -> !line.isEmpty())
                    .collect(Collectors.joining("\n")));
        }
        return blocks;
    }

    @Test
    void theJavaInTheReadmeIsTheJavaThatIsCompiled() throws IOException {
        String source = Files.readString(Path.of("src/test/java/org/segformer3d/cli/ReadmeExample.java"));
        List<String> shown = blocks(Files.readString(ROOT.resolve("README.md")), "```java\n(.*?)```");
        assertThat(shown).hasSize(2).isEqualTo(blocks(source, "// begin\n(.*?)// end"));
    }

    static Stream<Path> pages() throws IOException {
        try (Stream<Path> docs = Files.list(ROOT.resolve("docs"))) {
            List<Path> pages = new ArrayList<>(
                    docs.filter(page -> page.toString().endsWith(".md")).toList());
            pages.add(ROOT.resolve("README.md"));
            pages.add(ROOT.resolve("CONTRIBUTING.md"));
            return pages.stream();
        }
    }

    @ParameterizedTest
    @MethodSource("pages")
    void everyLinkWithinTheProjectLeadsSomewhere(Path page) throws IOException {
        Matcher links = Pattern.compile("\\]\\(([^)#]+)[^)]*\\)").matcher(Files.readString(page));
        while (links.find()) {
            String target = links.group(1);
            if (!target.contains("://")) {
                assertThat(page.resolveSibling(target))
                        .as("link in %s", page.getFileName())
                        .exists();
            }
        }
    }
}
