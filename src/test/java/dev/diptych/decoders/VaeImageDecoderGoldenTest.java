package dev.diptych.decoders;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.diptych.core.CheckpointException;
import dev.diptych.core.EngineException;
import dev.diptych.core.Image;
import dev.diptych.core.InvalidRequestException;
import dev.diptych.core.ResourceLimitException;
import dev.diptych.core.engine.OnnxExport;
import dev.diptych.core.engine.OnnxProgram;
import dev.diptych.core.engine.OnnxWeights;
import dev.diptych.core.vae.VaeConfig;
import dev.diptych.core.vae.VaeTiling;
import dev.diptych.core.weights.Weights;
import dev.diptych.decoders.VaeImageDecoder.Rounding;
import dev.diptych.testing.Tolerance;
import dev.diptych.testing.VaeGolden;
import dev.diptych.tokenizers.VaeImageEncoder;
import java.nio.FloatBuffer;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Pixels of the tiny coders against diffusers. */
class VaeImageDecoderGoldenTest {
  private static final Runnable GO_ON = () -> {};

  @TempDir Path folder;

  @ParameterizedTest
  @CsvSource({
    "sd,8x8", "sd,13x21", "sd/original,11x3", "flux,6x10", "flux,20x17", "old,5x7", "bare,9x4"
  })
  void givesTheReferencesPixelsAndPicture(String coder, String size) {
    try (VaeGolden golden = new VaeGolden(coder, size);
        VaeImageDecoder decoder = load(golden, VaeTiling.of(golden.config()))) {
      float[] pixels = decode(decoder, golden);
      Image image = draw(decoder, golden, Rounding.NEAREST);

      int patch = golden.config().patchSize();
      Tolerance.FP32_DEEP.check(coder, pixels, golden.floats("decoded"));
      assertThat(image)
          .isEqualTo(Image.of(golden.columns() * patch, golden.rows() * patch, golden.rgb()));
    }
  }

  @ParameterizedTest
  @CsvSource({"sd,13x21", "sd/original,11x3", "flux,6x10", "flux,20x17"})
  void givesTheReferencesPixelsInTiles(String coder, String size) {
    try (VaeGolden golden = new VaeGolden(coder, size)) {
      VaeConfig config = golden.config();
      long oneTile =
          VaeTiling.activationBytes(
              config, Math.min(8, golden.rows()), Math.min(8, golden.columns()));
      try (VaeImageDecoder decoder = load(golden, VaeTiling.of(config, oneTile))) {
        Tolerance.FP32_DEEP.check(coder, decode(decoder, golden), golden.floats("tiled"));
      }
    }
  }

  @Test
  void roundsDownWhereAModelDoes() {
    try (VaeGolden golden = new VaeGolden("old", "5x7");
        VaeImageDecoder decoder = load(golden, VaeTiling.of(golden.config()))) {
      float[] pixels = decode(decoder, golden);
      Image image = draw(decoder, golden, Rounding.TRUNCATE);

      // the first row of red
      for (int x = 0; x < image.width(); x++) {
        double unit = Math.min(Math.max(pixels[x] * 0.5f + 0.5f, 0), 1) * 255;
        assertThat(image.red(x, 0)).isEqualTo((int) unit);
      }
    }
  }

  @ParameterizedTest
  @CsvSource({"sd,8x8", "sd/original,8x8", "flux,6x10", "old,5x7", "bare,9x4"})
  void bindsEveryTensor(String coder, String size) {
    try (VaeGolden golden = new VaeGolden(coder, size)) {
      Weights weights = Weights.of(golden.checkpoint());

      VaeImageEncoder.bind(golden.config(), golden.layout(), weights.at(golden.prefix()));
      VaeImageDecoder.bind(golden.config(), golden.layout(), weights.at(golden.prefix()));

      assertThat(weights.done()).hasSize(golden.checkpoint().names().size());
    }
  }

