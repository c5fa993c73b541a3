package dev.diptych.core.vq;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.diptych.core.CheckpointException;
import dev.diptych.core.UnsupportedModelException;
import dev.diptych.core.weights.JsonMap;
import dev.diptych.testing.Emu3VqGolden;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class Emu3VqConfigTest {
  @Test
  void readsWhatTransformersWrote() {
    try (Emu3VqGolden golden = Emu3VqGolden.open("long", "square")) {
      assertThat(golden.config())
          .isEqualTo(
              new Emu3VqConfig(40, 4, 4, 3, 3, 4, 32, List.of(1, 1), 1, Set.of(1), 32, 2));
    }
  }

  @Test
  void aFileThatSaysNothingMeansTheClasssDefaults() {
    Emu3VqConfig config = read("{}");

    assertThat(config)
        .isEqualTo(
            new Emu3VqConfig(
                32768, 4, 4, 3, 3, 4, 256, List.of(1, 2, 2, 4), 2, Set.of(3), 1024, 1));
    assertThat(config.patchSize()).isEqualTo(8);
    assertThat(config.temporalLevels()).isEqualTo(2);
    assertThat(config.channels(3)).isEqualTo(1024);
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "temporal_downsample_factor | 3            | a power of 2",
        "channel_multiplier         | []           | 1 to 8 levels",
        "channel_multiplier         | [1, 2, 2, 8] | hidden_size",
        "base_channels              | 40           | multiples of 32",
        "latent_channels            | 8            | embed_dim, 4",
        "hidden_size                | 512          | 1024, the channels of the last level",
        "attn_resolutions           | [2]          | levels of 1024 channels",
        "num_attention_heads        | 3            | a divisor of hidden_size, 1024",
        "codebook_size              | 0            | codebook_size",
      })
  void refusesSizesThatDoNotGoTogether(String key, String value, String expected) {
    assertThatThrownBy(() -> read("{\"" + key + "\": " + value + "}"))
        .isInstanceOf(CheckpointException.class)
        .hasMessageContaining(expected);
  }

  @Test
  void refusesTwoLatentsForOnePosition() {
    assertThatThrownBy(() -> read("{\"double_latent\": true}"))
        .isInstanceOf(UnsupportedModelException.class)
        .hasMessageContaining("double_latent");
  }

  private static Emu3VqConfig read(String json) {
    return Emu3VqConfig.read(
        JsonMap.parse("config.json", json.getBytes(StandardCharsets.UTF_8)));
  }
}
