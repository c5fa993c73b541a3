package dev.diptych.models.janusflow;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.diptych.core.CheckpointException;
import dev.diptych.core.GenerationOptions;
import dev.diptych.core.GenerationRequest;
import dev.diptych.core.Image;
import dev.diptych.core.LoadOptions;
import dev.diptych.core.Output;
import dev.diptych.core.UnifiedModel;
import dev.diptych.core.UnsupportedModelException;
import dev.diptych.core.UnsupportedRequestException;
import dev.diptych.models.Diptych;
import dev.diptych.testing.Golden;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Where the decoder of drawings, which is published apart, is looked for. */
class JanusFlowCoderTest {
  private static final Path VAE = TinyJanusFlow.checkpoint().resolve("vae");

  @TempDir private Path root;
  private Path folder;

  @BeforeEach
  void copy() {
    folder = TinyJanusFlow.withoutVae(root.resolve("model"));
  }

  @Test
  void withoutOneTheModelReadsPicturesAndSaysThatItCannotDraw() {
    try (UnifiedModel model = Diptych.load(folder, TinyJanusFlow.FLOAT32)) {
      GenerationRequest question =
          GenerationRequest.builder()
              .image(TinyJanusFlow.picture("cat_96x63.png"))
              .text("what is it?")
              .options(GenerationOptions.builder().maxTokens(3).build())
              .build();

      assertThat(model.generate(question).tokenIds()).isNotEmpty();
      assertThatThrownBy(() -> model.draw("a circle"))
          .isInstanceOf(UnsupportedRequestException.class)
          .hasMessageContaining("cannot do TEXT -> IMAGE")
          .hasMessageContaining("supported: IMAGE and TEXT -> TEXT")
          .hasMessageContaining("lacking:   a VAE")
          .hasMessageContaining("stabilityai/sdxl-vae")
          .hasMessageContaining("found    no such folder");
    }
    assertThat(Diptych.inspect(folder).layout()).hasValueSatisfying(
        layout -> assertThat(layout).contains("without a VAE"));
    assertThatThrownBy(() -> Diptych.exportVqDecoder(folder, root.resolve("decoder.onnx")))
        .isInstanceOf(UnsupportedModelException.class)
        .hasMessageContaining("There is no VAE");
  }

  /** Such as a clone whose large files were never fetched. */
  @Test
  void aFolderWithoutWeightsIsNoneAndTheModelReads() throws IOException {
    Path empty = Files.createDirectory(folder.resolve("vae"));
    Files.copy(VAE.resolve("config.json"), empty.resolve("config.json"));

    try (UnifiedModel model = Diptych.load(folder, TinyJanusFlow.FLOAT32)) {
      assertThat(model.caption(TinyJanusFlow.picture("cat_96x63.png"))).isNotNull();
      assertThatThrownBy(() -> model.draw("a circle"))
          .isInstanceOf(UnsupportedRequestException.class)
          .hasMessageContaining("found    no weights in " + empty);
    }
    assertThat(Diptych.inspect(folder).layout()).hasValueSatisfying(
        layout -> assertThat(layout).contains("without a VAE"));
  }

  @Test
  void itIsFoundBesideTheCheckpointAndWhereTheOptionsSay() throws IOException {
    Image expected;
    try (UnifiedModel model = TinyJanusFlow.load()) {
      expected = drawn(model);
    }
    for (Path named :
        new Path[] {VAE, VAE.resolve("diffusion_pytorch_model.safetensors")}) {
      LoadOptions options = TinyJanusFlow.FLOAT32.withImageCoder(named);
      try (UnifiedModel model = Diptych.load(folder, options)) {
        assertThat(drawn(model)).as(named.toString()).isEqualTo(expected);
      }
    }
    Path beside = Files.createDirectory(root.resolve("sdxl-vae"));
    try (Stream<Path> files = Files.list(VAE)) {
      for (Path file : files.toList()) {
        Files.copy(file, beside.resolve(file.getFileName()));
      }
    }
    try (UnifiedModel model = Diptych.load(folder, TinyJanusFlow.FLOAT32)) {
      assertThat(drawn(model)).isEqualTo(expected);
    }
  }

  @Test
  void anExportedDecoderDrawsTheSameAndNeedsToKnowTheScale() throws IOException {
    Image expected;
    try (UnifiedModel model = TinyJanusFlow.load()) {
      expected = drawn(model);
    }
    Path decoder = Files.createDirectory(root.resolve("vae_decoder")).resolve("model.onnx");
    Diptych.exportVqDecoder(TinyJanusFlow.checkpoint(), decoder);
    LoadOptions options = TinyJanusFlow.FLOAT32.withImageDecoder(decoder);

    assertThatThrownBy(() -> Diptych.load(folder, options))
        .isInstanceOf(CheckpointException.class)
        .hasMessageContaining("Cannot tell how the latents")
        .hasMessageContaining("expected config.json beside it");
    Files.copy(VAE.resolve("config.json"), decoder.resolveSibling("config.json"));
    try (UnifiedModel model = Diptych.load(folder, options)) {
      assertThat(drawn(model)).isEqualTo(expected);
    }
    assertThatThrownBy(() -> Diptych.exportVqEncoder(TinyJanusFlow.checkpoint(), decoder))
        .isInstanceOf(UnsupportedModelException.class)
        .hasMessageContaining("reads them by SigLIP");
  }

  @Test
  void oneOfOtherChannelsIsRefusedWithBothNumbers() {
    LoadOptions options = TinyJanusFlow.FLOAT32.withImageCoder(Golden.folder("vae/old"));

    assertThatThrownBy(() -> Diptych.load(folder, options))
        .isInstanceOf(CheckpointException.class)
        .hasMessageContaining("expected 4 channels")
        .hasMessageContaining("found    2");
  }

  @Test
  void aPlaceWithoutOneIsTold() {
    for (Path wrong : new Path[] {root.resolve("nothing"), folder}) {
      assertThatThrownBy(
              () -> Diptych.load(folder, TinyJanusFlow.FLOAT32.withImageCoder(wrong)))
          .isInstanceOf(CheckpointException.class)
          .hasMessageContaining("There is no picture decoder in " + wrong);
    }
  }

  private static Image drawn(UnifiedModel model) {
    return model
        .generate(
            GenerationRequest.builder()
                .text("a circle")
                .output(Output.IMAGE)
                .options(GenerationOptions.builder().inferenceSteps(3).seed(4).build())
                .build())
        .images()
        .get(0);
  }
}
