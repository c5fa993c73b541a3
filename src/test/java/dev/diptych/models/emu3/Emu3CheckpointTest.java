package dev.diptych.models.emu3;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.diptych.core.CheckpointException;
import dev.diptych.core.GenerationListener;
import dev.diptych.core.GenerationOptions;
import dev.diptych.core.GenerationRequest;
import dev.diptych.core.Image;
import dev.diptych.core.InvalidRequestException;
import dev.diptych.core.Output;
import dev.diptych.core.UnifiedModel;
import dev.diptych.core.UnsupportedModelException;
import dev.diptych.core.weights.CheckpointSummary;
import dev.diptych.core.weights.Weights;
import dev.diptych.models.Diptych;
import dev.diptych.testing.Golden;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What is told and written of a checkpoint that nobody runs. */
class Emu3CheckpointTest {
  private static final Path FOLDER = Golden.folder("emu3/checkpoint");

  @TempDir private Path folder;

  @Test
  void theHeadersTellWhatItIs() {
    CheckpointSummary summary = Diptych.inspect(FOLDER);

    assertThat(summary.family()).isEqualTo("emu3");
    assertThat(summary.layout()).hasValueSatisfying(l -> assertThat(l).contains("draws and reads"));
    assertThat(summary.fit()).hasValueSatisfying(fit -> assertThat(fit).matches(Weights.Report::fits));
    assertThat(summary.sizes())
        .containsEntry("text.num_key_value_heads", "2")
        .containsEntry("image.codebook_entries", "48")
        .containsEntry("image.tokens", "20");
    // 2 layers, 2 heads of 8 numbers, keys and values, float32, 768 positions
    assertThat(summary.memory().orElseThrow().contextCacheFloat32())
        .isEqualTo(2L * 2 * 8 * 2 * 4 * 768);
  }

  @Test
  void theDecoderThatIsWrittenDrawsWhatTheModelDraws() {
    Path file = Diptych.exportVqDecoder(FOLDER, folder.resolve("decoder.onnx")).get(0);

    GenerationRequest request =
        GenerationRequest.builder()
            .text("a circle")
            .output(Output.IMAGE)
            .options(GenerationOptions.builder().seed(3).build())
            .build();
    try (UnifiedModel own = Diptych.load(FOLDER, TinyEmu3.FLOAT32);
        UnifiedModel other = Diptych.load(FOLDER, TinyEmu3.FLOAT32.withImageDecoder(file))) {
      Image expected = own.generate(request).images().get(0);
      Image found = other.generate(request).images().get(0);

      byte[] levels = found.rgb();
      for (int i = 0; i < levels.length; i++) {
        assertThat(levels[i] & 0xff).isBetween(level(expected, i) - 1, level(expected, i) + 1);
      }
    }
  }

  /** The file is of one size: that is told before a code is drawn. */
  @Test
  void aDecoderThatDoesNotFitIsRefusedBeforeAnythingIsDrawn() {
    Path file = Diptych.exportVqDecoder(FOLDER, folder.resolve("decoder.onnx")).get(0);
    Path other =
        Diptych.exportVqDecoder(Golden.folder("janus/hf/checkpoint"), folder.resolve("j.onnx"))
            .get(0);
    List<Integer> drawn = new ArrayList<>();
    GenerationRequest request =
        GenerationRequest.builder()
            .text("a circle")
            .output(Output.IMAGE)
            .options(GenerationOptions.builder().imageSize(10, 8).build())
            .listener(
                new GenerationListener() {
                  @Override
                  public void onImageProgress(int done, int total) {
                    drawn.add(done);
                  }
                })
            .build();

    assertThatThrownBy(() -> Diptych.load(FOLDER, TinyEmu3.FLOAT32.withImageDecoder(other)))
        .isInstanceOf(CheckpointException.class)
        .hasMessageContaining("Was it exported from this model?");
    try (UnifiedModel model = Diptych.load(FOLDER, TinyEmu3.FLOAT32.withImageDecoder(file))) {
      assertThatThrownBy(() -> model.generate(request))
          .isInstanceOf(InvalidRequestException.class)
          .hasMessageContaining("draws no pictures of 10x8 pixels");
    }
    assertThat(drawn).isEmpty();
  }

  private static int level(Image image, int at) {
    return image.rgb()[at] & 0xff;
  }

  @Test
  void whatCannotBeDoneIsRefused() {
    assertThatThrownBy(() -> Diptych.exportVqEncoder(FOLDER, folder.resolve("encoder.onnx")))
        .isInstanceOf(UnsupportedModelException.class)
        .hasMessageContaining("supported the decoder");
    assertThatThrownBy(() -> Diptych.load(FOLDER, TinyEmu3.FLOAT32.withImageCoder(FOLDER)))
        .isInstanceOf(InvalidRequestException.class)
        .hasMessageContaining("their own picture coder");
  }
}
