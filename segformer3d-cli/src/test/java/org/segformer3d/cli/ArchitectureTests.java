package org.segformer3d.cli;

import static com.tngtech.archunit.core.domain.JavaClass.Predicates.resideInAPackage;
import static com.tngtech.archunit.core.domain.JavaClass.Predicates.resideInAnyPackage;
import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.classes;
import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.noClasses;
import static org.assertj.core.api.Assertions.assertThat;

import com.tngtech.archunit.base.DescribedPredicate;
import com.tngtech.archunit.core.domain.JavaClass;
import com.tngtech.archunit.core.domain.JavaClasses;
import com.tngtech.archunit.core.importer.ClassFileImporter;
import com.tngtech.archunit.core.importer.ImportOption;
import com.tngtech.archunit.lang.ArchRule;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Arrows between modules point one way: cli → train, server → eval → data → api, backend-* → api. */
class ArchitectureTests {
    private static final String ROOT = "org.segformer3d.";

    private static JavaClasses classes;

    @BeforeAll
    static void read() {
        classes = new ClassFileImporter()
                .withImportOption(new ImportOption.DoNotIncludeTests())
                .importPackages("org.segformer3d");
    }

    @ParameterizedTest
    @CsvSource({
        "api, ''",
        "data, api",
        "eval, api data",
        "train, api data eval",
        "onnx, api",
        "zoo, api",
        "backend.reference, api",
        "backend.onnxruntime, api onnx",
        "backend.libtorch, api",
        "backend.kernels, api",
        "server, api data eval",
        "cli, api data eval train server"
    })
    void aModuleUsesOnlyTheModulesBelowIt(String module, String below) {
        DescribedPredicate<JavaClass> ours = resideInAPackage("org.segformer3d..");
        DescribedPredicate<JavaClass> allowed = resideInAPackage(ROOT + module + "..");
        for (String name : below.split(" ")) {
            if (!name.isEmpty()) {
                allowed = allowed.or(resideInAPackage(ROOT + name + ".."));
            }
        }
        assertThat(classes.that(resideInAPackage(ROOT + module + "..")))
                .as(module)
                .isNotEmpty();
        check(noClasses()
                .that()
                .resideInAPackage(ROOT + module + "..")
                .should()
                .dependOnClassesThat(ours.and(DescribedPredicate.not(allowed))));
    }

    @Test
    void theApiNeedsNothingButJava() {
        check(classes()
                .that()
                .resideInAPackage("org.segformer3d.api..")
                .should()
                .onlyDependOnClassesThat(resideInAnyPackage("org.segformer3d.api..", "java..")));
    }

    @Test
    void theReferenceBackendNeedsNothingButJava() {
        check(classes()
                .that()
                .resideInAPackage("org.segformer3d.backend.reference..")
                .should()
                .onlyDependOnClassesThat(
                        resideInAnyPackage("org.segformer3d.api..", "org.segformer3d.backend.reference..", "java..")));
    }

    @Test
    void onlyTheLibtorchBackendTouchesNativeLibraries() {
        check(noClasses()
                .that()
                .resideOutsideOfPackage("org.segformer3d.backend.libtorch..")
                .should()
                .dependOnClassesThat()
                .resideInAPackage("org.bytedeco.."));
    }

    @Test
    void onlyTheServerListens() {
        check(noClasses()
                .that()
                .resideOutsideOfPackage("org.segformer3d.server..")
                .should()
                .dependOnClassesThat()
                .resideInAnyPackage("io.javalin..", "org.eclipse.jetty..", "jakarta.servlet.."));
    }

    @Test
    void backendsAreFoundByServiceLoaderAndNotNamed() {
        check(noClasses()
                .that()
                .resideOutsideOfPackage("org.segformer3d.backend..")
                .should()
                .dependOnClassesThat()
                .resideInAPackage("org.segformer3d.backend.."));
    }

    @Test
    void onlyTheCommandLineEndsTheProcessOrWritesToTheConsole() {
        check(noClasses()
                .that()
                .doNotHaveFullyQualifiedName("org.segformer3d.cli.Main")
                .should()
                .callMethod(System.class, "exit", int.class));
        check(noClasses()
                .that()
                .resideOutsideOfPackage("org.segformer3d.cli..")
                .should()
                .accessField(System.class, "out")
                .orShould()
                .accessField(System.class, "err")
                .orShould()
                .callMethod(Throwable.class, "printStackTrace"));
    }

    @Test
    void everyPackageSaysWhatItIsFor() throws IOException {
        try (Stream<Path> files = Files.walk(Path.of("").toAbsolutePath().getParent())) {
            List<Path> silent = files.filter(file -> file.toString().contains("/src/main/java/"))
                    .filter(file -> file.toString().endsWith(".java") && !file.endsWith("module-info.java"))
                    .map(Path::getParent)
                    .distinct()
                    .filter(folder -> !Files.exists(folder.resolve("package-info.java")))
                    .toList();
            assertThat(silent).isEmpty();
        }
    }

    private static void check(ArchRule rule) {
        rule.check(classes);
    }
}
