package dev.diptych.models.chameleon;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.offset;

import dev.diptych.core.FinishReason;
import dev.diptych.core.GenerationOptions;
import dev.diptych.core.GenerationResult;
import dev.diptych.core.LoadOptions;
import dev.diptych.core.Output;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Whole answers, id by id, against the generation code of Chameleon's authors. */
class ChameleonGenerationGoldenTest {
  private static final String GOLDEN = "generate";
  private static final int BEGIN_OF_IMAGE = 69;
  private static final int END_OF_IMAGE = 68;
  private static final int END_OF_TEXT = 2;
  private static final int FIRST_CODE = 4;
  private static final int CODES = 16;

  @TempDir private Path folder;

  @ParameterizedTest
  @ValueSource(
      strings = {
        "text", "text-and-picture", "text-and-picture-unguided", "text-and-picture-mixed",
        "two-pictures"
      })
  void drawsWhatTheAuthorsDraw(String name) {
    draws(TinyChameleon.checkpoint("meta"), LoadOptions.DEFAULT, name);
  }

  /** Its codes of a picture in the prompt may differ, by {@code rescale_factor}. */
  @Test
  void drawsTheSameInTheLayoutOfTransformers() {
    draws(TinyChameleon.checkpoint("hf"), TinyChameleon.WITH_CODER, "text");
  }

  private static void draws(Path checkpoint, LoadOptions options, String name) {
    GenerationCase expected = GenerationCase.of(GOLDEN, "drawn", name);
    GenerationOptions greedy =
        GenerationOptions.builder()
            .greedy(true)
            .guidanceScale(expected.number("guidance_text"))
            .imageGuidanceScale(expected.number("guidance_image"))
            .build();
    try (ChameleonModel model = ChameleonModel.load(checkpoint, options)) {
      GenerationResult result =
          model.generate(expected.request().output(Output.IMAGE).options(greedy).build());

      assertThat(result.promptTokenIds()).isEqualTo(expected.ints("prompt"));
      assertThat(result.imageCodes()).containsExactly(expected.ints("codes"));
      assertThat(result.finishReason()).isEqualTo(FinishReason.STOP);
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"penalty", "no-penalty", "picture"})
  void saysWhatTheAuthorsSay(String name) {
    GenerationCase expected = GenerationCase.of(GOLDEN, "said", name);
    try (ChameleonModel model =
        ChameleonModel.load(TinyChameleon.checkpoint("meta"), LoadOptions.DEFAULT)) {
      GenerationResult result =
          answer(model, expected, Output.TEXT, expected.integer("max_tokens"));

      assertThat(result.promptTokenIds()).isEqualTo(expected.ints("prompt"));
      assertThat(result.tokenIds()).isEqualTo(expected.ints("ids"));
      assertThat(result.finishReason()).isEqualTo(FinishReason.LENGTH);
    }
  }

