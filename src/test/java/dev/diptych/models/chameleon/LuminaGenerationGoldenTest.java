package dev.diptych.models.chameleon;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.diptych.core.CheckpointException;
import dev.diptych.core.FinishReason;
import dev.diptych.core.GenerationOptions;
import dev.diptych.core.GenerationRequest;
import dev.diptych.core.GenerationResult;
import dev.diptych.core.Image;
import dev.diptych.core.InvalidRequestException;
import dev.diptych.core.Output;
import dev.diptych.core.Session;
import dev.diptych.testing.Golden;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * Whole answers against the prompts and the logits processors of Lumina-mGPT's authors: sizes that
 * were asked for and that the model chose, rows and their ends, guidance, pixels.
 */
class LuminaGenerationGoldenTest {
  private static final String GOLDEN = "lumina";
  private static final int END_OF_TURN = 70;
  private static final int FIRST_CODE = 4;
  private static final int CODES = 64;

  @TempDir private Path folder;

  @BeforeEach
  void pixelsOfASquare() throws IOException {
    TinyChameleon.copy("lumina-7b-512", folder);
    int target = Golden.facts("chameleon/" + GOLDEN).get("target").getAsInt();
    TinyChameleon.edit(
        folder.resolve("config.json"),
        json -> json.getAsJsonObject("vq_config").addProperty("resolution", target));
  }

  private ChameleonModel load() {
    return ChameleonModel.load(folder, TinyChameleon.WITH_CODER);
  }

  @ParameterizedTest
  @ValueSource(strings = {"square", "wide", "wide-unguided", "high", "wide-edited"})
  void drawsWhatTheAuthorsDraw(String name) {
    GenerationCase expected = GenerationCase.of(GOLDEN, "drawn", name);
    int width = expected.integer("width");
    int height = expected.integer("height");
    GenerationOptions greedy =
        GenerationOptions.builder()
            .greedy(true)
            .guidanceScale(expected.number("guidance"))
            .imageSize(width, height)
            .build();
    try (ChameleonModel model = load()) {
      GenerationResult result =
          model.generate(expected.request().output(Output.IMAGE).options(greedy).build());

      assertThat(result.promptTokenIds()).isEqualTo(expected.ints("prompt"));
      assertThat(result.imageCodes()).containsExactly(expected.ints("codes"));
      assertThat(result.finishReason()).isEqualTo(FinishReason.STOP);
      Image image = result.images().get(0);
      assertThat(image.width()).isEqualTo(width);
      assertThat(image.height()).isEqualTo(height);
      assertNear(image.rgb(), expected.image().rgb());
    }
  }

  /** The last bit of a float decides where a byte is cut off. */
  private static void assertNear(byte[] found, byte[] expected) {
    assertThat(found).hasSameSizeAs(expected);
    for (int i = 0; i < found.length; i++) {
      assertThat(found[i] & 0xff).as("byte %d", i).isCloseTo(expected[i] & 0xff, within(1));
    }
  }

  @Test
  void withoutASizeAPictureIsSquareAndGuidanceIsTheAuthors() {
    GenerationCase expected = GenerationCase.of(GOLDEN, "drawn", "square");
    GenerationOptions greedy = GenerationOptions.builder().greedy(true).build();
    try (ChameleonModel model = load()) {
      GenerationResult result =
          model.generate(expected.request().output(Output.IMAGE).options(greedy).build());

      assertThat(result.promptTokenIds()).isEqualTo(expected.ints("prompt"));
      assertThat(result.imageCodes()).containsExactly(expected.ints("codes"));
      assertThat(result.options().guidanceScale()).hasValue(expected.number("guidance"));
      assertThat(result.options().topK()).hasValue(2000);
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"guided", "unguided", "picture"})
  void tellsWhatTheAuthorsTellInPicturesOfChosenSizes(String name) throws IOException {
    GenerationCase expected = GenerationCase.of(GOLDEN, "interleaved", name);
    GenerationCase.openPictures(folder);
    GenerationOptions greedy =
        GenerationOptions.builder()
            .greedy(true)
            .guidanceScale(expected.number("guidance"))
            .maxTokens(expected.integer("words"))
            .build();
    try (ChameleonModel model = load()) {
      GenerationResult result =
          model.generate(expected.request().output(Output.INTERLEAVED).options(greedy).build());

      List<Integer> ids = expected.ints("ids");
      assertThat(result.promptTokenIds()).isEqualTo(expected.ints("prompt"));
      assertThat(result.tokenIds()).isEqualTo(ids);
      assertThat(result.images()).hasSize(expected.integer("pictures"));
      assertThat(result.imageCodes().stream().flatMap(List::stream).toList())
          .isEqualTo(
              ids.stream()
                  .filter(id -> id >= FIRST_CODE && id < FIRST_CODE + CODES)
                  .map(id -> id - FIRST_CODE)
                  .toList());
    }
  }

  /** Behind a drawing the turn ends, as behind an answer in words. */
  @Test
  void aConversationGoesOnBehindTheEndOfTheTurn() {
    GenerationCase first = GenerationCase.of(GOLDEN, "drawn", "wide");
    GenerationOptions drawing =
        GenerationOptions.builder().greedy(true).imageSize(16, 8).build();
    GenerationOptions saying = GenerationOptions.builder().greedy(true).maxTokens(3).build();
    try (ChameleonModel model = load();
        Session session = model.newSession()) {
      session.generate(first.request().output(Output.IMAGE).options(drawing).build());
      GenerationResult said =
          session.generate(GenerationRequest.builder().text("a 3").options(saying).build());

      List<Integer> drawn = first.ints("ids");
      List<Integer> unread = new ArrayList<>(drawn.subList(drawn.size() - 3, drawn.size()));
      unread.add(END_OF_TURN);
      assertThat(said.promptTokenIds()).startsWith(unread.toArray(Integer[]::new));
      assertThat(said.promptTokenIds()).endsWith(END_OF_TURN);
      assertThat(said.options().topK()).hasValue(10);
    }
  }

  @Test
  void aSizeThatIsNotOnTheListIsRefusedWithTheList() {
    GenerationOptions small = GenerationOptions.builder().imageSize(8, 4).build();
    GenerationRequest request =
        GenerationRequest.builder().text("a").output(Output.IMAGE).options(small).build();
    try (ChameleonModel model = load()) {
      assertThatThrownBy(() -> model.generate(request))
          .isInstanceOf(InvalidRequestException.class)
          .hasMessageContaining(
              "expected one of 16x4, 16x8, 12x8, 12x12, 8x12, 8x16, 4x16\n  found    8x4");
    }
  }

  @Test
  void aVocabularyWithoutATokenForEverySizeIsRefused() throws IOException {
    // The widest picture is 16 units at 8 units a side, 20 at 10; the tiny vocabulary has 16 sizes.
    TinyChameleon.edit(
        folder.resolve("config.json"),
        json -> json.getAsJsonObject("vq_config").addProperty("resolution", 32));
    load().close();
    TinyChameleon.edit(
        folder.resolve("config.json"),
        json -> json.getAsJsonObject("vq_config").addProperty("resolution", 40));

    assertThatThrownBy(this::load)
        .isInstanceOf(CheckpointException.class)
        .hasMessageContaining("it has no token \"<reserved08820>\"");
  }
}
