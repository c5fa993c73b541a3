package dev.diptych.decoders;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.diptych.core.Image;
import dev.diptych.core.InvalidRequestException;
import dev.diptych.core.UnsupportedModelException;
import dev.diptych.core.engine.OnnxExport;
import dev.diptych.core.engine.OnnxProgram;
import dev.diptych.testing.Emu3VqGolden;
import dev.diptych.testing.Tolerance;
import java.nio.FloatBuffer;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Pixels of the tiny coders against transformers, which computes every frame. */
class Emu3ImageDecoderGoldenTest {
  private static final Runnable GO_ON = () -> {};

  @TempDir private Path folder;

  @ParameterizedTest
  @CsvSource({"long, square", "long, wide", "plain, square", "plain, tall"})
  void givesTheReferencesPixels(String kind, String picture) {
    try (Emu3VqGolden golden = Emu3VqGolden.open(kind, picture);
        VqImageDecoder decoder = load(golden)) {
      FloatBuffer pixels = decoder.decode(new int[][] {golden.codes()});

      float[] found = new float[pixels.remaining()];
      pixels.get(found);
      Tolerance.FP32_DEEP.check(kind + " " + picture, found, golden.decoded());
    }
  }

  @ParameterizedTest
  @CsvSource({"long, square", "long, wide", "plain, square", "plain, tall"})
  void givesTheReferencesPicture(String kind, String picture) {
    try (Emu3VqGolden golden = Emu3VqGolden.open(kind, picture);
        VqImageDecoder decoder = load(golden)) {
      Image image = decoder.draw(new int[][] {golden.codes()}, GO_ON).get(0);

      VqImageDecoder.Grid grid = decoder.grid();
      assertThat(image).isEqualTo(Image.of(grid.width(), grid.height(), golden.rgb()));
      assertThat(decoder.drawPartial(golden.codes(), GO_ON)).isEqualTo(image);
    }
  }

  /** The plain case was normalised by CLIP's numbers. */
  @ParameterizedTest
  @CsvSource({"long, wide", "plain, tall"})
  void anExportedDecoderGivesTheReferencesPicture(String kind, String picture) {
    try (Emu3VqGolden golden = Emu3VqGolden.open(kind, picture)) {
      Path file = folder.resolve("decoder.onnx");
      OnnxExport.write(
          Emu3ImageDecoder.graph(golden.config(), golden.rows(), golden.columns()),
          golden.weights(),
          file);
      VqImageDecoder.Grid grid =
          new VqImageDecoder.Grid(golden.rows(), golden.columns(), golden.config().patchSize());

      try (VqImageDecoder opened =
          Emu3ImageDecoder.open(
              file,
              golden.config(),
              grid,
              golden.three("image_mean"),
              golden.three("image_std"),
              OnnxProgram.Options.DEFAULT)) {
        assertThat(opened.draw(new int[][] {golden.codes()}, GO_ON))
            .containsExactly(Image.of(grid.width(), grid.height(), golden.rgb()));
      }
    }
  }

  @Test
  void paintsWhatIsMissingGrey() {
    try (Emu3VqGolden golden = Emu3VqGolden.open("plain", "tall");
        VqImageDecoder decoder = load(golden)) {
      int[] codes = golden.codes();
      Arrays.fill(codes, 4, codes.length, VqImageDecoder.MISSING);

      Image image = decoder.drawPartial(codes, GO_ON);

      // one pixel a code, three a row
      codes[4] = codes[1];
      codes[5] = codes[2];
      for (int i = 6; i < codes.length; i++) {
        codes[i] = codes[i - 3];
      }
      Image whole = decoder.draw(new int[][] {codes}, GO_ON).get(0);
      assertThat(Arrays.copyOf(image.rgb(), 12)).isEqualTo(Arrays.copyOf(whole.rgb(), 12));
      assertThat(Arrays.copyOfRange(image.rgb(), 12, 63)).containsOnly(127);
    }
  }

  @Test
  void refusesCodesThatAreNotOfItsPicture() {
    try (Emu3VqGolden golden = Emu3VqGolden.open("long", "wide");
        VqImageDecoder decoder = load(golden)) {
      int[] outside = golden.codes();
      outside[3] = 40;

      assertThatThrownBy(() -> decoder.decode(new int[][] {outside}))
          .isInstanceOf(InvalidRequestException.class)
          .hasMessageContaining("40 is outside the codebook; expected 0 to 39");
      assertThatThrownBy(() -> decoder.decode(new int[][] {new int[39]}))
          .isInstanceOf(InvalidRequestException.class)
          .hasMessageContaining("39 codes; expected 40 (4 x 10)");
    }
  }

  @Test
  void refusesASizeThatNoPictureHas() {
    try (Emu3VqGolden golden = Emu3VqGolden.open("long", "wide")) {
      assertThatThrownBy(() -> Emu3ImageDecoder.graph(golden.config(), 0, 5))
          .isInstanceOf(InvalidRequestException.class)
          .hasMessageContaining("0 x 5");
    }
  }

  @Test
  void refusesToUndoWhatCannotBeUndone() {
    try (Emu3VqGolden golden = Emu3VqGolden.open("plain", "tall")) {
      assertThatThrownBy(() -> load(golden, golden.config().outChannels(), 0.5, 0))
          .isInstanceOf(InvalidRequestException.class)
          .hasMessageContaining("image_std other than 0");
      assertThatThrownBy(() -> load(golden, 4, 0.5, 0.5))
          .isInstanceOf(UnsupportedModelException.class)
          .hasMessageContaining("4 channels");
    }
  }

  private static VqImageDecoder load(Emu3VqGolden golden) {
    return Emu3ImageDecoder.load(
        golden.config(),
        golden.rows(),
        golden.columns(),
        golden.three("image_mean"),
        golden.three("image_std"),
        golden.weights(),
        OnnxProgram.Options.DEFAULT);
  }

  private static VqImageDecoder load(Emu3VqGolden golden, int colours, double mean, double std) {
    return Emu3ImageDecoder.load(
        golden.config(Map.of("out_channels", colours)),
        golden.rows(),
        golden.columns(),
        new double[] {mean, mean, mean},
        new double[] {std, std, std},
        golden.weights(),
        OnnxProgram.Options.DEFAULT);
  }
}
