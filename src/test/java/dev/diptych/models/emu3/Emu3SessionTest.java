package dev.diptych.models.emu3;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.diptych.core.GenerationListener;
import dev.diptych.core.GenerationOptions;
import dev.diptych.core.GenerationRequest;
import dev.diptych.core.GenerationResult;
import dev.diptych.core.Image;
import dev.diptych.core.InvalidRequestException;
import dev.diptych.core.LoadOptions;
import dev.diptych.core.Output;
import dev.diptych.core.ResourceLimitException;
import dev.diptych.core.Session;
import dev.diptych.core.UnifiedModel;
import dev.diptych.core.UnsupportedRequestException;
import dev.diptych.core.engine.Value;
import dev.diptych.models.ModelContract;
import dev.diptych.models.discrete.WithoutCache;
import dev.diptych.testing.Golden;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What Emu3 promises beyond what every model does. */
class Emu3SessionTest extends ModelContract {
  @TempDir private Path parent;

  @Override
  protected UnifiedModel load(LoadOptions options) {
    return Emu3Model.load(Golden.folder("emu3/checkpoint"), options);
  }

  @Override
  protected int codes() {
    return 16;
  }

  @Override
  protected long smallLimit() {
    return 4_000_000;
  }

  private Emu3Model emu3() {
    return (Emu3Model) model;
  }

  private static GenerationRequest.Builder drawing(GenerationOptions options) {
    return GenerationRequest.builder().text("a circle").output(Output.IMAGE).options(options);
  }

  private static GenerationOptions.Builder seeded(long seed) {
    return GenerationOptions.builder().seed(seed).imageSize(10, 8);
  }

  @Test
  void theNameTellsWhatACheckpointDoes() throws IOException {
    assertThat(routes("Emu3-Gen-hf")).containsExactly("TEXT -> IMAGE");
    assertThat(routes("models--BAAI--Emu3-Chat-hf/snapshots/0a1b"))
        .containsExactly("IMAGE and TEXT -> TEXT");
    assertThat(routes("some name")).containsExactly("IMAGE and TEXT -> TEXT", "TEXT -> IMAGE");
  }

  private List<String> routes(String name) throws IOException {
    Emu3Folder folder = Emu3Folder.copy(parent, name);
    try (Emu3Model own = Emu3Model.load(folder.path(), TinyEmu3.FLOAT32)) {
      return own.capabilities().routes().stream().map(Object::toString).sorted().toList();
    }
  }

  @Test
  void aGuidanceScaleTellsACheckpointThatDraws() throws IOException {
    Emu3Folder folder = Emu3Folder.copy(parent, "tiny");
    Files.writeString(
        folder.path().resolve("generation_config.json"),
        "{\"guidance_scale\": 2.5, \"top_k\": 7, \"do_sample\": true}");
    try (Emu3Model own = Emu3Model.load(folder.path(), TinyEmu3.FLOAT32)) {
      assertThat(own.capabilities().routes()).hasSize(1);
      assertThat(own.defaults(Output.IMAGE).guidanceScale()).hasValue(2.5);
      assertThat(own.defaults(Output.IMAGE).topK()).hasValue(7);
      assertThatThrownBy(() -> own.caption(TinyEmu3.picture("tiny")))
          .isInstanceOf(UnsupportedRequestException.class)
          .hasMessageContaining("supported: TEXT -> IMAGE");
    }
  }

  @Test
  void defaultsAreTheAuthors() {
    GenerationOptions drawing = model.defaults(Output.IMAGE);
    GenerationOptions saying = model.defaults(Output.TEXT);

    assertThat(drawing.isGreedy()).isFalse();
    assertThat(drawing.topK()).hasValue(2048);
    assertThat(drawing.temperature()).hasValue(1);
    assertThat(drawing.guidanceScale()).hasValue(3);
    assertThat(drawing.imageWidth()).hasValue(8);
    assertThat(drawing.imageHeight()).hasValue(8);
    assertThat(saying.isGreedy()).isTrue();
    assertThat(saying.maxTokens()).hasValue(1024);
  }

  @Test
  void aPictureHasTheSizeThatWasAskedFor() {
    Image image = model.generate(drawing(seeded(1).build()).build()).images().get(0);
    Image other = model.draw("a circle");

    assertThat(image.width()).isEqualTo(10);
    assertThat(image.height()).isEqualTo(8);
    assertThat(other.width()).isEqualTo(8).isEqualTo(other.height());
  }

