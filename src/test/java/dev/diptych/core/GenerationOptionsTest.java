package dev.diptych.core;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.function.UnaryOperator;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

class GenerationOptionsTest {
  static Stream<Arguments> wrong() {
    return Stream.of(
        wrong(b -> b.maxTokens(0), "maxTokens is 0; expected 1 to 1000000"),
        wrong(b -> b.maxTokens(-1), "maxTokens is -1; expected 1 to 1000000"),
        wrong(b -> b.maxTokens(1_000_001), "maxTokens is 1000001; expected 1 to 1000000"),
        wrong(b -> b.temperature(Double.NaN), "temperature is NaN; expected 0 to 100"),
        wrong(b -> b.temperature(-1), "temperature is -1.0; expected 0 to 100"),
        wrong(b -> b.temperature(1e9), "temperature is 1.0E9; expected 0 to 100"),
        wrong(b -> b.topK(0), "topK is 0; expected 1 to 1000000"),
        wrong(b -> b.topP(0), "topP is 0.0; expected above 0 to 1"),
        wrong(b -> b.topP(1.01), "topP is 1.01; expected above 0 to 1"),
        wrong(b -> b.topP(Double.NaN), "topP is NaN; expected above 0 to 1"),
        wrong(b -> b.repetitionPenalty(0), "repetitionPenalty is 0.0; expected above 0 to 10"),
        wrong(b -> b.guidanceScale(Double.NaN), "guidanceScale is NaN; expected 0 to 100"),
        wrong(b -> b.guidanceScale(1e9), "guidanceScale is 1.0E9; expected 0 to 100"),
        wrong(
            b -> b.guidanceScale(Double.POSITIVE_INFINITY),
            "guidanceScale is Infinity; expected 0 to 100"),
        wrong(b -> b.pictures(0), "pictures is 0; expected 1 to 1024"),
        wrong(b -> b.pictures(1_000_000), "pictures is 1000000; expected 1 to 1024"));
  }

  private static Arguments wrong(
      UnaryOperator<GenerationOptions.Builder> set, String expectedMessage) {
    return Arguments.of(set, expectedMessage);
  }

  @ParameterizedTest
  @MethodSource("wrong")
  void refusesAValueOutsideItsRangeAndNamesTheRange(
      UnaryOperator<GenerationOptions.Builder> set, String expectedMessage) {
    GenerationOptions.Builder builder = set.apply(GenerationOptions.builder());

    assertThatThrownBy(builder::build)
        .isInstanceOf(InvalidRequestException.class)
        .hasMessage(expectedMessage);
  }

  @Test
  void takesTheEndsOfEveryRange() {
    GenerationOptions low =
        GenerationOptions.builder()
            .maxTokens(1)
            .temperature(0)
            .topK(1)
            .topP(Double.MIN_VALUE)
            .repetitionPenalty(Double.MIN_VALUE)
            .guidanceScale(0)
            .pictures(1)
            .seed(Long.MIN_VALUE)
            .build();
    GenerationOptions high =
        GenerationOptions.builder()
            .maxTokens(1_000_000)
            .temperature(100)
            .topK(1_000_000)
            .topP(1)
            .repetitionPenalty(10)
            .guidanceScale(100)
            .pictures(1024)
            .seed(Long.MAX_VALUE)
            .build();

    assertThat(low.isGreedy()).isTrue();
    assertThat(high.isGreedy()).isFalse();
    assertThat(high.toBuilder().build()).isEqualTo(high);
  }

  @Test
  void fillsInOnlyWhatIsLeftOpen() {
    GenerationOptions defaults =
        GenerationOptions.builder().greedy(true).maxTokens(512).temperature(1).build();

    assertThat(GenerationOptions.builder().maxTokens(3).build().orElse(defaults))
        .isEqualTo(defaults.toBuilder().maxTokens(3).build());
    // Who asks for a temperature wants samples.
    assertThat(GenerationOptions.builder().temperature(0.7).build().orElse(defaults).isGreedy())
        .isFalse();
  }
}