  @Test
  void drawsWithADecoderThatPyTorchExported() {
    try (VaeGolden golden = new VaeGolden("old", "5x7");
        VaeImageDecoder decoder =
            VaeImageDecoder.open(
                golden.folder().resolve("decoder.onnx"),
                golden.config(),
                VaeTiling.of(golden.config()),
                OnnxProgram.Options.DEFAULT)) {
      Tolerance.FP32_DEEP.check("old", decode(decoder, golden), golden.floats("decoded"));
    }
  }

  @Test
  void refusesExportsOfOtherModels() {
    try (VaeGolden golden = new VaeGolden("old", "5x7");
        VaeGolden flux = new VaeGolden("flux", "6x10")) {
      Path encoder = folder.resolve("model.onnx");
      OnnxExport.write(
          VaeImageEncoder.graph(golden.config(), golden.layout()), golden.weights(), encoder);

      assertThatThrownBy(() -> open(encoder, golden.config()))
          .isInstanceOf(CheckpointException.class)
          .hasMessageContaining("latent_parameters float32");
      assertThatThrownBy(() -> open(golden.folder().resolve("decoder.onnx"), flux.config()))
          .isInstanceOf(CheckpointException.class)
          .hasMessageContaining("expected latent_sample float32 [N, 6, y, x]")
          .hasMessageContaining("latent_sample float32 [-1, 2, -1, -1]")
          .hasMessageContaining("Was it exported from this model");
    }
  }

  @Test
  void refusesTensorsOfAnotherNumberOfChannels() {
    try (VaeGolden golden = new VaeGolden("flux", "6x10")) {
      VaeConfig c = golden.config();
      VaeConfig other =
          new VaeConfig(
              c.inChannels(),
              c.outChannels(),
              c.blockOutChannels(),
              c.layersPerBlock(),
              16,
              c.normNumGroups(),
              c.sampleSize(),
              c.scalingFactor(),
              c.shiftFactor(),
              c.useQuantConv(),
              c.usePostQuantConv(),
              c.midBlockAddAttention());

      assertThatThrownBy(
              () ->
                  VaeImageDecoder.load(
                      other,
                      golden.layout(),
                      golden.weights(),
                      VaeTiling.of(other),
                      OnnxProgram.Options.DEFAULT))
          .isInstanceOf(CheckpointException.class)
          .hasMessageContaining("decoder.conv_in.weight")
          .hasMessageContaining("[16, 16, 3, 3]")
          .hasMessageContaining("[16, 6, 3, 3]");
    }
  }

  @Test
  void refusesLatentsThatAreNoNumbers() {
    try (VaeGolden golden = new VaeGolden("flux", "6x10");
        VaeImageDecoder decoder = load(golden, VaeTiling.of(golden.config()))) {
      for (float wrong : new float[] {Float.NaN, Float.NEGATIVE_INFINITY}) {
        float[] latents = golden.floats("sampled");
        latents[2 * 60 + 3 * 10 + 4] = wrong;

        assertThatThrownBy(() -> decoder.decode(latents, 1, 6, 10, GO_ON))
            .isInstanceOf(InvalidRequestException.class)
            .hasMessageContaining(wrong + ": picture 0, channel 2, row 3, column 4");
      }
    }
  }

  @Test
  void saysWhenTheWeightsGivePixelsThatAreNoNumbers() {
    try (VaeGolden golden = new VaeGolden("old", "5x7")) {
      OnnxWeights broken =
          weight -> {
            FloatBuffer data = golden.weights().read(weight);
            return weight.name().equals("decoder.conv_out.bias") ? data.put(1, Float.NaN) : data;
          };
      try (VaeImageDecoder decoder =
          VaeImageDecoder.load(
              golden.config(),
              golden.layout(),
              broken,
              VaeTiling.of(golden.config()),
              OnnxProgram.Options.DEFAULT)) {
        assertThatThrownBy(() -> draw(decoder, golden, Rounding.NEAREST))
            .isInstanceOf(EngineException.class)
            .hasMessageContaining("not a number, in row 0, column 0");
      }
    }
  }

