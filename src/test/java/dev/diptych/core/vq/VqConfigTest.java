package dev.diptych.core.vq;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import dev.diptych.core.CheckpointException;
import dev.diptych.core.UnsupportedModelException;
import dev.diptych.core.weights.JsonMap;
import dev.diptych.testing.Golden;
import dev.diptych.testing.VqGolden;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class VqConfigTest {
  @Test
  void readsTheSizesOffTransformersTensors() {
    try (VqGolden golden = VqGolden.open("hf")) {
      assertThat(golden.config())
          .isEqualTo(
              new VqConfig(
                  VqLayout.TRANSFORMERS, 3, 3, 32, List.of(1, 1), 1, Set.of(1), 20, 6, 96, 5));
    }
  }

  @Test
  void readsTheSizesOffDeepseeksTensors() {
    try (VqGolden golden = VqGolden.open("original/janus-1.3b")) {
      assertThat(golden.config())
          .isEqualTo(
              new VqConfig(
                  VqLayout.LLAMAGEN, 3, 3, 32, List.of(1), 1, Set.of(0), 20, 8, 80, 6));
    }
  }

  @Test
  void readsTheSizesOffChameleonsPickle() {
    try (VqGolden golden = VqGolden.chameleon("meta", "square")) {
      assertThat(golden.config())
          .isEqualTo(
              new VqConfig(VqLayout.TAMING, 3, 3, 32, List.of(1, 1), 1, Set.of(1), 10, 6, 64, 6));
    }
  }

  @Test
  void readsTheSizesOfAnEncoderAloneFromTensorsAndConfig() {
    try (VqGolden golden = VqGolden.chameleon("hf", "square")) {
      VqConfig config = VqConfig.taming(golden.checkpoint(), golden.prefix(), vq("{}"));

      assertThat(config)
          .isEqualTo(new VqConfig(VqLayout.TAMING, 3, 0, 32, List.of(1), 1, Set.of(), 7, 5, 48, 6));
      assertThat(config.hasDecoder()).isFalse();
    }
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "embed_dim              | 256         | 5, as the tensors have it",
        "num_embeddings         | 8192        | 48, as",
        "latent_channels        | 256         | 7, as",
        "in_channels            | 4           | 3, as",
        "base_channels          | 128         | 32, as",
        "num_res_blocks         | 2           | 1, as",
        "channel_multiplier     | [1, 1, 2]   | [1], as",
        "attn_resolutions       | [6]         | [], as",
      })
  void refusesAConfigThatIsNotOfTheseTensors(String key, String value, String expected) {
    try (VqGolden golden = VqGolden.chameleon("hf", "square")) {
      JsonMap vq = vq("{\"" + key + "\": " + value + "}");

      assertThatThrownBy(() -> VqConfig.taming(golden.checkpoint(), golden.prefix(), vq))
          .isInstanceOf(CheckpointException.class)
          .hasMessageContaining(key)
          .hasMessageContaining(expected);
    }
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "\"attn_type\": \"none\"",
        "\"attn_type\": null",
        "\"double_latent\": true",
      })
  void refusesACoderOfAnotherKind(String member) {
    try (VqGolden golden = VqGolden.chameleon("hf", "square")) {
      JsonMap vq = vq("{" + member + "}");

      assertThatThrownBy(() -> VqConfig.taming(golden.checkpoint(), golden.prefix(), vq))
          .isInstanceOf(UnsupportedModelException.class)
          .hasMessageContaining("this library runs");
    }
  }

  @Test
  void refusesAResolutionThatCodesDoNotDivide() {
    try (VqGolden golden = VqGolden.chameleon("meta", "square")) {
      JsonMap vq = vq("{\"resolution\": 13}");

      assertThatThrownBy(() -> VqConfig.taming(golden.checkpoint(), golden.prefix(), vq))
          .isInstanceOf(CheckpointException.class)
          .hasMessageContaining("a multiple of 2");
    }
  }

  @Test
  void refusesTensorsOfAnotherLayout() {
    try (VqGolden golden = VqGolden.open("original/janus-1.3b")) {
      // Janus' names are not those of taming-transformers
      assertThatThrownBy(
              () -> VqConfig.infer(golden.checkpoint(), golden.prefix(), 6, VqLayout.TAMING))
          .isInstanceOf(CheckpointException.class)
          .hasMessageContaining("number of levels");
    }
  }

  @Test
  void knowsThePictureOfThePublishedCoder() {
    VqConfig vq16 = vq(128, List.of(1, 1, 2, 2, 4), Set.of(4));

    assertThat(vq16.patchSize()).isEqualTo(16);
    assertThat(vq16.imageSize()).isEqualTo(384);
    assertThat(vq16.numCodes()).isEqualTo(576);
    assertThat(vq16.channels(4)).isEqualTo(512);
  }

  @Test
  void refusesTensorsOfSomethingElse() {
    try (VqGolden golden = VqGolden.open("hf")) {
      assertThatThrownBy(() -> VqConfig.infer(golden.checkpoint(), "model.vision_model.", 5))
          .isInstanceOf(CheckpointException.class)
          .hasMessageContaining("model.vision_model.encoder.down.0.block.0")
          .hasMessageContaining("hf");
    }
  }

  @Test
  void refusesSizesOutOfRange() {
    assertRefused("channelMultiplier", () -> vq(128, List.of(), Set.of()));
    assertRefused("channelMultiplier", () -> vq(128, List.of(1, 0), Set.of()));
    assertRefused("channelMultiplier", () -> vq(128, List.of(1 << 30), Set.of()));
    assertRefused("baseChannels", () -> vq(-128, List.of(1), Set.of()));
    List<Integer> eightLevels = List.of(1, 1, 1, 1, 1, 1, 1, 1);
    assertRefused(
        "picture side is 16512",
        () ->
            new VqConfig(
                VqLayout.LLAMAGEN, 3, 3, 32, eightLevels, 2, Set.of(), 8, 8, 8, 129));
    assertRefused("multiple of 32", () -> vq(48, List.of(1), Set.of()));
    assertRefused("attention at level 1", () -> vq(64, List.of(1), Set.of(1)));
  }

  private static void assertRefused(String why, Runnable make) {
    assertThatThrownBy(make::run)
        .isInstanceOf(CheckpointException.class)
        .hasMessageContaining(why);
  }

  /** {@return the tiny encoder's vq_config with other members} */
  private static JsonMap vq(String others) {
    JsonObject vq = Golden.facts("chameleon/vq/hf").getAsJsonObject("vq_config");
    JsonObject other = JsonParser.parseString(others).getAsJsonObject();
    other.keySet().forEach(key -> vq.add(key, other.get(key)));
    return JsonMap.parse("config.json", vq.toString().getBytes(StandardCharsets.UTF_8));
  }

  private static VqConfig vq(int base, List<Integer> multiplier, Set<Integer> attention) {
    return new VqConfig(
        VqLayout.LLAMAGEN, 3, 3, base, multiplier, 2, attention, 256, 8, 16384, 24);
  }
}
