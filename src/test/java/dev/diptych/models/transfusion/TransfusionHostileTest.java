package dev.diptych.models.transfusion;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.catchThrowableOfType;
import static org.assertj.core.api.Assertions.within;

import com.google.gson.JsonObject;
import dev.diptych.core.CheckpointException;
import dev.diptych.core.EngineException;
import dev.diptych.core.GenerationOptions;
import dev.diptych.core.GenerationRequest;
import dev.diptych.core.Image;
import dev.diptych.core.InvalidImageException;
import dev.diptych.core.InvalidRequestException;
import dev.diptych.core.LoadOptions;
import dev.diptych.core.Output;
import dev.diptych.core.ResourceLimitException;
import dev.diptych.core.Session;
import dev.diptych.core.UnifiedModel;
import dev.diptych.core.UnsupportedModelException;
import dev.diptych.core.engine.Value;
import dev.diptych.core.weights.CheckpointSummary;
import dev.diptych.models.Diptych;
import dev.diptych.models.denoising.Denoiser;
import dev.diptych.testing.Golden;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.OptionalDouble;
import java.util.function.Consumer;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Checkpoints that are wrong in one place, and requests that cannot be met. */
class TransfusionHostileTest {
  @TempDir private Path parent;

  private Path config(String name, Consumer<JsonObject> change) {
    return TinyTransfusion.json(TinyTransfusion.copy(name, parent), "config.json", change);
  }

  private static void load(Path folder) {
    TransfusionModel.load(folder, TinyTransfusion.FLOAT32).close();
  }

  @ParameterizedTest
  @CsvSource({
    "latent_size, 5, a multiple of patch_size 2",
    "patch_size, 0, patch_size",
    "time_frequencies, 15, an even number",
    "boi_token_id, 263, boi_token_id",
    "sep_token_id, -1, sep_token_id",
    "max_position_embeddings, 6, one picture of 4 patches",
    "num_key_value_heads, 3, a divisor of num_attention_heads 4",
    "head_dim, 7, head_dim",
    "latent_channels, 8, 8 channels of latents"
  })
  void aNumberThatCannotBeIsNamed(String key, int value, String message) {
    Path folder = config("linear", c -> c.addProperty(key, value));
    long live = Value.live();

    assertThatThrownBy(() -> load(folder))
        .isInstanceOf(CheckpointException.class)
        .hasMessageContaining(message);
    assertThat(Value.live()).isEqualTo(live);
  }

  @ParameterizedTest
  @CsvSource({
    "patch_layers, conv, linear and unet",
    "model_type, llama, model_type transfusion or lmfusion",
    "hidden_act, gelu, silu"
  })
  void aPartThatIsNotKnownIsNamed(String key, String value, String message) {
    Path folder = config("linear", c -> c.addProperty(key, value));

    assertThatThrownBy(() -> load(folder))
        .isInstanceOf(UnsupportedModelException.class)
        .hasMessageContaining(message);
  }

  @Test
  void weightsOfAnotherShapeAreListed() {
    Path wider = config("linear", c -> c.addProperty("intermediate_size", 49));
    assertThatThrownBy(() -> load(wider))
        .isInstanceOf(CheckpointException.class)
        .hasMessageContaining("model.layers.0.mlp.gate_proj.weight expected [49, 32]");

    Path separate = config("linear", c -> c.addProperty("model_type", "lmfusion"));
    assertThatThrownBy(() -> load(separate))
        .isInstanceOf(CheckpointException.class)
        .hasMessageContaining("missing")
        .hasMessageContaining("model.layers.0.input_layernorm_image.weight");

    Path bare = config("linear", c -> c.addProperty("position_embedding", false));
    assertThatThrownBy(() -> load(bare))
        .isInstanceOf(CheckpointException.class)
        .hasMessageContaining("not used")
        .hasMessageContaining("patch_in.position_embedding.weight");
  }

  @Test
  void theBlocksOfAUnetMustFitThePatch() {
    Path deep =
        config("unet", c -> c.getAsJsonObject("unet").getAsJsonArray("block_out_channels").add(8));
    assertThatThrownBy(() -> load(deep))
        .isInstanceOf(CheckpointException.class)
        .hasMessageContaining("block_out_channels")
        .hasMessageContaining("patch_size 2");

    Path odd = config("unet", c -> c.getAsJsonObject("unet").addProperty("norm_num_groups", 3));
    assertThatThrownBy(() -> load(odd))
        .isInstanceOf(CheckpointException.class)
        .hasMessageContaining("multiples of norm_num_groups 3");
  }

