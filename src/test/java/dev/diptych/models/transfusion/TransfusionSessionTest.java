package dev.diptych.models.transfusion;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.diptych.core.FinishReason;
import dev.diptych.core.GenerationOptions;
import dev.diptych.core.GenerationRequest;
import dev.diptych.core.GenerationResult;
import dev.diptych.core.Image;
import dev.diptych.core.InvalidRequestException;
import dev.diptych.core.LoadOptions;
import dev.diptych.core.Output;
import dev.diptych.core.Session;
import dev.diptych.core.UnifiedModel;
import dev.diptych.core.UnsupportedRequestException;
import dev.diptych.models.ModelContract;
import dev.diptych.testing.Golden;
import java.util.List;
import org.junit.jupiter.api.Test;

/** What Transfusion promises beyond what every model does. */
class TransfusionSessionTest extends ModelContract {
  @Override
  protected UnifiedModel load(LoadOptions options) {
    return TransfusionModel.load(TinyTransfusion.folder("linear"), options);
  }

  /** Steps of denoising stand where other models have codes. */
  @Override
  protected int codes() {
    return 8;
  }

  @Override
  protected long smallLimit() {
    return 1_500_000;
  }

  private static GenerationRequest.Builder drawing(GenerationOptions options) {
    return GenerationRequest.builder().text("a circle").output(Output.IMAGE).options(options);
  }

  private static GenerationOptions.Builder seeded(long seed) {
    return GenerationOptions.builder().seed(seed);
  }

  private static Image picture() {
    try (Golden golden = Golden.open("transfusion/linear")) {
      return TinyTransfusion.image(golden, "picture.rgb");
    }
  }

  @Test
  void defaultsAreTheFiles() {
    GenerationOptions drawing = model.defaults(Output.IMAGE);
    GenerationOptions saying = model.defaults(Output.TEXT);

    assertThat(drawing.inferenceSteps()).hasValue(8);
    assertThat(drawing.guidanceScale()).hasValue(3);
    assertThat(drawing.imageGuidanceScale()).hasValue(1.6);
    assertThat(drawing.imageWidth()).hasValue(8);
    assertThat(drawing.timestepShift()).isEmpty();
    assertThat(saying.isGreedy()).isTrue();
    assertThat(saying.maxTokens()).hasValue(24);
    assertThat(saying.inferenceSteps()).isEmpty();
  }

  @Test
  void oneSeedDrawsOnePictureAndRowsOfABatchStandAlone() {
    List<Image> three = model.generate(drawing(seeded(7).pictures(3).build()).build()).images();
    List<Image> one = model.generate(drawing(seeded(7).build()).build()).images();
    List<Image> other = model.generate(drawing(seeded(8).build()).build()).images();

    assertThat(three).hasSize(3).doesNotHaveDuplicates();
    assertThat(one).containsExactly(three.get(0));
    assertThat(other).isNotEqualTo(one);
  }

  @Test
  void anEditIsOfThePictureAndOfTheWords() {
    Image picture = picture();
    GenerationOptions options = seeded(3).build();
    GenerationRequest.Builder request =
        GenerationRequest.builder().image(picture).output(Output.IMAGE).options(options);
    Image edited = model.generate(request.text("make it blue").build()).images().get(0);
    GenerationRequest.Builder again =
        GenerationRequest.builder().image(picture).output(Output.IMAGE).options(options);
    Image otherwise = model.generate(again.text("make it red").build()).images().get(0);
    Image drawn =
        model
            .generate(
                GenerationRequest.builder()
                    .text("make it blue")
                    .output(Output.IMAGE)
                    .options(options)
                    .build())
            .images()
            .get(0);

    assertThat(edited).isNotEqualTo(otherwise).isNotEqualTo(drawn);
    assertThat(model.edit(picture, "make it blue").width()).isEqualTo(8);
    assertThatThrownBy(() -> model.edit(null, "make it blue"))
        .isInstanceOf(InvalidRequestException.class);
  }

  /** Rows that would count for nothing are left out; what is left is the same but for rounding. */
  @Test
  void guidanceOfOneIsTheConversationAlone() {
    GenerationOptions alone = seeded(5).guidanceScale(1).imageGuidanceScale(1).build();
    GenerationOptions almost =
        seeded(5).guidanceScale(1.0000001).imageGuidanceScale(1.0000001).build();
    GenerationOptions guided = seeded(5).guidanceScale(4).build();

    Image one = model.generate(drawing(alone).build()).images().get(0);
    Image same = model.generate(drawing(almost).build()).images().get(0);
    Image other = model.generate(drawing(guided).build()).images().get(0);
    assertThat(distance(one, same)).isLessThanOrEqualTo(2);
    assertThat(distance(one, other)).isGreaterThan(20);
  }

