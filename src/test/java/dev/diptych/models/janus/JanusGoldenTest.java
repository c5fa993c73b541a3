package dev.diptych.models.janus;

import static org.assertj.core.api.Assertions.assertThat;

import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import dev.diptych.core.DType;
import dev.diptych.core.DeviceChoice;
import dev.diptych.core.GenerationOptions;
import dev.diptych.core.GenerationRequest;
import dev.diptych.core.GenerationResult;
import dev.diptych.core.Image;
import dev.diptych.core.LoadOptions;
import dev.diptych.core.Output;
import dev.diptych.core.Part;
import dev.diptych.testing.Golden;
import dev.diptych.tokenizers.ImageFile;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import java.util.Locale;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** The whole model through its public face against the reference's own generate. */
class JanusGoldenTest {
  static final LoadOptions FLOAT32 =
      LoadOptions.DEFAULT.withDtype(DType.FLOAT32).withDevice(DeviceChoice.CPU);

  @ParameterizedTest
  @CsvSource({
    "hf, hf, 3",
    "original/janus-1.3b, original/janus-1.3b, 1",
    "original/janus-pro-1b, original/janus-1.3b, 3"
  })
  void greedyAnswersAreEqual(String checkpoint, String goldens, int atLeast) {
    try (JanusModel model = JanusModel.load(TinyJanus.checkpoint(checkpoint), FLOAT32)) {
      int checked = 0;
      for (JsonElement element :
          Golden.facts("janus/" + goldens + "/understand").getAsJsonArray("answers")) {
        JsonObject answer = element.getAsJsonObject();
        JsonObject prompt = prompt(goldens, answer.get("prompt").getAsString());
        // What the public face can say: one turn, with the system sentence, roles by the name.
        if (userTurns(prompt).size() > 1
            || !JanusPromptGoldenTest.system(prompt)
            || plainRoles(prompt) != checkpoint.contains("1.3b")) {
          continue;
        }
        GenerationResult result =
            model.generate(
                request(userTurns(prompt).get(0))
                    .options(
                        GenerationOptions.builder()
                            .greedy(true)
                            .maxTokens(answer.get("max_new_tokens").getAsInt())
                            .build())
                    .build());

        assertThat(result.promptTokenIds()).isEqualTo(list(prompt, "input_ids"));
        assertThat(result.tokenIds()).isEqualTo(list(answer, "ids"));
        assertThat(result.text()).isEqualTo(answer.get("text").getAsString().stripLeading());
        checked++;
      }
      assertThat(checked).isEqualTo(atLeast);
    }
  }

  @ParameterizedTest
  @CsvSource({
    "hf, hf",
    "original/janus-1.3b, original/janus-1.3b",
    "original/janus-pro-1b, original/janus-1.3b",
    "original/janus-pro-7b, original/janus-pro-7b"
  })
  void greedyDrawingsAreEqualToTheLastCode(String checkpoint, String goldens) {
    try (Golden golden = Golden.open("janus/" + goldens + "/draw");
        JanusModel model = JanusModel.load(TinyJanus.checkpoint(checkpoint), FLOAT32)) {
      int checked = 0;
      for (JsonElement element :
          Golden.facts("janus/" + goldens + "/draw").getAsJsonArray("draws")) {
        JsonObject draw = element.getAsJsonObject();
        String name = draw.get("prompt").getAsString();
        if (plainRoles(prompt(goldens, name)) != checkpoint.contains("1.3b")) {
          continue;
        }
        GenerationResult result =
            model.generate(
                request(userTurns(prompt(goldens, name)).get(0))
                    .output(Output.IMAGE)
                    .options(
                        GenerationOptions.builder()
                            .greedy(true)
                            .guidanceScale(draw.get("guidance").getAsDouble())
                            .build())
                    .build());

        assertThat(result.promptTokenIds()).isEqualTo(list(draw, "input_ids"));
        assertThat(result.imageCodes()).containsExactly(list(draw, "codes"));
        assertThat(levels(result.images().get(0), golden.bytes(name + ".rgb")))
            .as("levels that the picture differs by: a float that rounds the other way is one")
            .isLessThanOrEqualTo(1);
        checked++;
      }
      assertThat(checked).isPositive();
    }
  }

  private static boolean plainRoles(JsonObject prompt) {
    return prompt
        .getAsJsonArray("messages")
        .get(0)
        .getAsJsonObject()
        .get("role")
        .getAsString()
        .equals("User");
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

  static GenerationRequest.Builder request(List<Part> parts) {
    GenerationRequest.Builder request = GenerationRequest.builder();
    parts.forEach(request::part);
    return request;
  }

  static JsonObject prompt(String layout, String name) {
    for (JsonElement e : Golden.facts("janus/" + layout + "/prompts").getAsJsonArray("prompts")) {
      if (e.getAsJsonObject().get("name").getAsString().equals(name)) {
        return e.getAsJsonObject();
      }
    }
    throw new AssertionError("no prompt " + name);
  }

  static List<List<Part>> userTurns(JsonObject prompt) {
    List<Image> pictures = new ArrayList<>();
    prompt.getAsJsonArray("pictures").forEach(p -> pictures.add(picture(p.getAsString())));
    Iterator<Image> next = pictures.iterator();
    List<List<Part>> turns = new ArrayList<>();
    for (JsonElement element : prompt.getAsJsonArray("messages")) {
      JsonObject message = element.getAsJsonObject();
      if (message.get("role").getAsString().toLowerCase(Locale.ROOT).contains("user")) {
        turns.add(JanusPromptGoldenTest.parts(message.get("content"), next));
      }
    }
    return turns;
  }

  static Image picture(String name) {
    return ImageFile.read(Golden.folder("janus/pictures").resolve(name));
  }

  static List<Integer> list(JsonObject object, String key) {
    List<Integer> values = new ArrayList<>();
    object.getAsJsonArray(key).forEach(e -> values.add(e.getAsInt()));
    return values;
  }
}
