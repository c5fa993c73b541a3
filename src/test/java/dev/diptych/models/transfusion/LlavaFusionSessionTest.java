package dev.diptych.models.transfusion;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import dev.diptych.core.GenerationOptions;
import dev.diptych.core.GenerationRequest;
import dev.diptych.core.Image;
import dev.diptych.core.InvalidRequestException;
import dev.diptych.core.LoadOptions;
import dev.diptych.core.Output;
import dev.diptych.core.ResourceLimitException;
import dev.diptych.core.Session;
import dev.diptych.core.UnifiedModel;
import dev.diptych.core.engine.Value;
import dev.diptych.models.ModelContract;
import dev.diptych.testing.Golden;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A model that reads pictures by CLIP, denoises them by latents, and has two sets of weights. */
class LlavaFusionSessionTest extends ModelContract {
  @TempDir private static Path parent;
  private static Path folder;

  @Override
  protected synchronized UnifiedModel load(LoadOptions options) {
    if (folder == null) {
      folder = TinyFusion.llavaFusion(parent);
    }
    return TransfusionModel.load(folder, options);
  }

  @Override
  protected int codes() {
    return 8;
  }

  @Override
  protected long smallLimit() {
    return 3_000_000;
  }

  private static Image picture() {
    try (Golden golden = Golden.open("lmfusion/llava")) {
      return TinyTransfusion.image(golden, "read.rgb");
    }
  }

  /** What it looked at stands in the conversation when it draws, and when it is asked again. */
  @Test
  void picturesThatWereReadCountInWhatIsDrawnBehindThem() {
    GenerationOptions options = GenerationOptions.builder().seed(3).build();
    GenerationRequest draw =
        GenerationRequest.builder()
            .text("draw it")
            .output(Output.IMAGE)
            .options(options)
            .build();
    Image unseen = model.generate(draw).images().get(0);
    try (Session session = model.newSession()) {
      session.generate(
          GenerationRequest.builder()
              .image(picture())
              .text("look")
              .options(GenerationOptions.builder().maxTokens(2).build())
              .build());
      Image seen = session.generate(draw).images().get(0);
      List<Integer> answer = session.generate(ask("and now?", 4)).tokenIds();

      assertThat(seen).isNotEqualTo(unseen);
      assertThat(answer).isNotEmpty();
    }
  }

  @Test
  void aTowerThatHasNoRoomIsToldBeforeItLooks() {
    long weights =
        catchThrowableOfType(
                ResourceLimitException.class, () -> load(FLOAT32.withMemoryLimit(1)))
            .asked();
    try (UnifiedModel full = load(FLOAT32.withMemoryLimit(weights + 10))) {
      assertThatThrownBy(() -> full.caption(picture()))
          .isInstanceOf(ResourceLimitException.class)
          .hasMessageContaining("the vision tower's features");
    }
  }

  @Test
  void picturesThatDoNotFitAreRefusedAndNothingIsKept() {
    GenerationRequest.Builder many = GenerationRequest.builder().text("what are they?");
    for (int i = 0; i < 40; i++) {
      many.image(picture());
    }
    long live = Value.live();

    assertThatThrownBy(() -> model.generate(many.build()))
        .isInstanceOf(InvalidRequestException.class)
        .hasMessageContaining("at most 512 tokens");
    assertThat(Value.live()).isEqualTo(live);
  }
}
