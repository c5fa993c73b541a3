package dev.diptych.models.denoising;

import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.diptych.core.CheckpointException;
import java.util.List;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** A size that no decoder has is refused with its range and where it stands. */
class DecoderConfigTest {
  private static final List<String> SIZES =
      List.of(
          "vocab_size",
          "hidden_size",
          "intermediate_size",
          "num_hidden_layers",
          "num_attention_heads",
          "num_key_value_heads",
          "head_dim",
          "max_position_embeddings");

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "vocab_size | 0 | 1 to 16777216",
        "hidden_size | 1048577 | 1 to 1048576",
        "intermediate_size | -1 | 1 to 16777216",
        "num_hidden_layers | 1025 | 1 to 1024",
        "num_attention_heads | 0 | 1 to 65536",
        "num_key_value_heads | 3 | a divisor of num_attention_heads 4",
        "head_dim | 7 | an even number from 2 to 65536",
        "max_position_embeddings | 16777217 | 1 to 16777216",
      })
  void aSizeOutOfRangeIsToldWithItsRange(String name, int value, String expected) {
    int[] sizes = {64, 32, 48, 2, 4, 2, 8, 512};
    sizes[SIZES.indexOf(name)] = value;

    assertThatThrownBy(() -> config(sizes, 1e-6, 1e4))
        .isInstanceOf(CheckpointException.class)
        .hasMessageContaining(name)
        .hasMessageContaining("expected " + expected)
        .hasMessageContaining("found    " + value + " in the config.json of the language model");
  }

  @ParameterizedTest
  @CsvSource({"1, 1e4, above 0 and below 1", "NaN, 1e4, above 0 and below 1", "1e-6, 0, below 1e12"})
  void numbersOutOfRangeAreToldToo(double eps, double theta, String expected) {
    int[] sizes = {64, 32, 48, 2, 4, 2, 8, 512};

    assertThatThrownBy(() -> config(sizes, eps, theta))
        .isInstanceOf(CheckpointException.class)
        .hasMessageContaining(expected);
  }

  private static DecoderConfig config(int[] s, double eps, double theta) {
    return new DecoderConfig(
        s[0], s[1], s[2], s[3], s[4], s[5], s[6], eps, theta, s[7], false, false, false, false);
  }
}
