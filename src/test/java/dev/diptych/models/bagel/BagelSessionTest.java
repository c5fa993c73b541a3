package dev.diptych.models.bagel;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import dev.diptych.core.DType;
import dev.diptych.core.GenerationListener;
import dev.diptych.core.GenerationOptions;
import dev.diptych.core.GenerationRequest;
import dev.diptych.core.GenerationResult;
import dev.diptych.core.GuidanceRenorm;
import dev.diptych.core.Image;
import dev.diptych.core.InvalidRequestException;
import dev.diptych.core.LoadOptions;
import dev.diptych.core.Modality;
import dev.diptych.core.Output;
import dev.diptych.core.Part;
import dev.diptych.core.ResourceLimitException;
import dev.diptych.core.Session;
import dev.diptych.core.UnifiedModel;
import dev.diptych.core.UnsupportedRequestException;
import dev.diptych.core.engine.Value;
import dev.diptych.models.ModelContract;
import dev.diptych.testing.Photographs;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

/** What every session promises, and what is BAGEL's own, on a tiny checkpoint as published. */
class BagelSessionTest extends ModelContract {
  private static final GenerationOptions WORDS =
      GenerationOptions.builder().greedy(true).maxTokens(6).build();
  private static final GenerationOptions DRAWING =
      GenerationOptions.builder().seed(3).imageSize(20, 24).build();

  @Override
  protected UnifiedModel load(LoadOptions options) {
    return BagelModel.load(TinyBagel.folder(), options);
  }

  @Override
  protected int codes() {
    return model.defaults(Output.IMAGE).inferenceSteps().orElseThrow();
  }

  @Override
  protected long smallLimit() {
    return 12_000_000;
  }

  /** {@return the same request as one turn of a new conversation} */
  private GenerationResult alone(Output output, GenerationOptions options, List<Part> parts) {
    GenerationRequest.Builder request = GenerationRequest.builder().output(output);
    parts.forEach(request::part);
    return model.generate(request.options(options).build());
  }

  private static GenerationRequest turn(Output output, GenerationOptions options, Part... parts) {
    GenerationRequest.Builder request = GenerationRequest.builder().output(output);
    for (Part part : parts) {
      request.part(part);
    }
    return request.options(options).build();
  }

  /** Words at random are tokens that their text is not encoded to; the text counts. */
  @ParameterizedTest
  @ValueSource(booleans = {true, false})
  void turnsOfWordsAndPicturesAlternateAsIfAllHadBeenSaidAtOnce(boolean greedy) {
    GenerationOptions saying =
        greedy ? WORDS : WORDS.toBuilder().greedy(false).temperature(100).seed(8).build();
    Image coffee = Photographs.read("coffee");
    List<Part> said = new ArrayList<>();
    try (Session session = model.newSession()) {
      List<List<Part>> turns =
          List.of(
              List.of(Part.of(coffee), Part.of("what is it?")),
              List.of(Part.of("Make the circle green")),
              List.of(Part.of("and now?")),
              List.of(Part.of("without the cup")),
              List.of(Part.of("are they alike?")));
      for (int i = 0; i < turns.size(); i++) {
        Output output = i % 2 == 0 ? Output.TEXT : Output.IMAGE;
        GenerationOptions options = i % 2 == 0 ? saying : DRAWING;
        said.addAll(turns.get(i));

        GenerationResult result =
            session.generate(turn(output, options, turns.get(i).toArray(new Part[0])));

        GenerationResult expected = alone(output, options, said);
        assertThat(result.tokenIds()).as("turn %d", i).isEqualTo(expected.tokenIds());
        assertThat(result.parts()).as("turn %d", i).isEqualTo(expected.parts());
        // Defaults hang on what the conversation holds, and not on this turn alone.
        assertThat(result.options().toBuilder().seed(0).build())
            .as("turn %d", i)
            .isEqualTo(expected.options().toBuilder().seed(0).build());
        said.addAll(result.parts());
      }
    }
  }

  @Test
  void thoughtsComeBeforeWhatTheySteer() {
    GenerationOptions thinking = DRAWING.toBuilder().think(true).maxTokens(7).build();

    List<Part> parts = List.of(Part.of("the planning process"));
    GenerationResult thought = alone(Output.IMAGE, thinking, parts);

    assertThat(thought.parts()).hasSize(2);
    assertThat(thought.parts().get(0)).isInstanceOf(Part.Text.class);
    assertThat(thought.tokenIds()).isNotEmpty();
    GenerationResult plain = alone(Output.IMAGE, DRAWING, parts);
    assertThat(plain.parts()).hasSize(1);
    assertThat(plain.images()).isNotEqualTo(thought.images());
  }