  @ParameterizedTest
  @CsvSource({"0,6,10", "1,0,10", "1,6,-1", "1,1000000,10", "2,6,10", "1,10,7"})
  void refusesSizesThatAreNone(int n, int rows, int columns) {
    try (VaeGolden golden = new VaeGolden("flux", "6x10");
        VaeImageDecoder decoder = load(golden, VaeTiling.of(golden.config()))) {
      float[] latents = golden.floats("sampled");

      assertThatThrownBy(() -> decoder.decode(latents, n, rows, columns, GO_ON))
          .isInstanceOf(InvalidRequestException.class)
          .hasMessageContaining("Cannot decode " + n + " pictures of " + rows + " x " + columns);
    }
  }

  @Test
  void refusesALimitBelowASmallTile() {
    try (VaeGolden golden = new VaeGolden("sd", "13x21");
        VaeImageDecoder decoder = load(golden, VaeTiling.of(golden.config(), 1000))) {
      assertThatThrownBy(() -> decode(decoder, golden))
          .isInstanceOf(ResourceLimitException.class)
          .hasMessageContaining("a tile of 8 x 8")
          .hasMessageContaining("Raise maxActivationBytes");
    }
  }

  @Test
  void takesTheLargestTileThatFits() {
    // SDXL's decoder, whose picture of training is 128 x 128 latents
    VaeConfig sdxl =
        new VaeConfig(
            3, 3, List.of(128, 256, 512, 512), 2, 4, 32, 1024, 0.13025, 0, true, true, true);
    long gigabyte = 1L << 30;

    assertThat(VaeTiling.of(sdxl).tileSize(sdxl, 128, 128)).isEqualTo(VaeTiling.WHOLE);
    assertThat(VaeTiling.of(sdxl).tileSize(sdxl, 256, 256)).isEqualTo(128);
    assertThat(VaeTiling.of(sdxl, gigabyte).tileSize(sdxl, 128, 128)).isEqualTo(64);
    assertThat(VaeTiling.of(sdxl, gigabyte).tileSize(sdxl, 64, 64)).isEqualTo(VaeTiling.WHOLE);
  }

  @ParameterizedTest
  @ValueSource(ints = {0, 4, 10, 1 << 20})
  void refusesTilesOffTheGrid(int size) {
    assertThatThrownBy(() -> new VaeTiling(1, size))
        .isInstanceOf(InvalidRequestException.class)
        .hasMessageContaining("multiple of 4");
    assertThatThrownBy(() -> new VaeTiling(0, 8)).isInstanceOf(InvalidRequestException.class);
  }

  @Test
  void refusesToDrawOnceClosed() {
    try (VaeGolden golden = new VaeGolden("sd", "13x21");
        VaeImageDecoder decoder = load(golden, VaeTiling.of(golden.config()))) {
      decoder.close();

      assertThatThrownBy(() -> decode(decoder, golden)).isInstanceOf(IllegalStateException.class);
    }
  }

  private static float[] decode(VaeImageDecoder decoder, VaeGolden golden) {
    FloatBuffer pixels =
        decoder.decode(golden.floats("sampled"), 1, golden.rows(), golden.columns(), GO_ON);
    float[] found = new float[pixels.remaining()];
    pixels.get(found);
    return found;
  }

  private static Image draw(VaeImageDecoder decoder, VaeGolden golden, Rounding rounding) {
    return decoder
        .draw(golden.floats("sampled"), 1, golden.rows(), golden.columns(), rounding, GO_ON)
        .get(0);
  }

  private static VaeImageDecoder load(VaeGolden golden, VaeTiling tiling) {
    return VaeImageDecoder.load(
        golden.config(),
        golden.layout(),
        golden.weights(),
        tiling,
        OnnxProgram.Options.DEFAULT);
  }

  private static VaeImageDecoder open(Path file, VaeConfig config) {
    return VaeImageDecoder.open(
        file, config, VaeTiling.of(config), OnnxProgram.Options.DEFAULT);
  }
}
