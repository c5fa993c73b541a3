package dev.diptych.core.vae;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.diptych.core.CheckpointException;
import dev.diptych.core.UnsupportedModelException;
import dev.diptych.core.weights.JsonMap;
import dev.diptych.testing.VaeGolden;
import java.nio.charset.StandardCharsets;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class VaeConfigTest {
  @Test
  void readsDiffusersConfig() {
    try (VaeGolden golden = new VaeGolden("flux", "6x10")) {
      assertThat(golden.config())
          .isEqualTo(
              new VaeConfig(
                  3, 3, List.of(8, 16), 1, 6, 8, 16, 0.3611, 0.1159, false, false, true));
    }
  }

  @Test
  void fillsInTheDefaultsOfTheClass() {
    VaeConfig config = VaeConfig.read(json("{}"));

    assertThat(config)
        .isEqualTo(
            new VaeConfig(3, 3, List.of(64), 1, 4, 32, 32, 0.18215, 0, true, true, true));
    assertThat(VaeConfig.read(json("{\"sample_size\": [48, 64]}")).sampleSize()).isEqualTo(48);
  }

  @ParameterizedTest
  @CsvSource({
    "sd,8x8,DIFFUSERS,true",
    "sd/original,8x8,ORIGINAL,false",
    "flux,6x10,ORIGINAL,false",
    "old,5x7,DIFFUSERS_OLD,true",
    "bare,9x4,DIFFUSERS,true"
  })
  void tellsLayoutAndSizesByTheTensors(
      String coder, String size, VaeLayout.Naming naming, boolean linear) {
    try (VaeGolden golden = new VaeGolden(coder, size)) {
      VaeConfig config = golden.config();

      VaeConfig inferred =
          VaeConfig.infer(
              golden.checkpoint(),
              golden.prefix(),
              config.normNumGroups(),
              config.sampleSize(),
              config.scalingFactor(),
              config.shiftFactor());

      assertThat(golden.layout()).isEqualTo(new VaeLayout(naming, linear));
      assertThat(inferred).isEqualTo(config);
    }
  }

  @Test
  void refusesAFileWithoutACoder() {
    try (VaeGolden golden = new VaeGolden("sd/original", "8x8")) {
      assertThatThrownBy(() -> VaeLayout.of(golden.checkpoint(), "vae."))
          .isInstanceOf(CheckpointException.class)
          .hasMessageContaining("no KL coder")
          .hasMessageContaining("vae.decoder.mid.block_1");
    }
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "{\"_class_name\": \"AutoencoderDC\"}",
        "{\"act_fn\": \"gelu\"}",
        "{\"down_block_types\": [\"AttnDownEncoderBlock2D\"]}",
        "{\"up_block_types\": [\"AttnUpDecoderBlock2D\"]}",
        "{\"latents_mean\": [0.1]}",
        "{\"latents_std\": [0.1]}"
      })
  void refusesCodersOfOtherKinds(String config) {
    assertThatThrownBy(() -> VaeConfig.read(json(config)))
        .isInstanceOf(UnsupportedModelException.class)
        .hasMessageContaining("config.json");
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "{\"block_out_channels\": []}",
        "{\"block_out_channels\": [64, 72]}",
        "{\"block_out_channels\": [32, 32, 32, 32, 32, 32, 32, 32, 32]}",
        "{\"latent_channels\": 0}",
        "{\"layers_per_block\": 1000}",
        "{\"norm_num_groups\": 48}",
        "{\"scaling_factor\": 0}",
        "{\"shift_factor\": 1e30}",
        "{\"sample_size\": []}"
      })
  void refusesSizesThatDoNotGoTogether(String config) {
    assertThatThrownBy(() -> VaeConfig.read(json(config)))
        .isInstanceOf(CheckpointException.class);
  }

  private static JsonMap json(String text) {
    return JsonMap.parse("config.json", text.getBytes(StandardCharsets.UTF_8));
  }
}
