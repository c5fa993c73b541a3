package dev.diptych.models.emu3;

import static org.assertj.core.api.Assertions.assertThat;

import com.google.gson.JsonObject;
import dev.diptych.models.discrete.DiscreteStates;
import dev.diptych.testing.Golden;
import dev.diptych.testing.Tolerance;
import java.util.Arrays;
import java.util.stream.IntStream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

/** The language model against transformers' Emu3, and guidance against its logits processors. */
class Emu3TransformerGoldenTest {
  private static final int LAYERS = 2;

  private static Emu3Model model;

  @BeforeAll
  static void load() {
    model = TinyEmu3.load();
  }

  @AfterAll
  static void close() {
    model.close();
  }

  @Test
  void everyHiddenStateAndLogitAgrees() {
    try (Golden golden = Golden.open("emu3")) {
      int[] ids = TinyEmu3.ints(TinyEmu3.facts("reading").findFirst().orElseThrow(), "input_ids");
      float[] states = DiscreteStates.hiddenStates(model.transformer(), ids);
      float[] expected = golden.floats("hidden_states");
      int size = expected.length / (LAYERS + 2);

      assertThat(states).hasSameSizeAs(expected);
      for (int i = 0; i < LAYERS + 2; i++) {
        Tolerance.FP32_DEEP.check(
            "state " + i,
            Arrays.copyOfRange(states, i * size, (i + 1) * size),
            Arrays.copyOfRange(expected, i * size, (i + 1) * size));
      }
      Tolerance.FP32_DEEP.check(
          "logits",
          DiscreteStates.allLogits(model.transformer(), ids),
          golden.floats("logits"));
    }
  }

  /**
   * What generate samples from came through log-softmax of both rows, guidance and the authors'
   * constraint. Guidance of bare logits gives the same probabilities among the codes, because each
   * row's normaliser is one number for all of them.
   */
  @ParameterizedTest
  @ValueSource(strings = {"square", "wide", "plain"})
  void guidanceOfBareLogitsGivesTheProbabilitiesOfTheProcessors(String name) {
    try (Golden golden = Golden.open("emu3")) {
      JsonObject drawing = TinyEmu3.drawing(name);
      int[] tokens = TinyEmu3.ints(drawing, "tokens");
      float[][] with = codeLogits(TinyEmu3.ints(drawing, "prompt"), tokens);
      float[][] without = codeLogits(TinyEmu3.ints(drawing, "negative"), tokens);
      float[] scores = golden.floats(name + ".scores");
      double guidance = drawing.get("guidance").getAsDouble();
      int codes = with[0].length;

      for (int row = 0; row < with.length; row++) {
        double[] guided = new double[codes];
        double[] expected = new double[codes];
        for (int c = 0; c < codes; c++) {
          guided[c] = without[row][c] + guidance * (with[row][c] - without[row][c]);
          expected[c] = scores[row * codes + c];
        }
        Tolerance.FP32_DEEP.check("step " + row, softmax(guided), softmax(expected));
      }
      assertThat(scores).hasSize(with.length * codes);
    }
  }

  /** {@return [P][C] the logits of all codes, where the picture has a code} */
  private static float[][] codeLogits(int[] prompt, int[] tokens) {
    int[] all = IntStream.concat(IntStream.of(prompt), IntStream.of(tokens)).toArray();
    float[] logits = DiscreteStates.allLogits(model.transformer(), all);
    int width = logits.length / all.length;
    int[] imageIds = model.vocabulary().discrete().imageIds();
    return IntStream.range(0, tokens.length)
        .filter(i -> model.vocabulary().discrete().code(tokens[i]) >= 0)
        .mapToObj(
            i -> {
              float[] row = new float[imageIds.length];
              for (int c = 0; c < row.length; c++) {
                row[c] = logits[(prompt.length + i - 1) * width + imageIds[c]];
              }
              return row;
            })
        .toArray(float[][]::new);
  }

  private static float[] softmax(double[] logits) {
    double most = Arrays.stream(logits).max().orElseThrow();
    double total = Arrays.stream(logits).map(l -> Math.exp(l - most)).sum();
    float[] found = new float[logits.length];
    for (int i = 0; i < found.length; i++) {
      found[i] = (float) (Math.exp(logits[i] - most) / total);
    }
    return found;
  }
}
