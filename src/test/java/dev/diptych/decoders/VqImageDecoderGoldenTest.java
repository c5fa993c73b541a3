package dev.diptych.decoders;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.diptych.core.CheckpointException;
import dev.diptych.core.EngineException;
import dev.diptych.core.Image;
import dev.diptych.core.InvalidRequestException;
import dev.diptych.core.engine.OnnxArray;
import dev.diptych.core.engine.OnnxProgram;
import dev.diptych.core.engine.OnnxWeights;
import dev.diptych.core.weights.Weights;
import dev.diptych.testing.Tolerance;
import dev.diptych.testing.VqGolden;
import dev.diptych.tokenizers.VqImageTokenizer;
import java.nio.FloatBuffer;
import java.util.Arrays;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Pixels of the tiny checkpoints against transformers, deepseek-ai's and Meta's code. */
class VqImageDecoderGoldenTest {
  private static final Runnable GO_ON = () -> {};

  @ParameterizedTest
  @ValueSource(strings = {"hf", "original/janus-1.3b", "original/janus-pro-7b"})
  void givesTheReferencesPixels(String layout) {
    try (VqGolden golden = VqGolden.open(layout);
        VqImageDecoder decoder = load(golden)) {
      FloatBuffer pixels = decoder.decode(new int[][] {golden.codes()});

      float[] found = new float[pixels.remaining()];
      pixels.get(found);
      Tolerance.FP32_DEEP.check(layout, found, golden.decoded());
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"hf", "original/janus-1.3b", "original/janus-pro-7b"})
  void givesTheReferencesPicture(String layout) {
    try (VqGolden golden = VqGolden.open(layout);
        VqImageDecoder decoder = load(golden)) {
      int side = golden.config().imageSize();

      Image image = decoder.draw(new int[][] {golden.codes()}, GO_ON).get(0);

      assertThat(image).isEqualTo(Image.of(side, side, golden.rgb()));
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"square", "wide"})
  void givesChameleonsPixelsAtAnySize(String picture) {
    try (VqGolden golden = VqGolden.chameleon("meta", picture);
        VqImageDecoder decoder = load(golden)) {
      FloatBuffer pixels = decoder.decode(new int[][] {golden.codes()});

      float[] found = new float[pixels.remaining()];
      pixels.get(found);
      Tolerance.FP32_DEEP.check(picture, found, golden.decoded());
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"square", "wide"})
  void givesChameleonsPictureAtAnySize(String picture) {
    try (VqGolden golden = VqGolden.chameleon("meta", picture);
        VqImageDecoder decoder = load(golden)) {
      Image image = decoder.draw(new int[][] {golden.codes()}, GO_ON).get(0);

      VqImageDecoder.Grid grid = new VqImageDecoder.Grid(golden.rows(), golden.columns(), 2);
      assertThat(decoder.grid()).isEqualTo(grid);
      assertThat(image).isEqualTo(Image.of(grid.width(), grid.height(), golden.rgb()));
    }
  }

  @Test
  void bindsEveryTensorOfAPickleAndLeavesItsLossesOut() {
    try (VqGolden golden = VqGolden.chameleon("meta", "square")) {
      Weights weights = Weights.of(golden.checkpoint());

      VqImageTokenizer.bind(golden.config(), weights);
      VqImageDecoder.bind(golden.config(), weights);

      assertThat(weights.done())
          .containsKeys("post_quant_conv.bias", "decoder.up.1.upsample.conv.bias");
      assertThat(weights.report().ignored()).hasSize(2);
    }
  }

  @Test
  void refusesToDrawWithoutADecoder() {
    try (VqGolden golden = VqGolden.chameleon("hf", "square")) {
      assertThatThrownBy(() -> load(golden))
          .isInstanceOf(CheckpointException.class)
          .hasMessageContaining("has no decoder")
          .hasMessageContaining("not drawn");
    }
  }

  @Test
  void paintsWhatIsMissingGreyInAPictureThatIsNotSquare() {
    try (VqGolden golden = VqGolden.chameleon("meta", "wide");
        VqImageDecoder decoder = load(golden)) {
      Image whole = decoder.drawPartial(golden.codes(), GO_ON);
      int[] codes = golden.codes();
      Arrays.fill(codes, 23, codes.length, VqImageDecoder.MISSING);

      Image image = decoder.drawPartial(codes, GO_ON);

      assertThat(whole).isEqualTo(Image.of(20, 8, golden.rgb()));
      // 4 x 10 codes of 2 x 2 pixels: code 23 is row 2, column 3
      for (int y = 0; y < 8; y++) {
        for (int x = 0; x < 20; x++) {
          boolean grey = y / 2 * 10 + x / 2 >= 23;
          assertThat(image.red(x, y) == 127 && image.green(x, y) == 127 && image.blue(x, y) == 127)
              .as("%d, %d", x, y)
              .isEqualTo(grey);
        }
      }
    }
  }

  @Test
  void refusesCodesThatAreNotOfItsPicture() {
    try (VqGolden golden = VqGolden.chameleon("meta", "wide");
        VqImageDecoder decoder = load(golden)) {
      int[] outside = golden.codes();
      outside[39] = 64;

      assertThatThrownBy(() -> decoder.decode(new int[][] {new int[36]}))
          .isInstanceOf(InvalidRequestException.class)
          .hasMessageContaining("36 codes; expected 40 (4 x 10)");
      assertThatThrownBy(() -> decoder.decode(new int[][] {outside}))
          .isInstanceOf(InvalidRequestException.class)
          .hasMessageContaining("64 is outside the codebook; expected 0 to 63");
    }
  }

