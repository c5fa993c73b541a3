package dev.diptych.core.vq;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.diptych.core.CheckpointException;
import dev.diptych.testing.VqGolden;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.Test;

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

  private static VqConfig vq(int base, List<Integer> multiplier, Set<Integer> attention) {
    return new VqConfig(
        VqLayout.LLAMAGEN, 3, 3, base, multiplier, 2, attention, 256, 8, 16384, 24);
  }
}
