package dev.diptych.models.chameleon;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.google.gson.JsonObject;
import dev.diptych.core.CheckpointException;
import dev.diptych.core.Image;
import dev.diptych.core.InvalidImageException;
import dev.diptych.testing.Golden;
import dev.diptych.testing.Photographs;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.util.HexFormat;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** The coder's input, equal to Lumina-mGPT's to the last bit, its random cut put in the middle. */
class LuminaImageProcessorGoldenTest {
  private static final JsonObject LUMINA =
      Golden.facts("chameleon/preprocess").getAsJsonObject("lumina");

  @ParameterizedTest
  @ValueSource(ints = {64, 512, 768, 1024})
  void everyPhotographIsEqualToTheLastBit(int target) {
    JsonObject expected = golden(target).getAsJsonObject("pixels");
    LuminaImageProcessor processor = LuminaImageProcessor.of(target, LuminaImageProcessor.UNIT);

    Photographs.check(expected, image -> processor.prepare(image).pixelValues());
    for (String name : expected.keySet()) {
      LuminaImageProcessor.Size size = processor.prepare(Photographs.read(name)).size();
      JsonObject facts = expected.getAsJsonObject(name);
      assertThat(size.width() / LuminaImageProcessor.UNIT)
          .as(name)
          .isEqualTo(facts.get("wGrids").getAsInt());
      assertThat(size.height() / LuminaImageProcessor.UNIT)
          .as(name)
          .isEqualTo(facts.get("hGrids").getAsInt());
    }
  }

  @ParameterizedTest
  @ValueSource(ints = {512, 768, 1024})
  void theSizesAreThoseOfTheReference(int target) throws Exception {
    String listed =
        LuminaImageProcessor.of(target, LuminaImageProcessor.UNIT).sizes().stream()
            .map(size -> "[" + size.width() + ", " + size.height() + "]")
            .collect(Collectors.joining(", ", "[", "]"));

    byte[] digest =
        MessageDigest.getInstance("SHA-256").digest(listed.getBytes(StandardCharsets.US_ASCII));
    assertThat(HexFormat.of().formatHex(digest))
        .isEqualTo(golden(target).get("crop_sizes").getAsString());
  }

  @ParameterizedTest
  @ValueSource(ints = {512, 768, 1024})
  void everyPictureGetsTheSizeOfTheReference(int target) {
    LuminaImageProcessor processor = LuminaImageProcessor.of(target, LuminaImageProcessor.UNIT);

    Photographs.forEachRow(
        golden(target),
        (size, row) ->
            assertThat(processor.choose(row[0], row[1]))
                .as(size)
                .isEqualTo(new LuminaImageProcessor.Size(row[6] - row[4], row[7] - row[5])));
  }

  @Test
  void refusesATargetWithoutSizes() {
    assertThatThrownBy(() -> LuminaImageProcessor.of(31, LuminaImageProcessor.UNIT))
        .isInstanceOf(CheckpointException.class)
        .hasMessageContaining("31");
  }

  private static JsonObject golden(int target) {
    return LUMINA.getAsJsonObject("" + target);
  }

  /** Enlarged to the coder's height it would take gigabytes. */
  @Test
  void aPictureThatIsAMereLineIsRefused() {
    for (int[] size : new int[][] {{2000, 1}, {1, 201}}) {
      Image line = Image.of(size[0], size[1], new byte[3 * size[0] * size[1]]);
      assertThatThrownBy(() -> LuminaImageProcessor.of(768, 32).cut(line))
          .isInstanceOf(InvalidImageException.class)
          .hasMessageContaining(size[0] + "x" + size[1])
          .hasMessageContaining("at most 200 times");
    }
    Image allowed = Image.of(200, 1, new byte[600]);
    assertThat(LuminaImageProcessor.of(8, 4).cut(allowed).width()).isPositive();
  }
}