  @Test
  void aFolderWithoutItsCoderIsRefused() throws IOException {
    Path folder = TinyTransfusion.copy("linear", parent);
    Files.delete(folder.resolve("vae/diffusion_pytorch_model.safetensors"));

    assertThatThrownBy(() -> load(folder))
        .isInstanceOf(CheckpointException.class)
        .hasMessageContaining("no picture coder");
    assertThatThrownBy(() -> Diptych.inspect(folder)).isInstanceOf(CheckpointException.class);
  }

  @Test
  void aSchedulerThatIsNotKnownIsNamed() {
    Path folder = TinyTransfusion.copy("linear", parent);
    String file = "scheduler/scheduler_config.json";
    TinyTransfusion.json(folder, file, c -> c.addProperty("_class_name", "PNDMScheduler"));
    assertThatThrownBy(() -> load(folder))
        .isInstanceOf(UnsupportedModelException.class)
        .hasMessageContaining("PNDMScheduler")
        .hasMessageContaining("FlowMatchEulerDiscreteScheduler");

    TinyTransfusion.json(
        folder,
        file,
        c -> {
          c.addProperty("_class_name", "DDPMScheduler");
          c.addProperty("variance_type", "learned_range");
        });
    assertThatThrownBy(() -> load(folder))
        .isInstanceOf(UnsupportedModelException.class)
        .hasMessageContaining("learned_range");
  }

  @Test
  void anotherCoderIsRefused() {
    LoadOptions options = LoadOptions.DEFAULT.withImageCoder(parent);

    assertThatThrownBy(() -> Diptych.load(TinyTransfusion.folder("linear"), options))
        .isInstanceOf(InvalidRequestException.class)
        .hasMessageContaining("their own picture coder");
  }

  @Test
  void numbersThatAreNoneEndTheDrawingAndTheConversationStays() {
    try (Golden golden = Golden.open("transfusion/linear");
        TransfusionModel model = TinyTransfusion.load("linear")) {
      Denoiser.Noise good = TinyTransfusion.noise(golden);
      boolean[] bad = {true};
      Denoiser.Noise noise =
          (picture, draw, count) -> {
            float[] numbers = good.draw(picture, draw, count);
            if (bad[0] && draw == 3) {
              numbers[5] = Float.NaN;
            }
            return numbers;
          };
      GenerationRequest draw =
          GenerationRequest.builder().text("a red dot").output(Output.IMAGE).build();
      try (Session session = model.newSession(seed -> noise)) {
        long live = Value.live();
        assertThatThrownBy(() -> session.generate(draw))
            .isInstanceOf(EngineException.class)
            .hasMessageContaining("latents of picture 0 are not finite");
        bad[0] = false;
        byte[] found = session.generate(draw).images().get(0).rgb();

        byte[] expected = golden.bytes("draw.ddpm.rgb");
        for (int i = 0; i < found.length; i++) {
          assertThat(Math.abs(found[i] - expected[i])).isLessThanOrEqualTo(1);
        }
        assertThat(Value.live()).isLessThanOrEqualTo(live + 1);
      }
    }
  }

  @Test
  void aCoderThatHasNoRoomIsToldBeforeAPictureIsBegun() {
    Path folder = TinyTransfusion.folder("linear");
    long weights =
        catchThrowableOfType(
                ResourceLimitException.class,
                () -> TransfusionModel.load(folder, TinyTransfusion.FLOAT32.withMemoryLimit(1)))
            .asked();
    try (UnifiedModel model =
        TransfusionModel.load(folder, TinyTransfusion.FLOAT32.withMemoryLimit(weights + 10))) {
      assertThatThrownBy(() -> model.draw("a circle"))
          .isInstanceOf(ResourceLimitException.class)
          .hasMessageContaining("the picture decoder's features");
      assertThatThrownBy(() -> model.caption(Image.of(8, 8, new byte[192])))
          .isInstanceOf(ResourceLimitException.class)
          .hasMessageContaining("the picture encoder's features");
    }
  }

