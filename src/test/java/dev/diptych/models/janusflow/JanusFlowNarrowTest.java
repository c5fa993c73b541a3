package dev.diptych.models.janusflow;

import static org.assertj.core.api.Assertions.assertThat;

import com.google.gson.JsonObject;
import dev.diptych.core.DType;
import dev.diptych.core.GenerationOptions;
import dev.diptych.core.GenerationRequest;
import dev.diptych.core.GenerationResult;
import dev.diptych.core.Output;
import dev.diptych.testing.Golden;
import java.util.Arrays;
import java.util.Optional;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;

/** Narrow weights give nearly what the authors' code gives with exact ones. */
class JanusFlowNarrowTest {
  /**
   * The error of the latents after four steps with guidance 5, as a share of them, both as roots of
   * mean squares; about twice what was measured.
   */
  @ParameterizedTest
  @CsvSource({"BFLOAT16, 0.04", "INT8, 0.045", "INT4, 0.27"})
  void drawingsAreNearTheExactOnes(DType dtype, double most) {
    JsonObject facts =
        Golden.facts("janusflow/draw").getAsJsonArray("draws").get(1).getAsJsonObject();
    int[] ids = TinyJanusFlow.list(facts, "input_ids").stream().mapToInt(i -> i).toArray();
    try (Golden golden = Golden.open("janusflow/draw");
        JanusFlowModel model = load(dtype)) {
      float[] noise = golden.floats("noise");
      float[] all = golden.floats("short.latents");
      float[] expected = Arrays.copyOfRange(all, all.length - noise.length, all.length);
      GenerationOptions options =
          GenerationOptions.builder()
              .guidanceScale(facts.get("guidance").getAsDouble())
              .inferenceSteps(facts.get("steps").getAsInt())
              .pictures(2)
              .build();
      float[][] found =
          new JanusFlowDrawing(model, options, ids)
              .latents(
                  () -> {},
                  (n, unused, count) -> Arrays.copyOfRange(noise, n * count, (n + 1) * count),
                  Optional.empty(),
                  (step, latents) -> {});

      double error = 0;
      double size = 0;
      for (int i = 0; i < expected.length; i++) {
        error += Math.pow(found[i / found[0].length][i % found[0].length] - expected[i], 2);
        size += Math.pow(expected[i], 2);
      }
      assertThat(Math.sqrt(error / size)).isBetween(1e-5, most);
    }
  }

  @ParameterizedTest
  @EnumSource(
      value = DType.class,
      names = {"BFLOAT16", "INT8", "INT4"})
  void drawsAndTells(DType dtype) {
    try (JanusFlowModel model = load(dtype)) {
      GenerationResult result =
          model.generate(
              GenerationRequest.builder()
                  .text("a circle")
                  .output(Output.IMAGE)
                  .options(GenerationOptions.builder().pictures(3).seed(1).build())
                  .build());

      assertThat(result.images()).hasSize(3).doesNotHaveDuplicates();
      assertThat(model.dtype()).isEqualTo(dtype);
      assertThat(model.caption(result.images().get(0))).isNotNull();
    }
  }

  private static JanusFlowModel load(DType dtype) {
    return JanusFlowModel.load(
        TinyJanusFlow.checkpoint(), TinyJanusFlow.FLOAT32.withDtype(dtype));
  }
}
