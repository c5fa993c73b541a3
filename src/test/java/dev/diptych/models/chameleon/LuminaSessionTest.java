package dev.diptych.models.chameleon;

import static org.assertj.core.api.Assertions.assertThat;

import dev.diptych.core.GenerationOptions;
import dev.diptych.core.GenerationRequest;
import dev.diptych.core.GenerationResult;
import dev.diptych.core.Image;
import dev.diptych.core.LoadOptions;
import dev.diptych.core.Output;
import dev.diptych.core.UnifiedModel;
import dev.diptych.models.ModelContract;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Path;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What Lumina-mGPT's sessions promise, on a tiny checkpoint. */
class LuminaSessionTest extends ModelContract {
  private static final int TARGET = 12;

  @TempDir private static Path folder;

  @Override
  protected UnifiedModel load(LoadOptions options) {
    try {
      TinyChameleon.copy("lumina-7b-512", folder);
      TinyChameleon.edit(
          folder.resolve("config.json"),
          json -> json.getAsJsonObject("vq_config").addProperty("resolution", TARGET));
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
    return ChameleonModel.load(
        folder, options.withImageCoder(TinyChameleon.WITH_CODER.imageCoder().orElseThrow()));
  }

  @Override
  protected int codes() {
    return 36;
  }

  @Override
  protected long smallLimit() {
    return 4_000_000;
  }

  /** Behind a picture the model chooses the size of the next; the same seed draws the same again. */
  @Test
  void sampledPicturesHaveSeveralSizesOfTheList() {
    Image black = Image.of(8, 8, new byte[3 * 8 * 8]);
    Set<List<Integer>> sizes = new HashSet<>();
    for (long seed = 0; seed < 6; seed++) {
      GenerationRequest request =
          GenerationRequest.builder()
              .image(black)
              .text("a star")
              .output(Output.IMAGE)
              .options(
                  GenerationOptions.builder()
                      .temperature(3)
                      .guidanceScale(1)
                      .pictures(2)
                      .seed(seed)
                      .build())
              .build();
      GenerationResult result = model.generate(request);

      Image image = result.images().get(0);
      sizes.add(List.of(image.width(), image.height()));
      assertThat(result.imageCodes())
          .allSatisfy(codes -> assertThat(codes).hasSize(image.width() * image.height() / 4))
          .doesNotHaveDuplicates();
      if (seed == 0) {
        assertThat(model.generate(request).imageCodes()).isEqualTo(result.imageCodes());
      }
    }
    assertThat(sizes)
        .isSubsetOf(
            List.of(16, 4),
            List.of(16, 8),
            List.of(12, 8),
            List.of(12, 12),
            List.of(8, 12),
            List.of(8, 16),
            List.of(4, 16))
        .hasSizeGreaterThan(2);
  }
}
