package org.segformer3d.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.PrintWriter;
import java.io.StringWriter;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.segformer3d.data.io.CorruptFileException;
import org.segformer3d.data.loading.LoadingException;
import org.segformer3d.train.run.TrainingDivergedException;

class FailuresTests {
    private static String reported(Throwable thrown) {
        StringWriter text = new StringWriter();
        assertThat(Failures.report(thrown, new PrintWriter(text, true), false)).isEqualTo(1);
        return text.toString();
    }

    @Test
    void aCaseThatCannotBeReadIsNoMistakeInTheProgram() {
        assertThat(reported(new LoadingException("a", new CorruptFileException("a_label.pt", "is empty"))))
                .isEqualToIgnoringNewLines("segformer3d: case a: a_label.pt: is empty");
    }

    @Test
    void aMistakeWhileACaseIsLoadedStaysOne() {
        assertThat(reported(new LoadingException("a", new NullPointerException("x"))))
                .contains("internal error: LoadingException: case a: x")
                .contains("mistake in the program");
    }

    @Test
    void aLossThatIsNoNumberIsNoMistakeInTheProgram() {
        assertThat(reported(new TrainingDivergedException("epoch 1, step 2: the loss is NaN", List.of("a"))))
                .isEqualToIgnoringNewLines("segformer3d: epoch 1, step 2: the loss is NaN");
    }
}
