package org.segformer3d.eval.metrics;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.within;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.segformer3d.data.dataset.LabelClass;
import org.segformer3d.eval.result.CaseFailure;

class ComparisonTests {
    private static final List<LabelClass> CLASSES =
            List.of(LabelClass.of(1, "organ"), new LabelClass("whole", List.of(1, 2)));

    @TempDir
    private Path folder;

    /** A case of one voxel predicted right and some wrong for the organ; the second class is missing from the truth or perfect. */
    private static CaseScores scores(String id, int wrong, boolean whole) {
        return new CaseScores(
                id,
                List.of(new OverlapCounts(10, wrong, 0, 50), new OverlapCounts(whole ? 5 : 0, 0, 0, 50)),
                List.of(new SurfaceScores(Map.of(SurfaceMeasure.HD95_MM, (double) wrong)), SurfaceScores.undefined()),
                0.5,
                false);
    }

    private static EvaluationSummary summary(CaseScores... cases) {
        return new EvaluationSummary(CLASSES, List.of(cases), List.of(), List.of());
    }

    private static Comparison comparison() {
        return Comparison.of(
                "old",
                summary(scores("a", 20, true), scores("b", 10, true), scores("c", 0, false), scores("x", 0, true)),
                "new",
                summary(scores("b", 20, true), scores("a", 0, true), scores("c", 0, true), scores("y", 0, true)));
    }

    private static Comparison.Line line(Comparison of, String className, Score score) {
        return of.lines().stream()
                .filter(one -> one.className().equals(className) && one.score() == score)
                .findFirst()
                .orElseThrow();
    }

    @Test
    void pairsCasesByTheirIds() {
        Comparison comparison = comparison();
        assertThat(comparison.cases()).containsExactly("a", "b", "c");
        assertThat(comparison.unpaired()).containsExactly("case x only in old", "case y only in new");
        Comparison.Line dice = line(comparison, "organ", Measure.DICE);
        assertThat(dice.pairs().get("a")).containsExactly(0.5, 1);
        assertThat(dice.pairs().get("b")).containsExactly(20 / 30.0, 0.5);
        assertThat(dice.firstMean()).isEqualTo((0.5 + 2 / 3.0 + 1) / 3, within(1e-12));
        assertThat(dice.secondMean()).isEqualTo((1 + 0.5 + 1) / 3, within(1e-12));
        assertThat(dice.difference().mean()).isEqualTo((0.5 - 1 / 6.0) / 3, within(1e-12));
        assertThat(dice.interval().low()).isEqualTo(-1 / 6.0, within(1e-12));
        assertThat(dice.interval().high()).isEqualTo(0.5, within(1e-12));
        assertThat(dice.test().pairs()).isEqualTo(2);
        assertThat(line(comparison, "organ", SurfaceMeasure.HD95_MM)
                        .difference()
                        .mean())
                .isEqualTo((-20 + 10) / 3.0, within(1e-12));
    }

    @Test
    void countsACaseOnlyWhereBothDefineTheScore() {
        Comparison.Line line = line(comparison(), "whole", Measure.DICE);
        assertThat(line.pairs()).containsOnlyKeys("a", "b");
        Comparison.Line mean = line(comparison(), Comparison.MEAN, Measure.DICE);
        assertThat(mean.pairs().get("a")).containsExactly(0.75, 1);
        assertThat(mean.pairs().get("c")).containsExactly(1, 1);
    }

    @Test
    void namesClassesThatOnlyOneHasAndCasesThatFailed() {
        EvaluationSummary one = new EvaluationSummary(
                List.of(LabelClass.of(1, "organ"), LabelClass.of(7, "whole")),
                List.of(scores("a", 1, true)),
                List.of(new CaseFailure("b", "broken")),
                List.of());
        assertThat(Comparison.of("A", one, "B", summary(scores("a", 2, true))).unpaired())
                .containsExactly("class whole only in A", "class whole only in B", "case b of A: broken");
    }

    @Test
    void refusesEvaluationsWithNothingInCommon() {
        EvaluationSummary a = summary(scores("a", 1, true));
        assertThatIllegalArgumentException()
                .isThrownBy(() -> Comparison.of("A", a, "B", summary(scores("b", 1, true))))
                .withMessageContaining("no case in common: A has [a], B has [b]");
        EvaluationSummary other = new EvaluationSummary(List.of(), List.of(), List.of(), List.of());
        assertThatIllegalArgumentException()
                .isThrownBy(() -> Comparison.of("A", a, "B", other))
                .withMessageContaining("no class in common");
    }

    @Test
    void isATableForPeople() {
        assertThat(comparison().table())
                .startsWith("A  old\nB  new\n\nclass  score")
                .containsPattern("organ  Dice +3 +0.7222  0.8333  \\+0.1111 +-0.1667 … \\+0.5000  1.0000")
                .contains("left out: case x only in old");
    }

    @Test
    void isJsonAndCsvWithTheSameFigures() throws IOException {
        comparison().write(folder.resolve("new"), Map.of("made_by", "test"));
        JsonNode json = new ObjectMapper()
                .readTree(folder.resolve("new/comparison.json").toFile());
        JsonNode dice = json.get("scores").get(0);
        assertThat(dice.get("score").asText()).isEqualTo("dice");
        assertThat(dice.get("pairs").asInt()).isEqualTo(3);
        List<String> csv = Files.readAllLines(folder.resolve("new/comparison.csv"));
        assertThat(csv).hasSize(1 + 3 * Score.all().size());
        assertThat(csv.get(1).split(",")[5]).isEqualTo(dice.get("difference").asText());
        assertThat(csv.get(1).split(",")[12]).isEqualTo(dice.get("wilcoxon_p").asText());
    }
}
