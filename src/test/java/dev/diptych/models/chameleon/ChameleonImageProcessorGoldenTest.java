package dev.diptych.models.chameleon;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.google.gson.JsonObject;
import dev.diptych.core.CheckpointException;
import dev.diptych.core.Image;
import dev.diptych.core.InvalidImageException;
import dev.diptych.core.UnsupportedModelException;
import dev.diptych.testing.Golden;
import dev.diptych.testing.Photographs;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** The coder's input, equal to the authors' and transformers' to the last bit. */
class ChameleonImageProcessorGoldenTest {
  private static final JsonObject META = golden("meta");
  private static final JsonObject HF = golden("hf");

  @Test
  void everyPhotographEqualsTheAuthorsToTheLastBit() {
    Photographs.check(
        META.getAsJsonObject("pixels_512"), ChameleonImageProcessor.meta(512)::pixelValues);
    Photographs.check(
        META.getAsJsonObject("pixels_48"), ChameleonImageProcessor.meta(48)::pixelValues);
  }

  @Test
  void everyPhotographEqualsTransformersToTheLastBit() {
    Photographs.check(HF.getAsJsonObject("pixels_512"), published(Map.of())::pixelValues);
    Photographs.check(HF.getAsJsonObject("pixels_48"), other()::pixelValues);
  }

  @Test
  void sizesAreRoundedAsTheAuthorsRound() {
    ChameleonImageProcessor processor = ChameleonImageProcessor.meta(512);

    Photographs.forEachRow(
        META,
        (size, row) -> {
          int[] resized = processor.resized(row[0], row[1]);
          assertThat(resized).as(size).containsExactly(row[2], row[3]);
          assertThat((resized[0] - 512) / 2).as(size).isEqualTo(row[4]);
          assertThat((resized[1] - 512) / 2).as(size).isEqualTo(row[5]);
        });
  }

  @Test
  void sizesAreCutOffAsTransformersCuts() {
    ChameleonImageProcessor processor = published(Map.of());

    Photographs.forEachRow(
        HF,
        (size, row) ->
            assertThat(processor.resized(row[0], row[1]))
                .as(size)
                .containsExactly(row[2], row[3]));
  }

  @Test
  void readsSizesWrittenAsNumbers() {
    assertThat(published(Map.of("size", 512, "crop_size", 512)).resized(1000, 700))
        .isEqualTo(published(Map.of()).resized(1000, 700));
  }

  @Test
  void refusesPicturesThatTheCoderDoesNotRead() {
    assertThatThrownBy(() -> published(Map.of("crop_size", 448)))
        .isInstanceOf(CheckpointException.class)
        .hasMessageContaining("crop_size")
        .hasMessageContaining("512, the side of the coder's picture");
    assertThatThrownBy(() -> published(Map.of("size", Map.of("shortest_edge", 500))))
        .isInstanceOf(CheckpointException.class)
        .hasMessageContaining("at least crop_size, 512");
    assertThatThrownBy(() -> published(Map.of("image_mean", new double[] {1, 1})))
        .isInstanceOf(CheckpointException.class)
        .hasMessageContaining("three numbers");
  }

  @ParameterizedTest
  @ValueSource(strings = {"do_resize", "do_center_crop", "do_rescale", "do_normalize"})
  void refusesToLeaveAStepOut(String step) {
    assertThatThrownBy(() -> published(Map.of(step, false)))
        .isInstanceOf(UnsupportedModelException.class)
        .hasMessageContaining(step);
  }

  @Test
  void refusesToTakeTheNearestPixel() {
    assertThatThrownBy(() -> published(Map.of("resample", 0)))
        .isInstanceOf(UnsupportedModelException.class)
        .hasMessageContaining("resample is 0");
  }

  private static ChameleonImageProcessor published(Map<String, ?> others) {
    return ChameleonImageProcessor.read(
        Photographs.config(HF.getAsJsonObject("preprocessor_config"), others), 512);
  }

  private static ChameleonImageProcessor other() {
    return ChameleonImageProcessor.read(
        Photographs.config(HF.getAsJsonObject("other_config"), Map.of()), 48);
  }

  private static JsonObject golden(String which) {
    return Golden.facts("chameleon/preprocess").getAsJsonObject(which);
  }

  /** Enlarged to the coder's height it would take gigabytes. */
  @Test
  void aPictureThatIsAMereLineIsRefused() {
    for (int[] size : new int[][] {{2000, 1}, {1, 201}}) {
      Image line = Image.of(size[0], size[1], new byte[3 * size[0] * size[1]]);
      assertThatThrownBy(() -> ChameleonImageProcessor.meta(512).square(line))
          .isInstanceOf(InvalidImageException.class)
          .hasMessageContaining(size[0] + "x" + size[1])
          .hasMessageContaining("at most 200 times");
    }
    Image allowed = Image.of(200, 1, new byte[600]);
    assertThat(ChameleonImageProcessor.meta(8).square(allowed).width()).isPositive();
  }
}