  @Test
  void aPictureThatIsALineIsRefused() {
    Image line = Image.of(900, 2, new byte[3 * 1800]);
    try (UnifiedModel model = TinyTransfusion.load("linear")) {
      assertThatThrownBy(() -> model.edit(line, "make it wider"))
          .isInstanceOf(InvalidImageException.class);
    }
  }

  /** So many that they cannot fit are refused before one is encoded. */
  @Test
  void picturesThatDoNotFitTheContextAreRefused() {
    Image large = Image.of(4000, 4000, new byte[48_000_000]);
    GenerationRequest.Builder request = GenerationRequest.builder().text("what are they?");
    for (int i = 0; i < 100; i++) {
      request.image(large);
    }
    try (UnifiedModel model = TinyTransfusion.load("linear")) {
      assertThatThrownBy(() -> model.generate(request.build()))
          .isInstanceOf(InvalidRequestException.class)
          .hasMessageContaining("at most 512 tokens");
    }
  }

  @Test
  void inspectTellsWhatItIs() {
    CheckpointSummary summary = Diptych.inspect(TinyTransfusion.folder("unet"));

    assertThat(summary.family()).isEqualTo("transfusion");
    assertThat(summary.layout()).hasValueSatisfying(l -> assertThat(l).contains("U-Net"));
    assertThat(summary.sizes()).containsEntry("image.tokens", "4");
    assertThat(summary.fit()).hasValueSatisfying(fit -> assertThat(fit.fits()).isTrue());
    assertThat(summary.memory())
        .hasValueSatisfying(m -> assertThat(m.weightsFloat32()).isGreaterThan(100_000));
  }

  /** Both halves of the coder as files; the decoder stands in for the folder's own. */
  @Test
  void theCoderIsWrittenAndOpened() throws IOException {
    Path folder = TinyTransfusion.folder("linear");
    Path encoder = Files.createDirectories(parent.resolve("e")).resolve("model.onnx");
    Path decoder = Files.createDirectories(parent.resolve("d")).resolve("model.onnx");
    assertThat(Diptych.exportVqEncoder(folder, encoder)).containsExactly(encoder);
    assertThat(Diptych.exportVqDecoder(folder, decoder)).containsExactly(decoder);
    GenerationRequest draw =
        GenerationRequest.builder()
            .text("a circle")
            .output(Output.IMAGE)
            .options(GenerationOptions.builder().seed(1).build())
            .build();
    try (UnifiedModel own = TinyTransfusion.load("linear");
        UnifiedModel exported =
            Diptych.load(folder, TinyTransfusion.FLOAT32.withImageDecoder(decoder))) {
      assertThat(exported.generate(draw).images()).isEqualTo(own.generate(draw).images());
    }
    assertThatThrownBy(
            () -> Diptych.load(folder, TinyTransfusion.FLOAT32.withImageDecoder(encoder)))
        .isInstanceOf(CheckpointException.class);
  }

  /** Without a scheduler the paper's own: near the bare cosine, but for its two ends. */
  @Test
  void withoutASchedulerItIsThePapers() throws IOException {
    Path folder = TinyTransfusion.copy("linear", parent);
    Files.delete(folder.resolve("scheduler/scheduler_config.json"));
    TinyTransfusion.json(
        folder, "generation_config.json", c -> c.remove("num_inference_steps"));
    try (TransfusionModel model = TransfusionModel.load(folder, TinyTransfusion.FLOAT32)) {
      assertThat(model.defaults(Output.IMAGE).inferenceSteps()).hasValue(250);
      double[] times =
          model.sampler().table(250, OptionalDouble.empty(), 4).steps().stream()
              .mapToDouble(step -> step.time())
              .toArray();
      assertThat(times[0]).isEqualTo(999);
      assertThat(times[249]).isEqualTo(0);
      model.sampler().table(250, OptionalDouble.empty(), 4).steps().stream()
          .filter(step -> step.time() < 990)
          .forEach(
              step ->
                  // 1 / sqrt of the share that is left of the picture
                  assertThat(1 / step.row()[0])
                      .isCloseTo(
                          (float) Math.cos((step.time() + 1) / 1000 * Math.PI / 2),
                          within(0.02f)));
      assertThat(Arrays.stream(times).distinct().count()).isEqualTo(250);
    }
  }
}
