package org.segformer3d.eval.result;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import com.fasterxml.jackson.core.JsonProcessingException;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;

class JsonTests {
    @Test
    void hash_depends_on_the_content_and_not_on_order_or_number_type() {
        Map<String, Object> one = new LinkedHashMap<>();
        one.put("a", 1);
        one.put("b", Map.of("x", List.of(1L, 2.5)));
        Map<String, Object> two = new LinkedHashMap<>();
        two.put("b", Map.of("x", List.of(1, 2.5)));
        two.put("a", 1L);
        assertThat(Json.hash(one)).hasSize(64).isEqualTo(Json.hash(two));
        two.put("a", 2);
        assertThat(Json.hash(one)).isNotEqualTo(Json.hash(two));
    }

    @Test
    void hash_survives_writing_and_reading() throws JsonProcessingException {
        Map<String, Object> map =
                Map.of("rate", 1e-4, "tiny", 1.0e-300, "whole", 30.0, "text", "ä\n\"", "list", List.of());
        assertThat(Json.hash(Json.parse(Json.pretty(map)))).isEqualTo(Json.hash(map));
    }

    @Test
    void refuses_what_json_cannot_hold() {
        assertThatIllegalArgumentException()
                .isThrownBy(() -> Json.pretty(Map.of("loss", List.of(Double.NaN))))
                .withMessageContaining("/loss: NaN");
        assertThatIllegalArgumentException()
                .isThrownBy(() -> Json.pretty(Map.of("what", new Object())))
                .withMessageContaining("can't be written as JSON");
    }

    @Test
    void failures_are_told_in_one_line() {
        assertThat(CaseFailure.of("a", new IllegalArgumentException("one\ntwo")).reason())
                .isEqualTo("one two");
        assertThat(CaseFailure.of("a", new NullPointerException("x is null")).reason())
                .isEqualTo("NullPointerException: x is null");
        assertThat(CaseFailure.of("a", new OutOfMemoryError()).reason()).isEqualTo("java.lang.OutOfMemoryError");
    }
}