  @Test
  void aPictureOfManyIsThatOfItsSeedAlone() {
    GenerationOptions two = DRAWING.toBuilder().pictures(2).build();

    List<Image> drawn = alone(Output.IMAGE, two, List.of(Part.of("a cat"))).images();

    assertThat(drawn).hasSize(2).doesNotHaveDuplicates();
    assertThat(drawn.get(0))
        .isEqualTo(alone(Output.IMAGE, DRAWING, List.of(Part.of("a cat"))).images().get(0));
  }

  @Test
  void guidanceByWordsOfOneIsNoneAtAll() {
    GenerationOptions.Builder none = DRAWING.toBuilder().guidanceScale(1);
    List<Part> parts = List.of(Part.of(Photographs.read("tall")), Part.of("on a sofa"));

    List<Image> without = alone(Output.IMAGE, none.imageGuidanceScale(1).build(), parts).images();

    assertThat(alone(Output.IMAGE, none.imageGuidanceScale(3).build(), parts).images())
        .isEqualTo(without);
    assertThat(alone(Output.IMAGE, DRAWING, parts).images()).isNotEqualTo(without);
  }

  @Test
  void aDrawingThatIsCancelledLeavesNothingBehindInAConversationWithPictures() {
    Part coffee = Part.of(Photographs.read("coffee"));
    try (Session session = model.newSession()) {
      session.generate(turn(Output.TEXT, WORDS, coffee, Part.of("what is it?")));
      long live = Value.live();
      GenerationRequest failing =
          GenerationRequest.builder()
              .image(Photographs.read("china"))
              .text("greener")
              .output(Output.IMAGE)
              .listener(
                  new GenerationListener() {
                    @Override
                    public void onImageProgress(int done, int total) {
                      throw new IllegalStateException("enough");
                    }
                  })
              .build();

      assertThatThrownBy(() -> session.generate(failing)).hasMessage("enough");

      // The cache of drawings stays for the next one; what was read into it does not count.
      assertThat(Value.live()).isLessThanOrEqualTo(live + 2);
      try (Session other = model.newSession()) {
        other.generate(turn(Output.TEXT, WORDS, coffee, Part.of("what is it?")));
        GenerationRequest next = turn(Output.IMAGE, DRAWING, Part.of("greener"));
        assertThat(session.generate(next).images()).isEqualTo(other.generate(next).images());
      }
    }
  }

  @Test
  void defaultsAreThoseOfTheAuthors() {
    GenerationOptions draws = model.defaults(Output.IMAGE);
    GenerationOptions edits = model.defaults(EnumSet.allOf(Modality.class), Output.IMAGE);

    assertThat(draws.guidanceScale()).hasValue(4);
    assertThat(draws.imageGuidanceScale()).hasValue(1);
    assertThat(draws.guidanceInterval().orElseThrow().from()).isEqualTo(0.4);
    assertThat(draws.guidanceRenorm().orElseThrow().kind()).isEqualTo(GuidanceRenorm.Kind.GLOBAL);
    assertThat(draws.timestepShift()).hasValue(3);
    assertThat(edits.imageGuidanceScale()).hasValue(2);
    assertThat(edits.guidanceInterval().orElseThrow().from()).isZero();
    assertThat(edits.guidanceRenorm().orElseThrow().kind())
        .isEqualTo(GuidanceRenorm.Kind.TEXT_CHANNEL);
    assertThat(model.defaults(Output.TEXT).isGreedy()).isTrue();
  }

  @Test
  void sizesOffTheGridOrBeyondTheTableAreRefused() {
    int cell = ((BagelModel) model).config().cell();
    int side = ((BagelModel) model).config().maxImageSide();
    int[][] wrong = {{side + cell, side}, {side, side + cell}, {cell + 1, cell}, {cell, cell - 1}};
    for (int[] size : wrong) {
      GenerationOptions options =
          GenerationOptions.builder().imageSize(size[0], size[1]).build();

      assertThatThrownBy(() -> alone(Output.IMAGE, options, List.of(Part.of("a cat"))))
          .isInstanceOf(InvalidRequestException.class)
          .hasMessageContaining("multiples of " + cell + " up to " + side)
          .hasMessageContaining(size[0] + "x" + size[1]);
    }
    GenerationOptions least = DRAWING.toBuilder().imageSize(cell, 2 * cell).build();
    Image small = alone(Output.IMAGE, least, List.of(Part.of("a cat"))).images().get(0);
    assertThat(small.width()).isEqualTo(cell);
    assertThat(small.height()).isEqualTo(2 * cell);
  }

