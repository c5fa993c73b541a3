package dev.diptych.models.janus;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.diptych.core.GenerationOptions;
import dev.diptych.core.GenerationRequest;
import dev.diptych.core.GenerationResult;
import dev.diptych.core.Image;
import dev.diptych.core.LoadOptions;
import dev.diptych.core.Output;
import dev.diptych.core.Session;
import dev.diptych.core.UnifiedModel;
import dev.diptych.core.UnsupportedRequestException;
import dev.diptych.core.engine.LibTorch;
import dev.diptych.core.engine.Value;
import dev.diptych.models.ModelContract;
import dev.diptych.models.deepseek.ChatPrompt;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

/** What every session promises, on a tiny checkpoint in the published layout. */
class JanusSessionTest extends ModelContract {
  private Image cat;
  private Image coffee;

  @Override
  protected UnifiedModel load(LoadOptions options) {
    return JanusModel.load(TinyJanus.checkpoint("hf"), options);
  }

  @Override
  protected int codes() {
    return ((JanusModel) model).config().imageTokens();
  }

  @Override
  protected long smallLimit() {
    return 6_000_000;
  }

  @BeforeAll
  void openPictures() {
    cat = JanusGoldenTest.picture("cat_96x63.png");
    coffee = JanusGoldenTest.picture("coffee_32x36.png");
  }

  @Test
  void aLaterTurnReadsOnlyWhatIsNewAndAnswersAsIfAllWereRead() {
    GenerationOptions six = GenerationOptions.builder().maxTokens(6).build();
    List<Integer> everything = new ArrayList<>();
    GenerationResult second;
    try (Session session = model.newSession()) {
      GenerationResult first =
          session.generate(
              GenerationRequest.builder().image(cat).text("what is it?").options(six).build());
      second =
          session.generate(
              GenerationRequest.builder().text("and").image(coffee).options(six).build());
      everything.addAll(first.promptTokenIds());
      everything.addAll(first.tokenIds().subList(0, first.tokenIds().size() - 1));
      everything.addAll(second.promptTokenIds());
    }

    assertThat(answerWithoutCache(everything, List.of(cat, coffee), 6)).isEqualTo(second.tokenIds());
  }

  /** The first turn makes a cache; the second finds room in it and neither makes nor copies one. */
  @Test
  void aSecondTurnFindsRoomInTheCacheOfTheFirst() {
    GenerationRequest question =
        GenerationRequest.builder()
            .text("what is it?")
            .options(GenerationOptions.builder().maxTokens(1).build())
            .build();
    try (Session session = model.newSession()) {
      long begin = LibTorch.calls();
      session.generate(question);
      long middle = LibTorch.calls();
      session.generate(question);

      assertThat(LibTorch.calls() - middle).isEqualTo(middle - begin - 1);
    }
  }

  /** One prefill of all ids, then one whole prefill for every token: no cache is reused. */
  private List<Integer> answerWithoutCache(
      List<Integer> ids, List<Image> images, int tokens) {
    List<Integer> all = new ArrayList<>(ids);
    List<Integer> answer = new ArrayList<>();
    int placeholder = janus().tokenizer().controlId(ChatPrompt.IMAGE_PLACEHOLDER);
    GenerationOptions greedy = GenerationOptions.builder().greedy(true).build();
    JanusTransformer t = janus().transformer();
    int[] positions =
        java.util.stream.IntStream.range(0, ids.size())
            .filter(i -> ids.get(i) == placeholder)
            .toArray();
    for (int i = 0; i < tokens; i++) {
      int[] array = all.stream().mapToInt(Integer::intValue).toArray();
      try (JanusTransformer.Cache cache = t.newCache(1, array.length);
          JanusTransformer.Sampling sampling = t.new Sampling(greedy);
          Value embeds = t.embedTokens(array, 1);
          Value features = features(images);
          Value merged = t.placeImages(embeds, features, positions);
          Value hidden = t.prefill(merged, cache, 0)) {
        int id = sampling.firstToken(hidden, List.of(), 0);
        all.add(id);
        answer.add(id);
        if (id == janus().prompt().eos()) {
          break;
        }
      }
    }
    return answer;
  }

  private Value features(List<Image> images) {
    float[] pixelValues = janus().imageProcessor().pixelValues(images);
    return janus().transformer().encodeImages(pixelValues, images.size());
  }

  @Test
  void whatTheModelCannotDoIsRefusedWithWhatItCan() {
    assertThatThrownBy(
            () ->
                model.generate(
                    GenerationRequest.builder().image(cat).output(Output.IMAGE).build()))
        .isInstanceOf(UnsupportedRequestException.class)
        .hasMessageContaining("IMAGE -> IMAGE")
        .hasMessageContaining("supported: IMAGE and TEXT -> TEXT; TEXT -> IMAGE");
    assertThatThrownBy(
            () ->
                model.generate(
                    GenerationRequest.builder().text("x").output(Output.INTERLEAVED).build()))
        .isInstanceOf(UnsupportedRequestException.class);
  }

  private JanusModel janus() {
    return (JanusModel) model;
  }
}
