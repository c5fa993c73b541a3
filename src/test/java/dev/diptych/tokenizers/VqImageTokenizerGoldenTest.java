package dev.diptych.tokenizers;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.diptych.core.InvalidRequestException;
import dev.diptych.core.engine.OnnxProgram;
import dev.diptych.core.weights.Weights;
import dev.diptych.testing.VqGolden;
import java.nio.FloatBuffer;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Codes of the tiny checkpoints against transformers, deepseek-ai's and Meta's code. */
class VqImageTokenizerGoldenTest {
  @ParameterizedTest
  @ValueSource(strings = {"hf", "original/janus-1.3b", "original/janus-pro-7b"})
  void givesTheReferencesCodes(String layout) {
    try (VqGolden golden = VqGolden.open(layout);
        VqImageTokenizer tokenizer = load(golden)) {
      int side = golden.config().imageSize();

      int[][] codes = tokenizer.encode(golden.pixels(), 1, side, side);

      assertThat(codes).isEqualTo(new int[][] {golden.codes()});
    }
  }

  @ParameterizedTest
  @CsvSource({"meta, square", "meta, wide", "hf, square", "hf, tall"})
  void givesChameleonsCodesAtAnySize(String kind, String picture) {
    try (VqGolden golden = VqGolden.chameleon(kind, picture);
        VqImageTokenizer tokenizer = load(golden)) {
      int patch = golden.config().patchSize();

      int[][] codes =
          tokenizer.encode(golden.pixels(), 1, golden.rows() * patch, golden.columns() * patch);

      assertThat(codes).isEqualTo(new int[][] {golden.codes()});
    }
  }

  @Test
  void bindsEveryTensorOfAnEncoderWithoutADecoder() {
    try (VqGolden golden = VqGolden.chameleon("hf", "square")) {
      Weights weights = Weights.of(golden.checkpoint());

      VqImageTokenizer.bind(golden.config(), weights.at(golden.prefix()));

      assertThat(golden.config().hasDecoder()).isFalse();
      assertThat(weights.done()).containsKey("model.vqmodel.quantize.embedding.weight");
      assertThat(weights.report().ignored().keySet())
          .containsExactlyInAnyOrder(
              "model.vqmodel.post_quant_conv.weight", "model.vqmodel.post_quant_conv.bias");
    }
  }

  @Test
  void aRowOfABatchEqualsASingleRun() {
    try (VqGolden golden = VqGolden.open("hf");
        VqImageTokenizer tokenizer = load(golden)) {
      float[] one = golden.tensors().floats("encode.pixels");
      FloatBuffer two = FloatBuffer.allocate(2 * one.length);
      for (float pixel : one) {
        two.put(-pixel);
      }
      two.put(one).flip();

      int[][] codes = tokenizer.encode(two, 2, 10, 10);

      assertThat(codes[1]).isEqualTo(golden.codes());
      assertThat(codes[0]).isNotEqualTo(golden.codes());
    }
  }

  @Test
  void endsWhereTheStepSaysSo() {
    try (VqGolden golden = VqGolden.open("hf");
        VqImageTokenizer tokenizer = load(golden)) {
      IllegalStateException own = new IllegalStateException("enough");
      FloatBuffer three = FloatBuffer.allocate(3 * 3 * 10 * 10);
      int[] asked = new int[1];

      assertThatThrownBy(
              () ->
                  tokenizer.encode(
                      three,
                      3,
                      10,
                      10,
                      () -> {
                        if (++asked[0] == 2) {
                          throw own;
                        }
                      }))
          .isSameAs(own);
      assertThat(asked[0]).isEqualTo(2);
    }
  }

  @Test
  void encodesAPictureThatIsNotSquareRowByRow() {
    try (VqGolden golden = VqGolden.open("original/janus-1.3b");
        VqImageTokenizer tokenizer = load(golden)) {
      FloatBuffer pixels = FloatBuffer.allocate(3 * 4 * 9);

      int[][] codes = tokenizer.encode(pixels, 1, 4, 9);

      assertThat(codes).hasDimensions(1, 36);
    }
  }

  @Test
  void refusesSidesThatThePatchDoesNotDivide() {
    try (VqGolden golden = VqGolden.open("hf");
        VqImageTokenizer tokenizer = load(golden)) {
      FloatBuffer pixels = FloatBuffer.allocate(3 * 9 * 10);

      assertThatThrownBy(() -> tokenizer.encode(pixels, 1, 9, 10))
          .isInstanceOf(InvalidRequestException.class)
          .hasMessageContaining("10x9")
          .hasMessageContaining("multiples of 2");
    }
  }

  private static VqImageTokenizer load(VqGolden golden) {
    return VqImageTokenizer.load(golden.config(), golden.weights(), OnnxProgram.Options.DEFAULT);
  }
}
