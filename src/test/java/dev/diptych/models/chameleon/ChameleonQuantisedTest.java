package dev.diptych.models.chameleon;

import static org.assertj.core.api.Assertions.assertThat;

import dev.diptych.core.DType;
import dev.diptych.core.GenerationOptions;
import dev.diptych.core.GenerationRequest;
import dev.diptych.core.GenerationResult;
import dev.diptych.core.LoadOptions;
import dev.diptych.core.Output;
import dev.diptych.models.discrete.WithoutCache;
import dev.diptych.testing.Golden;
import java.util.stream.IntStream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Integer weights through the whole model: near the exact ones, and everything still runs. */
class ChameleonQuantisedTest {
  private static final int[] IDS = IntStream.range(93, 133).toArray();

  /**
   * Kullback-Leibler divergence in nats from the float32 model, the mean over 40 positions; two to
   * three times what was measured (1.6e-4, 5.1e-4, 0.046).
   */
  @ParameterizedTest
  @CsvSource({"BFLOAT16, 5e-4", "INT8, 1.5e-3", "INT4, 0.1"})
  void answersAreNearThoseOfExactWeights(DType dtype, double most) {
    float[] exact = logits(DType.FLOAT32);
    float[] found = logits(dtype);

    double mean = WithoutCache.divergence(exact, found, IDS.length);
    assertThat(mean).isBetween(1e-9, most);
  }

  @ParameterizedTest
  @CsvSource({"INT8", "INT4"})
  void drawsAndTells(DType dtype) {
    try (ChameleonModel model = load(dtype)) {
      GenerationResult result =
          model.generate(
              GenerationRequest.builder()
                  .text("a circle")
                  .output(Output.IMAGE)
                  .options(GenerationOptions.builder().pictures(3).seed(1).build())
                  .build());

      assertThat(result.images()).hasSize(3);
      assertThat(model.dtype()).isEqualTo(dtype);
      assertThat(model.caption(result.images().get(0))).isNotNull();
    }
  }

  private static float[] logits(DType dtype) {
    try (ChameleonModel model = load(dtype)) {
      return WithoutCache.logits(model.transformer(), IDS);
    }
  }

  private static ChameleonModel load(DType dtype) {
    return ChameleonModel.load(
        Golden.folder("chameleon/meta/checkpoint"), LoadOptions.DEFAULT.withDtype(dtype));
  }
}