  @Test
  void anAnswerEndsWithTheContext() throws IOException {
    GenerationCase expected = GenerationCase.of(GOLDEN, "said", "context");
    TinyChameleon.copy("hf", folder);
    try (ChameleonModel model = withContext(expected.integer("context"))) {
      GenerationResult result =
          answer(model, expected, Output.TEXT, expected.integer("max_tokens"));

      assertThat(result.tokenIds()).isEqualTo(expected.ints("ids"));
      assertThat(result.finishReason()).isEqualTo(FinishReason.LENGTH);
    }
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "penalty", "penalty-more", "no-penalty", "ended", "context-fits", "context-short"
      })
  void tellsWhatTheAuthorsTell(String name) throws IOException {
    GenerationCase expected = GenerationCase.of(GOLDEN, "interleaved", name);
    TinyChameleon.copy("hf", folder);
    GenerationCase.openPictures(folder);
    try (ChameleonModel model = withContext(expected.integer("context"))) {
      GenerationResult result =
          answer(model, expected, Output.INTERLEAVED, expected.integer("words"));

      List<Integer> ids = expected.ints("ids");
      assertThat(result.promptTokenIds()).isEqualTo(expected.ints("prompt"));
      assertThat(result.tokenIds()).isEqualTo(ids);
      assertThat(result.imageCodes())
          .hasSize(expected.integer("pictures"))
          .isEqualTo(codes(ids));
      assertThat(result.images()).hasSize(expected.integer("pictures"));
      assertThat(result.finishReason())
          .isEqualTo(
              ids.get(ids.size() - 1) == END_OF_TEXT ? FinishReason.STOP : FinishReason.LENGTH);
    }
  }

  /** A drawing that is thought over is an interleaved answer up to its first picture. */
  @ParameterizedTest
  @ValueSource(strings = {"penalty", "penalty-more", "no-penalty"})
  void thinksWhatTheAuthorsTellBeforeTheFirstPicture(String name) throws IOException {
    GenerationCase expected = GenerationCase.of(GOLDEN, "interleaved", name);
    TinyChameleon.copy("hf", folder);
    GenerationCase.openPictures(folder);
    Files.writeString(folder.resolve("generation_config.json"), "{\"think\": true}");
    try (ChameleonModel model = withContext(expected.integer("context"))) {
      GenerationResult result =
          answer(model, expected, Output.IMAGE, expected.integer("words"));

      List<Integer> ids = expected.ints("ids");
      int opened = ids.indexOf(BEGIN_OF_IMAGE);
      assertThat(opened).isPositive();
      assertThat(result.tokenIds()).isEqualTo(ids.subList(0, opened));
      assertThat(result.imageCodes()).containsExactly(codes(ids).get(0));
      assertThat(result.parts()).hasSize(2);
      assertThat(result.finishReason()).isEqualTo(FinishReason.STOP);
    }
  }

  /** Words that would go on, or end, give way to the picture. */
  @ParameterizedTest
  @ValueSource(strings = {"penalty", "ended"})
  void aDrawingFollowsTheWordsInAnyCase(String name) throws IOException {
    GenerationCase expected = GenerationCase.of(GOLDEN, "interleaved", name);
    TinyChameleon.copy("hf", folder);
    GenerationCase.openPictures(folder);
    try (ChameleonModel model = withContext(expected.integer("context"))) {
      GenerationOptions thought = GenerationOptions.builder().think(true).maxTokens(2).build();
      GenerationResult result =
          model.generate(expected.request().output(Output.IMAGE).options(thought).build());

      assertThat(result.tokenIds()).hasSizeLessThanOrEqualTo(2).doesNotContain(END_OF_TEXT);
      assertThat(result.images()).hasSize(1);
    }
  }

  /** The codes of each picture in a stream. */
  private static List<List<Integer>> codes(List<Integer> ids) {
    List<List<Integer>> codes = new ArrayList<>();
    for (int at = 0; at < ids.size(); at++) {
      if (ids.get(at) == BEGIN_OF_IMAGE) {
        assertThat(ids.get(at + 1 + CODES)).isEqualTo(END_OF_IMAGE);
        codes.add(
            ids.subList(at + 1, at + 1 + CODES).stream().map(id -> id - FIRST_CODE).toList());
      }
    }
    return codes;
  }

  private static GenerationResult answer(
      ChameleonModel model, GenerationCase expected, Output output, int words) {
    GenerationOptions greedy =
        GenerationOptions.builder()
            .greedy(true)
            .repetitionPenalty(expected.number("penalty"))
            .maxTokens(words)
            .build();
    if (output == Output.INTERLEAVED) {
      GenerationOptions defaults = model.defaults(output);
      assertThat(defaults.guidanceScale().orElseThrow()).isEqualTo(3, offset(0.0));
      assertThat(defaults.imageGuidanceScale().orElseThrow()).isEqualTo(1.2, offset(0.0));
    }
    return model.generate(expected.request().output(output).options(greedy).build());
  }

  /** The copy in the folder with so long a context. */
  private ChameleonModel withContext(int context) throws IOException {
    TinyChameleon.edit(
        folder.resolve("config.json"),
        json -> json.addProperty("max_position_embeddings", context));
    return ChameleonModel.load(folder, TinyChameleon.WITH_CODER);
  }
}
