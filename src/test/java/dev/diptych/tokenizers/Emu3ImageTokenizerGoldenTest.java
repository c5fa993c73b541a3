package dev.diptych.tokenizers;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.diptych.core.CheckpointException;
import dev.diptych.core.InvalidRequestException;
import dev.diptych.core.engine.OnnxProgram;
import dev.diptych.core.weights.Weights;
import dev.diptych.decoders.Emu3ImageDecoder;
import dev.diptych.testing.Emu3VqGolden;
import java.nio.FloatBuffer;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Codes of the tiny coders against transformers. */
class Emu3ImageTokenizerGoldenTest {
  @ParameterizedTest
  @CsvSource({"long, square", "long, wide", "plain, square", "plain, tall", "plain, lots"})
  void givesTheReferencesCodes(String kind, String picture) {
    try (Emu3VqGolden golden = Emu3VqGolden.open(kind, picture);
        Emu3ImageTokenizer tokenizer = load(golden)) {
      int patch = tokenizer.config().patchSize();

      int[][] codes =
          tokenizer.encode(golden.pixels(), 1, golden.rows() * patch, golden.columns() * patch);

      assertThat(codes).isEqualTo(new int[][] {golden.codes()});
    }
  }

  @Test
  void aRowOfABatchEqualsASingleRun() {
    try (Emu3VqGolden golden = Emu3VqGolden.open("plain", "tall");
        Emu3ImageTokenizer tokenizer = load(golden)) {
      FloatBuffer one = golden.pixels();
      FloatBuffer two = FloatBuffer.allocate(2 * one.remaining());
      for (int i = 0; i < one.remaining(); i++) {
        two.put(-one.get(i));
      }
      two.put(one).flip();

      int[][] codes = tokenizer.encode(two, 2, 7, 3);

      assertThat(codes[1]).isEqualTo(golden.codes());
      assertThat(codes[0]).isNotEqualTo(golden.codes());
    }
  }

  /** Before the encoder, and before every part of the search for the nearest vectors. */
  @ParameterizedTest
  @ValueSource(ints = {1, 2, 3})
  void endsWhereTheStepSaysSo(int last) {
    try (Emu3VqGolden golden = Emu3VqGolden.open("plain", "lots");
        Emu3ImageTokenizer tokenizer = load(golden)) {
      IllegalStateException own = new IllegalStateException("enough");
      int[] asked = new int[1];

      assertThatThrownBy(
              () ->
                  tokenizer.encode(
                      golden.pixels(),
                      1,
                      golden.rows(),
                      golden.columns(),
                      () -> {
                        if (++asked[0] == last) {
                          throw own;
                        }
                      }))
          .isSameAs(own);
      assertThat(asked[0]).isEqualTo(last);
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"long", "plain"})
  void bindsEveryTensorWithTheDecoder(String kind) {
    try (Emu3VqGolden golden = Emu3VqGolden.open(kind, "square")) {
      Weights weights = Weights.of(golden.checkpoint());

      Emu3ImageTokenizer.bind(golden.config(), weights.at(golden.prefix()));
      Emu3ImageDecoder.bind(golden.config(), weights.at(golden.prefix()));

      assertThat(weights.done()).hasSizeGreaterThan(100);
      assertThat(weights.report().ignored().keySet())
          .isNotEmpty()
          .allMatch(name -> name.endsWith("num_batches_tracked"));
    }
  }

  @Test
  void refusesATensorOfAnotherShape() {
    try (Emu3VqGolden golden = Emu3VqGolden.open("plain", "square")) {
      Weights weights = Weights.of(golden.checkpoint());

      Emu3ImageTokenizer.bind(
          golden.config(Map.of("codebook_size", 25)), weights.at(golden.prefix()));

      assertThatThrownBy(weights::done)
          .isInstanceOf(CheckpointException.class)
          .hasMessageContaining("vqmodel.quantize.embedding.weight expected [25, 4]")
          .hasMessageContaining("found [24, 4]");
    }
  }

  @ParameterizedTest
  @CsvSource({"9, 10", "10, 9", "0, 10"})
  void refusesSidesThatTheFactorDoesNotDivide(int height, int width) {
    try (Emu3VqGolden golden = Emu3VqGolden.open("long", "square");
        Emu3ImageTokenizer tokenizer = load(golden)) {
      FloatBuffer pixels = FloatBuffer.allocate(3 * height * width);

      assertThatThrownBy(() -> tokenizer.encode(pixels, 1, height, width))
          .isInstanceOf(InvalidRequestException.class)
          .hasMessageContaining(width + "x" + height)
          .hasMessageContaining("multiples of 2");
    }
  }

  private static Emu3ImageTokenizer load(Emu3VqGolden golden) {
    return Emu3ImageTokenizer.load(golden.config(), golden.weights(), OnnxProgram.Options.DEFAULT);
  }
}
