package dev.diptych.models.monoformer;

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
import dev.diptych.core.weights.CheckpointSummary;
import dev.diptych.models.Diptych;
import dev.diptych.testing.Golden;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Folders as they are published, and folders with something wrong. */
class MonoFormerHostileTest {
  private static final LoadOptions WITHOUT_CODER =
      LoadOptions.DEFAULT.withDtype(MonoFormerFolder.FLOAT32.dtype());

  @TempDir private Path parent;

  private static Image draw(UnifiedModel model) {
    GenerationOptions options = GenerationOptions.builder().seed(3).inferenceSteps(3).build();
    return model
        .generate(
            GenerationRequest.builder()
                .text("tench")
                .output(Output.IMAGE)
                .options(options)
                .build())
        .images()
        .get(0);
  }

  @Test
  void aPublishedFolderIsKnownByItsArchitectureAndItsAveragedWeightsAreTaken() throws Exception {
    MonoFormerFolder folder = MonoFormerFolder.copy(parent, "published").withCoder();
    // The folder's own weights, which nobody reads, are not even such.
    Files.writeString(folder.path().resolve("model.safetensors"), "not averaged");
    Image expected;
    try (MonoFormerModel model = MonoFormerFolder.load("published")) {
      expected = draw(model);
    }

    try (UnifiedModel model = Diptych.load(folder.path(), WITHOUT_CODER)) {
      assertThat(model.name()).isEqualTo("published");
      assertThat(draw(model)).isEqualTo(expected);
    }
  }

  @Test
  void aFolderWithoutAveragedWeightsHasItsOwn() throws Exception {
    MonoFormerFolder folder = MonoFormerFolder.copy(parent, "published").withCoder();
    Files.move(
        folder.path().resolve("ema/model.safetensors"),
        folder.path().resolve("model.safetensors"));
    Files.delete(folder.path().resolve("ema/config.json"));
    Files.delete(folder.path().resolve("ema"));

    try (UnifiedModel model = Diptych.load(folder.path(), WITHOUT_CODER);
        MonoFormerModel averaged = MonoFormerFolder.load("published")) {
      assertThat(draw(model)).isEqualTo(draw(averaged));
    }
  }

  @Test
  void inspectionTellsWhatItIsWithoutACoder() {
    CheckpointSummary summary = Diptych.inspect(Golden.folder("monoformer/published"));

    assertThat(summary.family()).isEqualTo("monoformer");
    assertThat(summary.layout()).hasValue("original, averaged weights");
    assertThat(summary.fit().orElseThrow().fits()).isTrue();
    assertThat(summary.fit().orElseThrow().ignored())
        .containsEntry("lm_head.weight", "no words are written");
    assertThat(summary.sizes())
        .containsEntry("image.tokens", "9")
        .containsEntry("image.time", "adaln_before_decoder");
    assertThatThrownBy(
            () ->
                Diptych.exportVqDecoder(
                    Golden.folder("monoformer/published"), parent.resolve("x.onnx")))
        .isInstanceOf(UnsupportedModelException.class)
        .hasMessageContaining("no codes");
  }

  /** Its model_type is that of any Llama, so the message says by what it is known. */
  @Test
  void anyOtherLlamaIsToldWhatIsSupported() {
    MonoFormerFolder folder =
        MonoFormerFolder.copy(parent, "token").edit("config.json", j -> j.remove("architectures"));

    assertThatThrownBy(() -> Diptych.load(folder.path(), WITHOUT_CODER))
        .isInstanceOf(UnsupportedModelException.class)
        .hasMessageContaining("model_type llama")
        .hasMessageContaining(", llama of the architecture MonoFormerForCausalLM")
        .hasMessageNotContaining("monoformer,");
  }

  @ParameterizedTest
  @CsvSource({
    "add_before_decoder, cannot compute",
    "add_at_each_layer, cannot compute",
    "add_with_embed_at_each_layer, cannot compute",
    "adaln_at_each_layer, this library runs",
    "something, this library runs"
  })
  void otherWaysToTellTheTimeAreRefusedByName(String name, String why) {
    MonoFormerFolder folder =
        MonoFormerFolder.copy(parent, "token")
            .edit("config.json", json -> json.addProperty("decoder_t_embed", name));

    assertThatThrownBy(() -> MonoFormerModel.load(folder.path(), MonoFormerFolder.FLOAT32))
        .isInstanceOf(UnsupportedModelException.class)
        .hasMessageContaining("decoder_t_embed is " + name)
        .hasMessageContaining(why)
        .hasMessageContaining("adaln_before_decoder and add_before_image_tokens");
  }