  private static int distance(Image a, Image b) {
    int sum = 0;
    byte[] x = a.rgb();
    byte[] y = b.rgb();
    for (int i = 0; i < x.length; i++) {
      sum += Math.abs((x[i] & 0xff) - (y[i] & 0xff));
    }
    return sum;
  }

  @Test
  void stepsThatTheScheduleDoesNotHaveAreRefusedBeforeAnythingIsRead() {
    GenerationOptions many = seeded(1).inferenceSteps(1001).build();

    assertThatThrownBy(() -> model.generate(drawing(many).build()))
        .isInstanceOf(InvalidRequestException.class)
        .hasMessageContaining("1001 steps");
    assertThatThrownBy(() -> GenerationOptions.builder().inferenceSteps(0).build())
        .isInstanceOf(InvalidRequestException.class);
    assertThatThrownBy(() -> GenerationOptions.builder().inferenceSteps(1_000_000).build())
        .isInstanceOf(InvalidRequestException.class);
    assertThatThrownBy(() -> GenerationOptions.builder().guidanceScale(Double.NaN).build())
        .isInstanceOf(InvalidRequestException.class);
    assertThat(
            model
                .generate(drawing(seeded(1).inferenceSteps(1).build()).build())
                .images())
        .hasSize(1);
  }

  @Test
  void aShiftIsForFlowsAlone() {
    GenerationOptions shifted = seeded(1).timestepShift(4).build();

    assertThatThrownBy(() -> model.generate(drawing(shifted).build()))
        .isInstanceOf(UnsupportedRequestException.class)
        .hasMessageContaining("timestepShift");
    try (UnifiedModel flow = TinyTransfusion.load("unet")) {
      assertThat(flow.defaults(Output.IMAGE).timestepShift()).hasValue(2);
      Image once = flow.generate(drawing(seeded(1).build()).build()).images().get(0);
      Image later = flow.generate(drawing(shifted).build()).images().get(0);
      assertThat(later).isNotEqualTo(once);
    }
  }

  /** Without learned positions a picture may be of any size; its patches follow row by row. */
  @Test
  void aPictureHasTheSizeThatWasAskedForWherePositionsAreNotLearned() {
    try (UnifiedModel unet = TinyTransfusion.load("unet")) {
      Image wide =
          unet.generate(drawing(seeded(1).imageSize(16, 4).build()).build()).images().get(0);

      assertThat(wide.width()).isEqualTo(16);
      assertThat(wide.height()).isEqualTo(4);
      assertThatThrownBy(
              () -> unet.generate(drawing(seeded(1).imageSize(18, 4).build()).build()))
          .isInstanceOf(InvalidRequestException.class)
          .hasMessageContaining("18x4")
          .hasMessageContaining("multiples of 4")
          .hasMessageContaining("remedy   16x4");
      assertThatThrownBy(
              () -> unet.generate(drawing(seeded(1).imageSize(400, 400).build()).build()))
          .isInstanceOf(InvalidRequestException.class)
          .hasMessageContaining("at most 512 tokens");
    }
  }

  /** As the model was trained: no turn follows an answer that has no end. */
  @Test
  void anAnswerThatWasCutOffIsEndedBeforeTheNextTurn() {
    int eos = ((TransfusionModel) model).config().eos();
    try (Session session = model.newSession()) {
      GenerationResult cut = session.generate(ask("tell me", 3));
      GenerationResult next = session.generate(ask("and then?", 1));

      assertThat(cut.finishReason()).isEqualTo(FinishReason.LENGTH);
      assertThat(cut.tokenIds()).hasSize(3).doesNotContain(eos);
      assertThat(next.promptTokenIds()).startsWith(cut.tokenIds().get(2), eos);
    }
  }

  /** What a session does turn by turn is what another does that was cut in other places. */
  @Test
  void aConversationGoesOnWithTheFirstPictureOfADrawing() {
    List<Integer> behindOne = after(1);
    List<Integer> behindThree = after(3);

    assertThat(behindThree).isEqualTo(behindOne);
  }

  private List<Integer> after(int pictures) {
    try (Session session = model.newSession()) {
      session.generate(drawing(seeded(7).pictures(pictures).build()).build());
      GenerationResult result = session.generate(ask("and this?", 12));
      return result.tokenIds();
    }
  }
}