  @Test
  void aSizeBetweenTwoCodesIsRefusedWithTheNearest() {
    assertThatThrownBy(
            () ->
                model.generate(
                    drawing(GenerationOptions.builder().imageSize(11, 8).build()).build()))
        .isInstanceOf(InvalidRequestException.class)
        .hasMessageContaining("11x8")
        .hasMessageContaining("multiples of 2")
        .hasMessageContaining("remedy   12x8");
  }

  @Test
  void aPictureThatDoesNotFitTheContextIsRefusedBeforeItIsBegun() {
    for (int side : new int[] {54, 16_384}) {
      List<Integer> steps = new ArrayList<>();
      GenerationRequest request =
          drawing(GenerationOptions.builder().imageSize(side, side).build())
              .listener(
                  new GenerationListener() {
                    @Override
                    public void onImageProgress(int done, int total) {
                      steps.add(done);
                    }
                  })
              .build();
      long live = Value.live();

      assertThatThrownBy(() -> model.generate(request)).isInstanceOf(InvalidRequestException.class);
      assertThat(steps).isEmpty();
      assertThat(Value.live()).isEqualTo(live);
    }
  }

  @Test
  void aPictureWhoseAttentionDoesNotFitMemoryIsRefusedBeforeItIsBegun() {
    try (UnifiedModel small = load(FLOAT32.withMemoryLimit(smallLimit()))) {
      GenerationRequest large =
          drawing(GenerationOptions.builder().imageSize(44, 44).build()).build();

      assertThatThrownBy(() -> small.generate(large))
          .isInstanceOf(ResourceLimitException.class)
          .hasMessageContaining("attention to draw a picture of 44x44 pixels");
      assertThat(model.generate(large).images()).hasSize(1);
    }
  }

  /** The words that guidance steers away from are longer than the prompt. */
  @Test
  void aPictureThatFitsBesideThePromptAloneIsDrawnWithoutGuidance() {
    GenerationOptions.Builder large = GenerationOptions.builder().imageSize(50, 50).seed(1);
    GenerationRequest guided = drawing(large.build()).build();
    GenerationRequest alone = drawing(large.guidanceScale(1).build()).build();

    assertThatThrownBy(() -> model.generate(guided))
        .isInstanceOf(InvalidRequestException.class)
        .hasMessageContaining("expected at most 768 tokens")
        .hasMessageContaining("a guidance scale of 1");
    assertThat(model.generate(alone).images().get(0).width()).isEqualTo(50);
  }

  @Test
  void picturesThatDoNotFitTheContextAreRefusedBeforeOneIsEncoded() {
    GenerationRequest.Builder request = GenerationRequest.builder().text("what are they?");
    for (int i = 0; i < 8; i++) {
      request.image(TinyEmu3.picture("wide"));
    }

    assertThatThrownBy(() -> model.generate(request.build()))
        .isInstanceOf(InvalidRequestException.class)
        .hasMessageContaining("expected fewer than 768 tokens")
        .hasMessageContaining("of the pictures alone");
  }

  @Test
  void oneSeedDrawsOnePictureAndRowsOfABatchStandAlone() {
    GenerationResult three = model.generate(drawing(seeded(7).pictures(3).build()).build());
    GenerationResult one = model.generate(drawing(seeded(7).build()).build());
    GenerationResult other = model.generate(drawing(seeded(8).build()).build());

    assertThat(three.imageCodes()).hasSize(3).doesNotHaveDuplicates();
    assertThat(one.imageCodes()).containsExactly(three.imageCodes().get(0));
    assertThat(other.imageCodes()).isNotEqualTo(one.imageCodes());
  }

  @Test
  void aLaterTurnAnswersAsIfAllWereReadAtOnce() {
    GenerationOptions six = GenerationOptions.builder().maxTokens(6).build();
    List<Integer> all = new ArrayList<>();
    GenerationResult second;
    try (Session session = model.newSession()) {
      GenerationResult first =
          session.generate(
              GenerationRequest.builder()
                  .image(TinyEmu3.picture("tiny"))
                  .text("what is it?")
                  .options(six)
                  .build());
      second =
          session.generate(GenerationRequest.builder().text("and now?").options(six).build());
      all.addAll(first.promptTokenIds());
      // The last token of an answer is read, and told, with the turn behind it.
      all.addAll(first.tokenIds().subList(0, first.tokenIds().size() - 1));
      all.addAll(second.promptTokenIds());
    }

    assertThat(
            WithoutCache.answer(
                emu3().transformer(),
                emu3().vocabulary().discrete(),
                all.stream().mapToInt(Integer::intValue).toArray(),
                6))
        .isEqualTo(second.tokenIds());
  }

}
