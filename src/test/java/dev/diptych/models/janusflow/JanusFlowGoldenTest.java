package dev.diptych.models.janusflow;

import static org.assertj.core.api.Assertions.assertThat;

import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import dev.diptych.core.GenerationOptions;
import dev.diptych.core.GenerationRequest;
import dev.diptych.core.GenerationResult;
import dev.diptych.core.Output;
import dev.diptych.core.Part;
import dev.diptych.testing.Golden;
import org.junit.jupiter.api.Test;

/** The whole model through its public face against the authors' programs. */
class JanusFlowGoldenTest {
  @Test
  void greedyAnswersAreEqual() {
    int checked = 0;
    try (JanusFlowModel model = TinyJanusFlow.load()) {
      for (JsonElement element :
          Golden.facts("janusflow/understand").getAsJsonArray("answers")) {
        JsonObject answer = element.getAsJsonObject();
        JsonObject prompt = TinyJanusFlow.prompt(answer.get("prompt").getAsString());
        GenerationResult result =
            model.generate(
                request(prompt)
                    .options(
                        GenerationOptions.builder()
                            .greedy(true)
                            .maxTokens(answer.get("max_new_tokens").getAsInt())
                            .build())
                    .build());

        assertThat(result.promptTokenIds()).isEqualTo(TinyJanusFlow.list(prompt, "input_ids"));
        assertThat(result.tokenIds()).isEqualTo(TinyJanusFlow.list(answer, "ids"));
        assertThat(result.text()).isEqualTo(answer.get("text").getAsString().stripLeading());
        checked++;
      }
    }
    assertThat(checked).isEqualTo(3);
  }

  @Test
  void promptsOfDrawingsAreEqual() {
    try (JanusFlowModel model = TinyJanusFlow.load()) {
      for (String name : new String[] {"draw", "draw_other"}) {
        JsonObject prompt = TinyJanusFlow.prompt(name);
        GenerationResult result =
            model.generate(
                request(prompt)
                    .output(Output.IMAGE)
                    .options(GenerationOptions.builder().inferenceSteps(1).build())
                    .build());

        assertThat(result.promptTokenIds()).isEqualTo(TinyJanusFlow.list(prompt, "input_ids"));
      }
    }
  }

  private static GenerationRequest.Builder request(JsonObject prompt) {
    GenerationRequest.Builder request = GenerationRequest.builder();
    for (Part part : TinyJanusFlow.parts(prompt)) {
      request.part(part);
    }
    return request;
  }
}