  @ParameterizedTest
  @ValueSource(strings = {"add_pos_embed_each_layer", "attention_bias", "mlp_bias"})
  void whatIsNotComputedIsRefusedByName(String key) {
    MonoFormerFolder folder =
        MonoFormerFolder.copy(parent, "token")
            .edit("config.json", json -> json.addProperty(key, true));

    assertThatThrownBy(() -> MonoFormerModel.load(folder.path(), MonoFormerFolder.FLOAT32))
        .isInstanceOf(UnsupportedModelException.class)
        .hasMessageContaining(key + " is true");
  }

  @Test
  void aModelWithoutVariancesIsRefused() {
    MonoFormerFolder folder =
        MonoFormerFolder.copy(parent, "token")
            .edit("config.json", json -> json.addProperty("learn_sigma", false));

    assertThatThrownBy(() -> MonoFormerModel.load(folder.path(), MonoFormerFolder.FLOAT32))
        .isInstanceOf(UnsupportedModelException.class)
        .hasMessageContaining("learn_sigma is false");
  }

  @Test
  void aFolderThatDisagreesWithItselfIsRefused() {
    MonoFormerFolder folder =
        MonoFormerFolder.copy(parent, "token")
            .edit("config.json", json -> json.addProperty("decoder_t_embed", "adaln_before_decoder"));
    assertThatThrownBy(() -> MonoFormerModel.load(folder.path(), MonoFormerFolder.FLOAT32))
        .isInstanceOf(CheckpointException.class)
        .hasMessageContaining("adaLN_module.1.weight [64, 32]")
        .hasMessageContaining("t_projector.0.weight");

    folder.edit("config.json", json -> json.addProperty("image_token_index", 7));
    folder.edit(
        "config.json", json -> json.addProperty("decoder_t_embed", "add_before_image_tokens"));
    assertThatThrownBy(() -> MonoFormerModel.load(folder.path(), MonoFormerFolder.FLOAT32))
        .isInstanceOf(CheckpointException.class)
        .hasMessageContaining("image_token_index 7");

    folder.edit("config.json", json -> json.addProperty("image_token_index", 331));
    folder.edit("config.json", json -> json.addProperty("image_size", 40));
    assertThatThrownBy(() -> MonoFormerModel.load(folder.path(), MonoFormerFolder.FLOAT32))
        .isInstanceOf(CheckpointException.class)
        .hasMessageContaining("image_size")
        .hasMessageContaining("a multiple of 16");
  }

  @Test
  void aChatFormOfSomebodyElsesIsRefused() {
    MonoFormerFolder folder =
        MonoFormerFolder.copy(parent, "token")
            .edit(
                "cfg.json",
                json -> {
                  json.addProperty("use_chat_template", true);
                  json.addProperty("chat_template", "{{ messages }}");
                });

    assertThatThrownBy(() -> MonoFormerModel.load(folder.path(), MonoFormerFolder.FLOAT32))
        .isInstanceOf(UnsupportedModelException.class)
        .hasMessageContaining("chat_template");
  }

  @Test
  void aModelWithoutItsPictureCoderIsRefusedWithTheRemedy() {
    assertThatThrownBy(
            () -> MonoFormerModel.load(Golden.folder("monoformer/published"), WITHOUT_CODER))
        .isInstanceOf(CheckpointException.class)
        .hasMessageContaining("diffusion_pytorch_model.safetensors and config.json")
        .hasMessageContaining("stabilityai/sd-vae-ft-mse")
        .hasMessageContaining("withImageCoder");
  }

  @ParameterizedTest
  @CsvSource({"flux, 6 and 2", "sd, 4 and 4"})
  void aPictureCoderOfOtherLatentsIsRefused(String coder, String found) {
    LoadOptions other =
        MonoFormerFolder.FLOAT32.withImageCoder(
            coder.equals("flux")
                ? Golden.folder("vae/flux/ae.safetensors")
                : Golden.folder("vae/sd"));

    assertThatThrownBy(
            () -> MonoFormerModel.load(Golden.folder("monoformer/published"), other))
        .isInstanceOf(CheckpointException.class)
        .hasMessageContaining("expected 4 latent channels, 8 pixels across a latent")
        .hasMessageContaining("found    " + found);
  }
}
