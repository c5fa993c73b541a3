package dev.diptych.models.emu3;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.google.gson.JsonObject;
import dev.diptych.core.CheckpointException;
import dev.diptych.core.InvalidRequestException;
import dev.diptych.core.UnsupportedModelException;
import dev.diptych.core.weights.JsonMap;
import dev.diptych.testing.Golden;
import dev.diptych.testing.Photographs;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** The coder's input, equal to transformers' to the last bit. */
class Emu3ImageProcessorGoldenTest {
  @ParameterizedTest
  @ValueSource(strings = {"published", "defaults", "small"})
  void everyPhotographIsEqualToTheLastBit(String which) {
    Emu3ImageProcessor processor = processor(which, Map.of());

    Photographs.check(
        golden(which).getAsJsonObject("pixels"), image -> processor.prepare(image).pixelValues());
  }

  @Test
  void aFileThatSaysNothingMeansTheClasssDefaults() {
    Emu3ImageProcessor processor =
        Emu3ImageProcessor.read(Photographs.config(new JsonObject(), Map.of()), 8);

    Photographs.check(
        golden("defaults").getAsJsonObject("pixels"),
        image -> processor.prepare(image).pixelValues());
  }

  @ParameterizedTest
  @ValueSource(strings = {"published", "small"})
  void sizesAreThoseOfTheReference(String which) {
    Emu3ImageProcessor processor = processor(which, Map.of());

    Photographs.forEachRow(
        golden(which),
        (size, row) ->
            assertThat(processor.resized(row[0], row[1]))
                .as(size)
                .containsExactly(row[2], row[3]));
  }

  @Test
  void refusesALine() {
    assertThatThrownBy(() -> processor("published", Map.of()).resized(201, 1))
        .isInstanceOf(InvalidRequestException.class)
        .hasMessageContaining("201x1")
        .hasMessageContaining("at most 200 times");
  }

  @Test
  void refusesAFileThatIsNotOfThisCoder() {
    assertThatThrownBy(() -> processor("published", Map.of("spatial_factor", 6)))
        .isInstanceOf(CheckpointException.class)
        .hasMessageContaining("a multiple of 4");
    assertThatThrownBy(() -> processor("published", Map.of("max_pixels", 64)))
        .isInstanceOf(CheckpointException.class)
        .hasMessageContaining("at least min_pixels");
    assertThatThrownBy(() -> processor("published", Map.of("do_rescale", false)))
        .isInstanceOf(UnsupportedModelException.class)
        .hasMessageContaining("do_rescale");
  }

  private static Emu3ImageProcessor processor(String which, Map<String, ?> others) {
    JsonMap json =
        Photographs.config(golden(which).getAsJsonObject("preprocessor_config"), others);
    return Emu3ImageProcessor.read(json, which.equals("small") || !others.isEmpty() ? 4 : 8);
  }

  private static JsonObject golden(String which) {
    return Golden.facts("emu3/preprocess").getAsJsonObject(which);
  }
}
