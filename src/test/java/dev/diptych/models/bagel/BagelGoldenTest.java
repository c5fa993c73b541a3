package dev.diptych.models.bagel;

import static org.assertj.core.api.Assertions.assertThat;

import com.google.gson.JsonObject;
import dev.diptych.core.GenerationOptions;
import dev.diptych.core.GenerationRequest;
import dev.diptych.core.GenerationResult;
import dev.diptych.core.Image;
import dev.diptych.core.Output;
import dev.diptych.core.Session;
import dev.diptych.models.Diptych;
import dev.diptych.testing.Golden;
import java.util.List;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Whole requests against the reference: words to the last token, pictures to a level. */
class BagelGoldenTest {
  private static BagelModel model;
  private static Golden golden;

  @BeforeAll
  static void open() {
    model = (BagelModel) Diptych.load(TinyBagel.folder(), TinyBagel.FLOAT32);
    golden = Golden.open("bagel");
  }

  @AfterAll
  static void close() {
    golden.close();
    model.close();
  }

  @Test
  void greedyAnswersAreEqualToTheLastToken() {
    int checked = 0;
    for (JsonObject fact : TinyBagel.facts("reading").toList()) {
      GenerationRequest.Builder request = GenerationRequest.builder();
      TinyBagel.parts(fact).forEach(request::part);
      List<Integer> expected = TinyBagel.ids(fact);
      GenerationOptions options =
          GenerationOptions.builder()
              .greedy(true)
              // The reference counts the token that begins an answer.
              .maxTokens(20)
              .think(TinyBagel.thinks(fact))
              .build();

      GenerationResult result = model.generate(request.options(options).build());

      String name = fact.get("name").getAsString();
      // It computes one token more than it gives, and does not give the last.
      List<Integer> given =
          expected.size() > 20 ? expected.subList(0, 20) : expected;
      assertThat(result.tokenIds()).as(name).isEqualTo(given);
      assertThat(result.text()).as(name).isEqualTo(fact.get("text").getAsString());
      checked++;
    }
    assertThat(checked).isEqualTo(4);
  }

  @ParameterizedTest
  @MethodSource("dev.diptych.models.bagel.TinyBagel#drawings")
  void whatIsDrawnOfTheSameNoiseHasTheSamePixels(String name) {
    JsonObject fact = TinyBagel.drawing(name);
    float[] noise = golden.floats(name + ".noise");

    GenerationResult result;
    try (Session session =
        new BagelSession(model, seed -> (picture, draw, count) -> noise)) {
      result = session.generate(TinyBagel.request(fact));
    }

    Image image = result.images().get(0);
    assertThat(image.width()).isEqualTo(fact.get("width").getAsInt());
    assertThat(image.height()).isEqualTo(fact.get("height").getAsInt());
    byte[] expected = golden.bytes(name + ".rgb");
    byte[] found = image.rgb();
    assertThat(found).hasSameSizeAs(expected);
    for (int i = 0; i < found.length; i++) {
      assertThat(Math.abs((found[i] & 0xff) - (expected[i] & 0xff)))
          .as("levels that number %d differs by: a float that falls on the other side is one", i)
          .isLessThanOrEqualTo(1);
    }
    if (TinyBagel.thinks(fact)) {
      assertThat(result.text()).isEqualTo(fact.get("text").getAsString());
      List<Integer> ids = TinyBagel.ids(fact);
      assertThat(result.tokenIds()).isEqualTo(ids.subList(0, result.tokenIds().size()));
      assertThat(result.parts()).hasSize(result.text().isEmpty() ? 1 : 2);
    }
  }

  @Test
  void anEditHasTheSizeOfItsPicture() {
    JsonObject fact = TinyBagel.drawing("edit");
    GenerationRequest.Builder request = GenerationRequest.builder().output(Output.IMAGE);
    TinyBagel.parts(fact).forEach(request::part);

    Image image = model.generate(request.build()).images().get(0);

    assertThat(image.width()).isEqualTo(fact.get("width").getAsInt());
    assertThat(image.height()).isEqualTo(fact.get("height").getAsInt());
  }
}