  /** The picture stays: its numbers move less than half as far as those of another seed's lie. */
  @ParameterizedTest
  @EnumSource(
      value = DType.class,
      names = {"BFLOAT16", "INT8"})
  void narrowWeightsDrawNearlyTheSameAndAnswer(DType dtype) {
    Part tall = Part.of(Photographs.read("tall"));
    GenerationRequest edit = turn(Output.IMAGE, DRAWING, tall, Part.of("on a sofa"));
    byte[] exact = model.generate(edit).images().get(0).rgb();
    GenerationOptions other = DRAWING.toBuilder().seed(4).build();
    byte[] another =
        alone(Output.IMAGE, other, List.of(tall, Part.of("on a sofa"))).images().get(0).rgb();

    try (UnifiedModel narrow = load(TinyBagel.FLOAT32.withDtype(dtype))) {
      byte[] found = narrow.generate(edit).images().get(0).rgb();

      assertThat(distance(found, exact)).isPositive().isLessThan(distance(another, exact) / 2);
      GenerationResult answer =
          narrow.generate(turn(Output.TEXT, WORDS, tall, Part.of("what is it?")));
      assertThat(answer.tokenIds()).isNotEmpty();
    }
  }

  private static double distance(byte[] a, byte[] b) {
    double sum = 0;
    for (int i = 0; i < a.length; i++) {
      sum += Math.abs((a[i] & 0xff) - (b[i] & 0xff));
    }
    return sum / a.length;
  }

  @Test
  void whatTheModelCannotDoIsRefusedWithWhatItCan() {
    assertThatThrownBy(() -> alone(Output.INTERLEAVED, WORDS, List.of(Part.of("x"))))
        .isInstanceOf(UnsupportedRequestException.class)
        .hasMessageContaining("supported: IMAGE and TEXT -> IMAGE; IMAGE and TEXT -> TEXT");
  }

  @Test
  void featuresOfTheCoderCountAsMemoryAndPicturesAreDecodedInTiles() {
    long weights =
        catchThrowableOfType(
                ResourceLimitException.class, () -> load(FLOAT32.withMemoryLimit(1)))
            .asked();
    try (UnifiedModel small = load(FLOAT32.withMemoryLimit(weights + 10))) {
      assertThatThrownBy(() -> small.draw("a circle"))
          .isInstanceOf(ResourceLimitException.class)
          .hasMessageContaining("the picture decoder's features");
      assertThatThrownBy(() -> small.edit(Photographs.read("coffee"), "make it green"))
          .isInstanceOf(ResourceLimitException.class);
    }
    GenerationRequest drawing =
        GenerationRequest.builder()
            .text("a circle")
            .output(Output.IMAGE)
            .options(GenerationOptions.builder().seed(3).build())
            .build();
    Image whole = model.generate(drawing).images().get(0);
    try (UnifiedModel small = load(FLOAT32.withMemoryLimit(weights + 1_000_000))) {
      // Tiles do not know of each other.
      Image tiled = small.generate(drawing).images().get(0);
      assertThat(tiled.width()).isEqualTo(whole.width());
      assertThat(tiled).isNotEqualTo(whole);
      // And so are those that it starts from.
      assertThat(small.edit(whole, "make it green").width()).isEqualTo(whole.width());
    }
  }

  @Test
  void wrongOptionsOfGuidanceAreRefused() {
    GenerationOptions.Builder options = GenerationOptions.builder();

    assertThatThrownBy(() -> options.guidanceInterval(0.9, 0.4))
        .isInstanceOf(InvalidRequestException.class);
    assertThatThrownBy(() -> options.guidanceRenorm(GuidanceRenorm.Kind.GLOBAL, Double.NaN))
        .isInstanceOf(InvalidRequestException.class);
    assertThatThrownBy(
            () -> GenerationOptions.builder().guidanceScale(Double.NaN).build())
        .isInstanceOf(InvalidRequestException.class);
  }
}
