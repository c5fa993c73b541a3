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
        wrong(b -> b.inferenceSteps(0), "inferenceSteps is 0; expected 1 to 10000"),
        wrong(b -> b.inferenceSteps(1_000_000), "inferenceSteps is 1000000; expected 1 to 10000"),
        wrong(b -> b.timestepShift(0), "timestepShift is 0.0; expected above 0 to 100"),
        wrong(b -> b.timestepShift(Double.NaN), "timestepShift is NaN; expected above 0 to 100"),
        wrong(
            b -> b.guidanceInterval(1, 0.4),
            "guidanceInterval is 1.0 to 0.4; expected 0 <= from < to <= 1"),
        wrong(
            b -> b.guidanceInterval(0.5, 0.5),
            "guidanceInterval is 0.5 to 0.5; expected 0 <= from < to <= 1"),
        wrong(
            b -> b.guidanceInterval(-0.1, 1),
            "guidanceInterval is -0.1 to 1.0; expected 0 <= from < to <= 1"),
        wrong(
            b -> b.guidanceInterval(0, 1.5),
            "guidanceInterval is 0.0 to 1.5; expected 0 <= from < to <= 1"),
        wrong(
            b -> b.guidanceInterval(Double.NaN, 1),
            "guidanceInterval is NaN to 1.0; expected 0 <= from < to <= 1"),
        wrong(
            b -> b.guidanceInterval(0, Double.NaN),
            "guidanceInterval is 0.0 to NaN; expected 0 <= from < to <= 1"),
        wrong(
            b -> b.guidanceRenorm(GuidanceRenorm.Kind.GLOBAL, Double.NaN),
            "The minimum of guidanceRenorm is NaN; expected 0 to 1"),
        wrong(
            b -> b.guidanceRenorm(GuidanceRenorm.Kind.CHANNEL, 1.1),
            "The minimum of guidanceRenorm is 1.1; expected 0 to 1"),
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
    assertThatThrownBy(() -> set.apply(GenerationOptions.builder()).build())
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
            .inferenceSteps(1)
            .timestepShift(Double.MIN_VALUE)
            .guidanceInterval(0, Double.MIN_VALUE)
            .guidanceRenorm(GuidanceRenorm.Kind.GLOBAL, 0)
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
            .inferenceSteps(10_000)
            .timestepShift(100)
            .guidanceInterval(0, 1)
            .guidanceRenorm(GuidanceRenorm.Kind.NONE, 1)
            .think(true)
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

  @Test
  void fillsInTheOptionsOfDenoisingOneByOne() {
    GenerationOptions defaults = denoising().build();

    assertThat(GenerationOptions.DEFAULT.orElse(defaults)).isEqualTo(defaults);
    GenerationOptions asked =
        GenerationOptions.builder()
            .inferenceSteps(7)
            .timestepShift(1)
            .guidanceInterval(0, 1)
            .guidanceRenorm(GuidanceRenorm.Kind.CHANNEL, 0.5)
            .think(true)
            .build();
    assertThat(asked.orElse(defaults)).isEqualTo(asked);
  }

  @Test
  void saysTheOptionsOfDenoisingInJson() {
    assertThat(denoising().build().toJson())
        .isEqualTo(
            "{\"inferenceSteps\":50,\"timestepShift\":3.0,"
                + "\"guidanceInterval\":{\"from\":0.4,\"to\":1.0},"
                + "\"guidanceRenorm\":{\"kind\":\"text_channel\",\"minimum\":0.0},"
                + "\"think\":false}");
  }

  @Test
  void anIntervalHoldsItsUpperEndAndNotItsLower() {
    GuidanceInterval interval = new GuidanceInterval(0.4, 0.8);

    assertThat(interval.contains(0.4)).isFalse();
    assertThat(interval.contains(Math.nextUp(0.4))).isTrue();
    assertThat(interval.contains(0.8)).isTrue();
    assertThat(interval.contains(Math.nextUp(0.8))).isFalse();
  }

  static Stream<Arguments> unheeded() {
    return Stream.of(
        wrong(b -> b.inferenceSteps(5), "inferenceSteps"),
        wrong(b -> b.timestepShift(2), "timestepShift"),
        wrong(b -> b.guidanceInterval(0, 1), "guidanceInterval"),
        wrong(b -> b.guidanceRenorm(GuidanceRenorm.Kind.GLOBAL, 0), "guidanceRenorm"),
        wrong(b -> b.imageGuidanceScale(1), "imageGuidanceScale"),
        wrong(b -> b.think(true), "think"));
  }

  @ParameterizedTest
  @MethodSource("unheeded")
  void refusesAnOptionOfDenoisingThatTheModelDoesNotHeed(
      UnaryOperator<GenerationOptions.Builder> set, String name) {
    GenerationOptions asked = set.apply(GenerationOptions.builder()).build();

    assertThatThrownBy(() -> asked.requireHeeded(GenerationOptions.DEFAULT, Output.IMAGE))
        .isInstanceOf(UnsupportedRequestException.class)
        .hasMessageStartingWith("This model has no " + name + " for such an answer");
    asked.requireHeeded(denoising().imageGuidanceScale(2).build(), Output.IMAGE);
  }

  static Stream<Arguments> sampled() {
    return Stream.of(
        wrong(b -> b.temperature(0.5), "temperature"),
        wrong(b -> b.greedy(true), "greedy"),
        wrong(b -> b.topK(5), "topK"),
        wrong(b -> b.topP(0.5), "topP"),
        wrong(b -> b.repetitionPenalty(1.1), "repetitionPenalty"),
        wrong(b -> b.imageTemperature(0.5), "imageTemperature"));
  }

  /** Tokens that there are may be sampled; a picture that is denoised has none. */
  @ParameterizedTest
  @MethodSource("sampled")
  void refusesToSampleTokensThatADenoisedPictureDoesNotHave(
      UnaryOperator<GenerationOptions.Builder> set, String name) {
    GenerationOptions asked = set.apply(GenerationOptions.builder()).build();
    GenerationOptions thinking = asked.toBuilder().think(true).build();
    boolean words = !name.equals("imageTemperature");

    assertThatThrownBy(() -> asked.requireHeeded(denoising().build(), Output.IMAGE))
        .isInstanceOf(UnsupportedRequestException.class)
        .hasMessageContaining("denoises its pictures, and " + name + " is for tokens")
        .hasMessageContaining("remedy   leave it out");
    asked.requireHeeded(GenerationOptions.DEFAULT, Output.IMAGE);
    asked.requireHeeded(GenerationOptions.DEFAULT, Output.TEXT);
    if (words) {
      thinking.requireHeeded(denoising().build(), Output.IMAGE);
      asked.requireHeeded(denoising().build(), Output.INTERLEAVED);
      // As the model has it, it is never refused: whoever fills in defaults may send them on.
      asked.requireHeeded(asked.orElse(denoising().build()), Output.IMAGE);
    }
    GenerationOptions.builder().maxTokens(4).build()
        .requireHeeded(denoising().build(), Output.IMAGE);
  }

  @Test
  void anyModelCanAnswerWithoutThinking() {
    GenerationOptions.builder().think(false).build()
        .requireHeeded(GenerationOptions.DEFAULT, Output.TEXT);
  }

  private static GenerationOptions.Builder denoising() {
    return GenerationOptions.builder()
        .inferenceSteps(50)
        .timestepShift(3)
        .guidanceInterval(0.4, 1)
        .guidanceRenorm(GuidanceRenorm.Kind.TEXT_CHANNEL, 0)
        .think(false);
  }
}
