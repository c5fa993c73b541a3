package dev.diptych.models.janusflow;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import dev.diptych.core.GenerationOptions;
import dev.diptych.core.GenerationRequest;
import dev.diptych.core.GenerationResult;
import dev.diptych.core.Image;
import dev.diptych.core.LoadOptions;
import dev.diptych.core.Output;
import dev.diptych.core.ResourceLimitException;
import dev.diptych.core.Session;
import dev.diptych.core.UnifiedModel;
import dev.diptych.models.Diptych;
import dev.diptych.models.ModelContract;
import dev.diptych.models.denoising.Context;
import dev.diptych.models.denoising.DenoisingTransformer;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

/** What every session promises, on a tiny checkpoint in the published layout. */
class JanusFlowSessionTest extends ModelContract {
  private static final Image CAT = TinyJanusFlow.picture("cat_96x63.png");

  @Override
  protected UnifiedModel load(LoadOptions options) {
    return Diptych.load(TinyJanusFlow.checkpoint(), options);
  }

  @Override
  protected int codes() {
    return model.defaults(Output.IMAGE).inferenceSteps().orElseThrow();
  }

  @Override
  protected long smallLimit() {
    return 2_000_000;
  }

  @Test
  void aLaterTurnIsWhatReadingEverythingAnewGives() {
    GenerationResult first;
    GenerationResult second;
    try (Session session = model.newSession()) {
      first = session.generate(picture("what is in the picture?", 6));
      second = session.generate(ask("which colour has it?", 24));
    }

    List<Integer> said = new ArrayList<>(first.promptTokenIds());
    said.addAll(first.tokenIds());
    // The later prompt begins with what ended the answer.
    said.remove(said.size() - 1);
    said.addAll(second.promptTokenIds());
    assertThat(second.tokenIds()).hasSize(24).isEqualTo(anew(said, 24));
  }

  /** The likeliest tokens, each after everything was read again. */
  private List<Integer> anew(List<Integer> said, int count) {
    JanusFlowModel own = (JanusFlowModel) model;
    int begin = said.indexOf(own.tokenizer().controlId("<begin_of_image>"));
    int end = begin + 1 + own.config().tokens();
    int[] before = said.subList(0, begin).stream().mapToInt(i -> i).toArray();
    float[] pixels = own.imageProcessor().pixelValues(List.of(CAT));
    List<Integer> answer = new ArrayList<>();
    GenerationOptions greedy = GenerationOptions.builder().greedy(true).build();
    try (DenoisingTransformer.Sampling sampling = own.transformer().new Sampling(greedy)) {
      for (int i = 0; i < count; i++) {
        try (Context context =
            new Context(own.transformer(), model.capabilities().maxSequenceLength(), b -> {})) {
          context.add(before);
          context.add(own.network().new Picture(pixels));
          said.subList(end, said.size()).forEach(context::add);
          answer.forEach(context::add);
          answer.add(context.next(() -> {}, sampling, 0, false, 0));
        }
      }
    }
    return answer;
  }

  @Test
  void aDrawingLeavesTheConversationAsItIs() {
    List<Integer> expected;
    try (Session session = model.newSession()) {
      session.generate(picture("what is in the picture?", 6));
      expected = session.generate(ask("go on", 8)).tokenIds();
    }
    try (Session session = model.newSession()) {
      session.generate(picture("what is in the picture?", 6));
      session.generate(drawing("a circle", 2, 1));

      assertThat(session.generate(ask("go on", 8)).tokenIds()).isEqualTo(expected);
    }
  }

  @Test
  void aPictureDoesNotDependOnHowManyAreDrawnAndFollowsTheSeed() {
    List<Image> three = model.generate(drawing("a circle", 4, 3)).images();
    Image one = model.generate(drawing("a circle", 4, 1)).images().get(0);
    GenerationOptions other =
        GenerationOptions.builder().seed(8).inferenceSteps(4).build();
    Image another =
        model
            .generate(
                GenerationRequest.builder()
                    .text("a circle")
                    .output(Output.IMAGE)
                    .options(other)
                    .build())
            .images()
            .get(0);

    assertThat(three).hasSize(3).doesNotHaveDuplicates();
    assertThat(three.get(0)).isEqualTo(one);
    assertThat(another).isNotEqualTo(one);
  }

  @Test
  void workOfManyPicturesCountsAsMemory() {
    try (UnifiedModel small = load(FLOAT32.withMemoryLimit(smallLimit()))) {
      // Their caches alone would fit.
      assertThatThrownBy(() -> small.generate(drawing("a circle", 1, 50)))
          .isInstanceOf(ResourceLimitException.class)
          .hasMessageContaining("the cache of 50 pictures");
    }
  }

  @Test
  void aCoderThatHasNoRoomIsToldBeforeAPictureIsBegun() {
    long weights =
        catchThrowableOfType(
                ResourceLimitException.class, () -> load(FLOAT32.withMemoryLimit(1)))
            .asked();
    try (UnifiedModel small = load(FLOAT32.withMemoryLimit(weights + 10))) {
      assertThatThrownBy(() -> small.draw("a circle"))
          .isInstanceOf(ResourceLimitException.class)
          .hasMessageContaining("the picture decoder's features");
    }
  }

  private static GenerationRequest picture(String question, int tokens) {
    return GenerationRequest.builder()
        .image(CAT)
        .text(question)
        .options(GenerationOptions.builder().greedy(true).maxTokens(tokens).build())
        .build();
  }

  private static GenerationRequest drawing(String prompt, int steps, int pictures) {
    return GenerationRequest.builder()
        .text(prompt)
        .output(Output.IMAGE)
        .options(
            GenerationOptions.builder().inferenceSteps(steps).pictures(pictures).seed(7).build())
        .build();
  }
}
