package dev.diptych.models.bagel;

import static org.assertj.core.api.Assertions.assertThat;

import com.google.gson.JsonObject;
import dev.diptych.core.GenerationListener;
import dev.diptych.core.GenerationOptions;
import dev.diptych.core.GenerationRequest;
import dev.diptych.core.GenerationResult;
import dev.diptych.core.Image;
import dev.diptych.core.Output;
import dev.diptych.core.Session;
import dev.diptych.models.Diptych;
import dev.diptych.testing.Golden;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

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
    requireSame(image.rgb(), golden.bytes(name + ".rgb"));
    if (TinyBagel.thinks(fact)) {
      assertThat(result.text()).isEqualTo(fact.get("text").getAsString());
      List<Integer> ids = TinyBagel.ids(fact);
      assertThat(result.tokenIds()).isEqualTo(ids.subList(0, result.tokenIds().size()));
      assertThat(result.parts()).hasSize(result.text().isEmpty() ? 1 : 2);
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"global", "edit"})
  void aPreviewIsThePictureThatTheModelSeesInTheNoise(String name) {
    JsonObject fact = TinyBagel.drawing(name);
    float[] noise = golden.floats(name + ".noise");
    float[] towardsNoise = golden.floats(name + ".v");
    double time = fact.getAsJsonArray("times").get(0).getAsDouble();
    float[] cells = new float[noise.length];
    for (int i = 0; i < cells.length; i++) {
      cells[i] = (float) (noise[i] - time * towardsNoise[i]);
    }
    int cell = model.config().cell();
    int rows = fact.get("height").getAsInt() / cell;
    int columns = fact.get("width").getAsInt() / cell;
    Image[] expected = new Image[1];
    TinyBagel.within(
        model,
        TinyBagel.request(fact),
        run -> expected[0] = model.decode(cells, rows, columns, run::step));

    List<Image> previews = new ArrayList<>();
    GenerationRequest.Builder request = GenerationRequest.builder().output(Output.IMAGE);
    TinyBagel.parts(fact).forEach(request::part);
    try (Session session =
        new BagelSession(model, seed -> (picture, draw, count) -> noise)) {
      session.generate(
          request
              .options(TinyBagel.options(fact))
              .previewEvery(Duration.ZERO)
              .listener(
                  new GenerationListener() {
                    @Override
                    public void onPreview(int index, Image preview) {
                      previews.add(preview);
                    }
                  })
              .build());
    }

    assertThat(previews).hasSize(fact.getAsJsonArray("times").size() - 1);
    requireSame(previews.get(0).rgb(), expected[0].rgb());
  }

  /** Rounding in place of truncation would move every other number. */
  private static void requireSame(byte[] found, byte[] expected) {
    assertThat(found).hasSameSizeAs(expected);
    int apart = 0;
    for (int i = 0; i < found.length; i++) {
      int difference = Math.abs((found[i] & 0xff) - (expected[i] & 0xff));
      assertThat(difference)
          .as("levels that number %d differs by: a float that falls on the other side is one", i)
          .isLessThanOrEqualTo(1);
      apart += difference;
    }
    assertThat(apart).as("numbers that differ").isLessThan(found.length / 100);
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
