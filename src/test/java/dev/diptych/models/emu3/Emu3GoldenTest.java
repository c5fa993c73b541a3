package dev.diptych.models.emu3;

import static org.assertj.core.api.Assertions.assertThat;

import com.google.gson.JsonObject;
import dev.diptych.core.GenerationOptions;
import dev.diptych.core.GenerationRequest;
import dev.diptych.core.GenerationResult;
import dev.diptych.core.Image;
import dev.diptych.core.Output;
import dev.diptych.core.UnifiedModel;
import dev.diptych.models.Diptych;
import dev.diptych.testing.Golden;
import java.io.IOException;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The whole model through its public face against transformers' own generate. */
class Emu3GoldenTest {
  @TempDir private Path folder;

  @Test
  void greedyAnswersAreEqual() {
    try (Emu3Model model = TinyEmu3.load()) {
      TinyEmu3.facts("reading").forEach(reading -> answers(model, reading));
    }
  }

  @Test
  void greedyDrawingsAreEqualToTheLastCode() {
    try (Emu3Model model = TinyEmu3.load()) {
      TinyEmu3.facts("drawing").forEach(drawing -> draws(model, drawing));
    }
  }

  /** What transformers 4.4x wrote, and the published folders have: other names, sparser config. */
  @Test
  void theOlderLayoutSaysAndDrawsTheSame() throws IOException {
    Emu3Folder old = Emu3Folder.copy(folder, "older");
    old.rename(Emu3GoldenTest::olderName);
    old.config(
        config -> {
          JsonObject text = config.getAsJsonObject("text_config");
          text.add("rope_scaling", text.remove("rope_parameters"));
          text.addProperty("rope_theta", 5000.0);
          text.getAsJsonObject("rope_scaling").remove("rope_theta");
          config.add("max_position_embeddings", text.remove("max_position_embeddings"));
        });
    try (UnifiedModel model = Diptych.load(old.path(), TinyEmu3.FLOAT32)) {
      TinyEmu3.facts("reading").forEach(reading -> answers(model, reading));
      TinyEmu3.facts("drawing").forEach(drawing -> draws(model, drawing));
      assertThat(model.capabilities().maxSequenceLength()).isEqualTo(768);
    }
  }

  private static String olderName(String name) {
    return name.startsWith("lm_head")
        ? "text_model." + name
        : name.replace("model.text_model.", "text_model.model.")
            .replace("model.vqmodel.", "vqmodel.");
  }

  private static void answers(UnifiedModel model, JsonObject reading) {
    GenerationRequest.Builder request = GenerationRequest.builder();
    TinyEmu3.parts(reading).forEach(request::part);
    int[] answer = TinyEmu3.ints(reading, "answer");
    GenerationResult result =
        model.generate(
            request
                .options(GenerationOptions.builder().maxTokens(answer.length).build())
                .build());

    assertThat(result.promptTokenIds()).isEqualTo(TinyEmu3.list(reading, "input_ids"));
    assertThat(result.tokenIds()).isEqualTo(TinyEmu3.list(reading, "answer"));
  }

  private static void draws(UnifiedModel model, JsonObject drawing) {
    String name = drawing.get("name").getAsString();
    int rows = drawing.get("rows").getAsInt();
    int columns = drawing.get("columns").getAsInt();
    GenerationResult result =
        model.generate(
            GenerationRequest.builder()
                .text(drawing.get("words").getAsString())
                .output(Output.IMAGE)
                .options(
                    GenerationOptions.builder()
                        .greedy(true)
                        .guidanceScale(drawing.get("guidance").getAsDouble())
                        .imageSize(2 * columns, 2 * rows)
                        .build())
                .build());

    assertThat(TinyEmu3.list(drawing, "prompt"))
        .as("the prompt, with what opens the picture behind it")
        .startsWith(result.promptTokenIds().toArray(Integer[]::new));
    assertThat(result.imageCodes()).containsExactly(TinyEmu3.list(drawing, "codes"));
    try (Golden golden = Golden.open("emu3")) {
      assertThat(levels(result.images().get(0), golden.bytes(name + ".rgb")))
          .as("levels that %s differs by: a float that rounds the other way is one", name)
          .isLessThanOrEqualTo(1);
    }
  }

  private static int levels(Image image, byte[] expected) {
    byte[] found = image.rgb();
    assertThat(found).hasSameSizeAs(expected);
    int largest = 0;
    for (int i = 0; i < found.length; i++) {
      largest = Math.max(largest, Math.abs((found[i] & 0xff) - (expected[i] & 0xff)));
    }
    return largest;
  }
}