  @ParameterizedTest
  @CsvSource({"0, 4", "4, 0", "-1, 4", "4, 8193", "1073741824, 1073741824"})
  void refusesASizeThatNoPictureHas(int rows, int columns) {
    try (VqGolden golden = VqGolden.chameleon("meta", "wide")) {
      assertThatThrownBy(() -> VqImageDecoder.graph(golden.config(), rows, columns))
          .isInstanceOf(InvalidRequestException.class)
          .hasMessageContaining(rows + " x " + columns)
          .hasMessageContaining("at most 16384 pixels");
    }
  }

  @Test
  void aRowOfABatchEqualsASingleRun() {
    try (VqGolden golden = VqGolden.open("hf");
        VqImageDecoder decoder = load(golden)) {
      int[] other = golden.codes().clone();
      Arrays.setAll(other, i -> i);

      FloatBuffer both = decoder.decode(new int[][] {other, golden.codes()});

      FloatBuffer single = decoder.decode(new int[][] {golden.codes()});
      assertThat(both.slice(both.remaining() / 2, both.remaining() / 2)).isEqualTo(single);
    }
  }

  @Test
  void paintsWhatIsMissingGreyAndTheRestAsItLooks() {
    try (VqGolden golden = VqGolden.open("hf");
        VqImageDecoder decoder = load(golden)) {
      int[] codes = golden.codes();
      Arrays.fill(codes, 12, codes.length, VqImageDecoder.MISSING);

      Image image = decoder.drawPartial(codes, GO_ON);

      // 5 x 5 codes of 2 x 2 pixels: code 12 is row 2, column 2
      for (int y = 0; y < 10; y++) {
        for (int x = 0; x < 10; x++) {
          boolean grey = y / 2 * 5 + x / 2 >= 12;
          assertThat(image.red(x, y) == 127 && image.green(x, y) == 127 && image.blue(x, y) == 127)
              .as("%d, %d", x, y)
              .isEqualTo(grey);
        }
      }
    }
  }

  @Test
  void aPartialPictureWithNothingMissingIsThePicture() {
    try (VqGolden golden = VqGolden.open("hf");
        VqImageDecoder decoder = load(golden)) {
      Image whole = decoder.draw(new int[][] {golden.codes()}, GO_ON).get(0);

      assertThat(decoder.drawPartial(golden.codes(), GO_ON)).isEqualTo(whole);
    }
  }

  @Test
  void aPictureOfNothingIsGrey() {
    try (VqGolden golden = VqGolden.open("hf");
        VqImageDecoder decoder = load(golden)) {
      int[] none = new int[25];
      Arrays.fill(none, VqImageDecoder.MISSING);

      byte[] grey = new byte[3 * 10 * 10];
      Arrays.fill(grey, (byte) 127);
      assertThat(decoder.drawPartial(none, GO_ON)).isEqualTo(Image.of(10, 10, grey));
    }
  }

  @Test
  void refusesToDrawWhatIsNotANumber() {
    try (VqGolden golden = VqGolden.open("hf")) {
      OnnxWeights damaged =
          weight -> {
            FloatBuffer data = golden.weights().read(weight);
            if (weight.name().equals("decoder.conv_out.bias")) {
              data = OnnxArray.directFloats(3).put(new float[] {0, 0, Float.NaN}).flip();
            }
            return data;
          };
      try (VqImageDecoder decoder =
          VqImageDecoder.load(golden.config(), damaged, OnnxProgram.Options.DEFAULT)) {
        assertThatThrownBy(() -> decoder.draw(new int[][] {golden.codes()}, GO_ON))
            .isInstanceOf(EngineException.class)
            .hasMessageContaining("row 0, column 0")
            .hasMessageContaining("Are the weights whole?");
      }
    }
  }

  @ParameterizedTest
  @ValueSource(ints = {-1, 96, Integer.MAX_VALUE, Integer.MIN_VALUE})
  void refusesACodeOutsideTheCodebook(int code) {
    try (VqGolden golden = VqGolden.open("hf");
        VqImageDecoder decoder = load(golden)) {
      int[] codes = golden.codes();
      codes[7] = code;

      assertThatThrownBy(() -> decoder.decode(new int[][] {codes}))
          .isInstanceOf(InvalidRequestException.class)
          .hasMessageContaining("" + code)
          .hasMessageContaining("0 to 95");
    }
  }

  @Test
  void refusesAnotherNumberOfCodes() {
    try (VqGolden golden = VqGolden.open("hf");
        VqImageDecoder decoder = load(golden)) {
      assertThatThrownBy(() -> decoder.decode(new int[][] {new int[24]}))
          .isInstanceOf(InvalidRequestException.class)
          .hasMessageContaining("24 codes")
          .hasMessageContaining("25 (5 x 5)");
      assertThatThrownBy(() -> decoder.drawPartial(new int[26], GO_ON))
          .isInstanceOf(InvalidRequestException.class)
          .hasMessageContaining("26 codes");
    }
  }

  private static VqImageDecoder load(VqGolden golden) {
    return VqImageDecoder.load(
        golden.config(),
        golden.rows(),
        golden.columns(),
        golden.weights(),
        OnnxProgram.Options.DEFAULT);
  }
}
