package dev.diptych.models.janus;

import static org.assertj.core.api.Assertions.assertThat;

import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import dev.diptych.core.Image;
import dev.diptych.core.weights.Checkpoint;
import dev.diptych.core.weights.JsonMap;
import dev.diptych.models.deepseek.ChatImageProcessor;
import dev.diptych.testing.Golden;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** The vision tower's input, equal to Pillow's and numpy's to the last bit. */
class JanusImageProcessorGoldenTest {
  @ParameterizedTest
  @CsvSource({"hf, 40", "original/janus-1.3b, 48"})
  void everyPictureIsEqualToTheLastBit(String layout, int side) {
    ChatImageProcessor processor = processor(layout);
    try (Golden golden = Golden.open("janus/" + layout + "/preprocess")) {
      float[] table = golden.floats("table");
      JsonArray pictures =
          Golden.facts("janus/" + layout + "/preprocess").getAsJsonArray("pictures");
      assertThat(pictures).hasSizeGreaterThanOrEqualTo(7);
      for (JsonElement element : pictures) {
        String name = element.getAsJsonObject().get("picture").getAsString();
        Image image = JanusGoldenTest.picture(name);
        byte[] canvas = golden.bytes(name + ".canvas");
        float[] expected = new float[canvas.length];
        for (int i = 0; i < canvas.length; i++) {
          expected[i] = table[canvas[i] & 0xff];
        }

        assertThat(processor.canvas(image).width()).isEqualTo(side);
        assertThat(processor.pixelValues(List.of(image))).as(name).isEqualTo(expected);
      }
    }
  }

  @ParameterizedTest
  @CsvSource({"hf, false", "original/janus-1.3b, true"})
  void sizesAreRoundedAsTheReferenceRounds(String layout, boolean truncates) {
    JsonObject facts = Golden.facts("janus/" + layout + "/preprocess");
    JsonArray rows = facts.getAsJsonObject("sizes_at_384").getAsJsonArray("rows");
    assertThat(rows).hasSizeGreaterThan(100);
    for (JsonElement element : rows) {
      JsonArray row = element.getAsJsonArray();
      int width = row.get(0).getAsInt();
      int height = row.get(1).getAsInt();

      assertThat(ChatImageProcessor.resized(width, height, 384, 14, truncates))
          .as("%d x %d", width, height)
          .containsExactly(row.get(2).getAsInt(), row.get(3).getAsInt());
    }
  }

  private static ChatImageProcessor processor(String layout) {
    Path folder = TinyJanus.checkpoint(layout);
    try (Checkpoint checkpoint = Checkpoint.open(folder)) {
      JanusConfig config =
          JanusConfig.read(JsonMap.read(folder.resolve("config.json"), 1 << 20), checkpoint);
      return ChatImageProcessor.read(
          JsonMap.read(folder.resolve("preprocessor_config.json"), 1 << 20),
          config.vision().imageSize(),
          config.layout().template());
    }
  }
}
