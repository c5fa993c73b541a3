package dev.diptych.tokenizers;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.diptych.core.CheckpointException;
import dev.diptych.core.EngineException;
import dev.diptych.core.InvalidRequestException;
import dev.diptych.core.ResourceLimitException;
import dev.diptych.core.engine.OnnxExport;
import dev.diptych.core.engine.OnnxProgram;
import dev.diptych.core.vae.VaeConfig;
import dev.diptych.core.vae.VaeTiling;
import dev.diptych.testing.Golden;
import dev.diptych.testing.Tolerance;
import dev.diptych.testing.VaeGolden;
import dev.diptych.tokenizers.VaeImageEncoder.Moments;
import java.nio.FloatBuffer;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Latents of the tiny coders against diffusers. */
class VaeImageEncoderGoldenTest {
  private static final Runnable GO_ON = () -> {};

  @TempDir Path folder;

  @ParameterizedTest
  @CsvSource({
    "sd,8x8", "sd,13x21", "sd/original,11x3", "flux,6x10", "flux,20x17", "old,5x7", "bare,9x4"
  })
  void givesTheReferencesLatents(String coder, String size) {
    try (VaeGolden golden = new VaeGolden(coder, size);
        VaeImageEncoder encoder = load(golden)) {
      Moments moments = encode(encoder, golden, golden.floats("pixels"));

      Tolerance.FP32_DEEP.check("mean", moments.mean(), golden.floats("mean"));
      Tolerance.FP32_DEEP.check("logvar", moments.logVariance(), golden.floats("logvar"));
      Tolerance.FP32_DEEP.check("latents", encoder.latents(moments), golden.floats("latents"));
      Tolerance.FP32_DEEP.check(
          "sampled", encoder.latents(moments, golden.floats("noise")), golden.floats("sampled"));
    }
  }

  @ParameterizedTest
  @ValueSource(ints = {8, 12})
  void givesTheReferencesMomentsInTiles(int tile) {
    try (VaeGolden golden = new VaeGolden("sd", "13x21");
        Golden tiled = Golden.open("vae/tiled");
        VaeImageEncoder encoder = load(golden, new VaeTiling(oneTile(golden, tile), tile))) {
      Moments moments = encode(encoder, golden, golden.floats("pixels"));

      String name = "13x21." + tile;
      Tolerance.FP32_DEEP.check("mean", moments.mean(), tiled.floats(name + ".mean"));
      Tolerance.FP32_DEEP.check("logvar", moments.logVariance(), tiled.floats(name + ".logvar"));
    }
  }

  private static long oneTile(VaeGolden golden, int tile) {
    return VaeTiling.activationBytes(golden.config(), tile, tile);
  }

  @Test
  void refusesALimitBelowASmallTile() {
    try (VaeGolden golden = new VaeGolden("sd", "13x21");
        VaeImageEncoder encoder = load(golden, VaeTiling.of(golden.config(), 1000))) {
      assertThatThrownBy(() -> encode(encoder, golden, golden.floats("pixels")))
          .isInstanceOf(ResourceLimitException.class)
          .hasMessageContaining("a tile of 8 x 8")
          .hasMessageContaining("of which 1000 are allowed");
    }
  }

  @Test
  void encodesEachPictureOfABatchAlone() {
    try (VaeGolden golden = new VaeGolden("flux", "6x10");
        VaeImageEncoder encoder = load(golden)) {
      float[] pixels = golden.floats("pixels");
      float[] two = new float[2 * pixels.length];
      System.arraycopy(pixels, 0, two, pixels.length, pixels.length);

      Moments moments = encoder.encode(FloatBuffer.wrap(two), 2, 12, 20, GO_ON);

      float[] second = new float[moments.mean().length / 2];
      System.arraycopy(moments.mean(), second.length, second, 0, second.length);
      assertThat(second).containsExactly(encode(encoder, golden, pixels).mean());
    }
  }

  @Test
  void anExportedEncoderStandsInForTheOneOfTheCheckpoint() {
    try (VaeGolden golden = new VaeGolden("old", "5x7")) {
      Path file = folder.resolve("model.onnx");
      OnnxExport.write(
          VaeImageEncoder.graph(golden.config(), golden.layout()), golden.weights(), file);

      try (VaeImageEncoder opened =
          VaeImageEncoder.open(
              file,
              golden.config(),
              VaeTiling.of(golden.config()),
              OnnxProgram.Options.DEFAULT)) {
        Moments moments = encode(opened, golden, golden.floats("pixels"));

        Tolerance.FP32_DEEP.check("mean", moments.mean(), golden.floats("mean"));
      }
      VaeConfig other = golden.config();
      assertThatThrownBy(
              () ->
                  VaeImageEncoder.open(
                      golden.folder().resolve("decoder.onnx"),
                      other,
                      VaeTiling.of(other),
                      OnnxProgram.Options.DEFAULT))
          .isInstanceOf(CheckpointException.class)
          .hasMessageContaining("latent_parameters float32 [N, 4, y, x]")
          .hasMessageContaining("found    [latent_sample float32");
    }
  }

  @Test
  void refusesPicturesOffTheGrid() {
    try (VaeGolden golden = new VaeGolden("flux", "6x10");
        VaeImageEncoder encoder = load(golden)) {
      assertThatThrownBy(() -> encoder.encode(FloatBuffer.allocate(3 * 4 * 5), 1, 4, 5, GO_ON))
          .isInstanceOf(InvalidRequestException.class)
          .hasMessageContaining("multiples of 2");
      assertThatThrownBy(() -> encoder.encode(FloatBuffer.allocate(7), 1, 4, 4, GO_ON))
          .isInstanceOf(InvalidRequestException.class)
          .hasMessageContaining("expected 48 numbers, found 7");
      assertThatThrownBy(() -> encoder.encode(FloatBuffer.allocate(0), 0, 4, 4, GO_ON))
          .isInstanceOf(InvalidRequestException.class);
    }
  }

  @Test
  void refusesPixelsThatAreNoNumbersAndNoiseOfAnotherLength() {
    try (VaeGolden golden = new VaeGolden("flux", "6x10");
        VaeImageEncoder encoder = load(golden)) {
      float[] pixels = golden.floats("pixels");
      Moments moments = encode(encoder, golden, pixels);
      pixels[5] = Float.NaN;

      assertThatThrownBy(() -> encode(encoder, golden, pixels))
          .isInstanceOf(EngineException.class)
          .hasMessageContaining("not a number, picture 0");
      assertThatThrownBy(() -> encoder.latents(moments, new float[3]))
          .isInstanceOf(InvalidRequestException.class)
          .hasMessageContaining("360 latents from 3");
    }
  }

  private static Moments encode(VaeImageEncoder encoder, VaeGolden golden, float[] pixels) {
    int patch = golden.config().patchSize();
    return encoder.encode(
        FloatBuffer.wrap(pixels), 1, golden.rows() * patch, golden.columns() * patch, GO_ON);
  }

  private static VaeImageEncoder load(VaeGolden golden) {
    return load(golden, VaeTiling.of(golden.config()));
  }

  private static VaeImageEncoder load(VaeGolden golden, VaeTiling tiling) {
    return VaeImageEncoder.load(
        golden.config(), golden.layout(), golden.weights(), tiling, OnnxProgram.Options.DEFAULT);
  }
}
