package dev.diptych.models.transfusion;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.google.gson.JsonObject;
import dev.diptych.core.CheckpointException;
import dev.diptych.core.GenerationOptions;
import dev.diptych.core.GenerationRequest;
import dev.diptych.core.GenerationResult;
import dev.diptych.core.Image;
import dev.diptych.core.Output;
import dev.diptych.core.Session;
import dev.diptych.core.UnifiedModel;
import dev.diptych.core.UnsupportedModelException;
import dev.diptych.core.engine.Scope;
import dev.diptych.core.engine.Value;
import dev.diptych.core.weights.CheckpointSummary;
import dev.diptych.models.Diptych;
import dev.diptych.models.denoising.Batch;
import dev.diptych.models.denoising.Context;
import dev.diptych.models.denoising.Denoiser;
import dev.diptych.models.denoising.NoiseTable;
import dev.diptych.testing.Golden;
import dev.diptych.testing.Tolerance;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.OptionalDouble;
import java.util.function.Consumer;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * LMFusion and LLaVAFusion against two of transformers' Llamas whose projections are chosen row by
 * row, and transformers' LLaVA; see make.py beside the checkpoint.
 */
class LmFusionGoldenTest {
  @TempDir private Path parent;
  private Golden golden;

  @BeforeEach
  void open() {
    golden = Golden.open("lmfusion/llava");
  }

  @AfterEach
  void close() {
    golden.close();
  }

  private Path folder(String variant) {
    return variant.equals("lmfusion") ? TinyFusion.lmFusion(parent) : TinyFusion.llavaFusion(parent);
  }

  private static GenerationResult ask(Session session, String words) {
    return session.generate(GenerationRequest.builder().text(words).build());
  }

  /** Of words alone not a bit is another than in the Llama that the model was made from. */
  @Test
  void wordsAreTheLlamasToTheLastBit() {
    JsonObject text = TinyFusion.facts().getAsJsonObject("text");
    List<Integer> expected = TinyTransfusion.ids(text.getAsJsonArray("ids"));
    int[] prompt =
        TinyTransfusion.ids(text.getAsJsonArray("prompt")).stream().mapToInt(i -> i).toArray();
    try (TransfusionModel fusion = TinyFusion.load(TinyFusion.lmFusion(parent));
        TransfusionModel plain = TinyFusion.load(TinyFusion.plain(parent))) {
      assertThat(fusion.config().decoder().separate()).isTrue();
      assertThat(plain.config().decoder().separate()).isFalse();
      float[] logits = AllLogits.of(fusion.transformer(), prompt);

      assertThat(logits).isEqualTo(AllLogits.of(plain.transformer(), prompt));
      Tolerance.FP32_DEEP.check("logits", logits, golden.floats("text.logits"));
      for (TransfusionModel model : List.of(fusion, plain)) {
        try (Session session = model.newSession()) {
          assertThat(ask(session, text.get("words").getAsString()).tokenIds())
              .isEqualTo(expected);
        }
      }
    }
  }

  /** Noisy and clean pictures go by their own weights, behind words that go by theirs. */
  @ParameterizedTest
  @CsvSource({"lmfusion, draw", "lmfusion, edit", "llavafusion, edit"})
  void everyContextAndEveryStepIsTheReferences(String variant, String prompt) {
    try (TransfusionModel model = TinyFusion.load(folder(variant));
        Scope scope = new Scope()) {
      List<Context> contexts = contexts(scope, model, prompt);
      NoiseTable table = model.sampler().table(8, OptionalDouble.empty(), 4);
      Denoiser denoiser = new Denoiser(model.transformer(), table);
      Batch batch =
          scope.add(denoiser.open(() -> {}, contexts, model.network().layout(4, 4), 1));
      int all = golden.floats("noise").length / 2;
      float[] second =
          Arrays.copyOfRange(golden.floats("noise"), all, all + TinyTransfusion.ELEMENTS);
      Value noisy = scope.add(model.transformer().device().floats(second, 1, 4, 4, 4));
      Tolerance.FP32_DEEP.check(
          "outputs",
          model.network().outputs(noisy, 250.5, batch),
          golden.floats(prompt + ".outputs"));

      Value scales = scope.add(model.network().scales(3, 1.6));
      List<float[]> after = new ArrayList<>();
      denoiser.draw(
          () -> {},
          TinyTransfusion.noise(golden),
          0,
          1,
          new int[] {4, 4, 4},
          (latents, added, i) ->
              model.network().step(latents, added, table.steps().get(i), batch, scales),
          (done, latents) -> after.add(latents.get()));
      float[] expected = golden.floats(prompt + ".ddpm");
      assertThat(after).hasSize(8);
      for (int i = 0; i < after.size(); i++) {
        int from = i * TinyTransfusion.ELEMENTS;
        Tolerance.FP32_DEEP.check(
            "step " + i,
            after.get(i),
            Arrays.copyOfRange(expected, from, from + TinyTransfusion.ELEMENTS));
      }
    }
  }

  /** Words behind a picture see it as its own weights computed it. */
  @ParameterizedTest
  @ValueSource(strings = {"draw", "edit"})
  void wordsBehindAPictureAreTheReferences(String prompt) {
    JsonObject facts = TinyFusion.facts();
    try (TransfusionModel model = TinyFusion.load(TinyFusion.lmFusion(parent));
        Session session = model.newSession(seed -> TinyTransfusion.noise(golden))) {
      GenerationRequest.Builder request = GenerationRequest.builder().output(Output.IMAGE);
      if (prompt.equals("edit")) {
        request.image(TinyTransfusion.image(golden, "picture.rgb"));
      }
      String words = facts.getAsJsonObject("words").get(prompt).getAsString();
      Image drawn = session.generate(request.text(words).build()).images().get(0);
      GenerationResult result =
          ask(session, facts.getAsJsonObject(prompt).get("behind").getAsString());

      assertThat(result.tokenIds())
          .isEqualTo(TinyTransfusion.ids(facts.getAsJsonObject(prompt).getAsJsonArray("ids")));
      byte[] found = drawn.rgb();
      byte[] expected = TinyTransfusion.image(golden, prompt + ".ddpm.rgb").rgb();
      for (int i = 0; i < found.length; i++) {
        // A number that rounding puts on the other side of a half.
        assertThat(Math.abs((found[i] & 255) - (expected[i] & 255)))
            .as("byte %d", i)
            .isLessThanOrEqualTo(1);
      }
    }
  }

  @Test
  void whatIsAskedAboutAPictureIsAnsweredAsByLlava() {
    JsonObject read = TinyFusion.facts().getAsJsonObject("read");
    try (TransfusionModel model = TinyFusion.load(TinyFusion.llavaFusion(parent));
        Session session = model.newSession()) {
      Image picture = TinyTransfusion.image(golden, "read.rgb");
      float[] pixels = model.visionProcessor().pixelValues(picture);
      Tolerance.FP32.check("pixel values", pixels, golden.floats("read.pixel_values"));
      Tolerance.FP32_DEEP.check(
          "features", model.visionTower().floats(pixels), golden.floats("read.features"));

      GenerationResult first =
          session.generate(GenerationRequest.builder().image(picture).text("what is it?").build());
      GenerationResult second = ask(session, "sure?");

      assertThat(first.tokenIds())
          .isEqualTo(TinyTransfusion.ids(read.getAsJsonArray("ids").get(0).getAsJsonArray()));
      assertThat(second.tokenIds())
          .isEqualTo(TinyTransfusion.ids(read.getAsJsonArray("ids").get(1).getAsJsonArray()));
    }
  }

  /** It draws as the LMFusion in it does, from words and from a picture's latents. */
  @Test
  void aVisionLanguageBaseDrawsAsTheOtherDoes() {
    GenerationOptions options = GenerationOptions.builder().seed(4).inferenceSteps(3).build();
    try (TransfusionModel llava = TinyFusion.load(TinyFusion.llavaFusion(parent));
        TransfusionModel bare = TinyFusion.load(TinyFusion.lmFusion(parent))) {
      Image picture = TinyTransfusion.image(golden, "picture.rgb");
      for (boolean edit : new boolean[] {false, true}) {
        GenerationRequest.Builder request =
            GenerationRequest.builder().output(Output.IMAGE).options(options);
        if (edit) {
          request.image(picture);
        }
        GenerationRequest made = request.text("a red dot").build();
        assertThat(llava.generate(made).images()).isEqualTo(bare.generate(made).images());
      }
    }
  }

  @Test
  void theLibraryKnowsBothByTheirModelType() {
    Path folder = TinyFusion.llavaFusion(parent);
    CheckpointSummary summary = Diptych.inspect(folder);

    assertThat(summary.family()).isEqualTo("lmfusion");
    assertThat(summary.fit().orElseThrow().fits()).isTrue();
    assertThat(summary.sizes()).containsEntry("vision.image_size", "28");
    assertThat(summary.fit().orElseThrow().ignored())
        .containsKey("vision_tower.vision_model.encoder.layers.2.mlp.fc1.weight")
        .containsKey("vision_tower.vision_model.post_layernorm.weight");
    try (UnifiedModel model = Diptych.load(folder, TinyTransfusion.FLOAT32)) {
      assertThat(model.capabilities().routes()).hasSize(3);
    }
  }

  private void refused(
      Class<? extends Exception> type, String message, Consumer<JsonObject> change) {
    Path folder = TinyFusion.llavaFusion(parent.resolve(Integer.toString(message.hashCode())));
    TinyTransfusion.json(folder, "config.json", change);
    assertThatThrownBy(() -> TinyFusion.load(folder))
        .isInstanceOf(type)
        .hasMessageContaining(message);
  }

  @Test
  void aTowerThatIsNotKnownIsNamed() {
    refused(
        UnsupportedModelException.class,
        "model_type is siglip_vision_model",
        c -> vision(c).addProperty("model_type", "siglip_vision_model"));
    refused(
        UnsupportedModelException.class,
        "hidden_act is relu",
        c -> vision(c).addProperty("hidden_act", "relu"));
    refused(
        UnsupportedModelException.class,
        "projector_hidden_act is silu",
        c -> c.addProperty("projector_hidden_act", "silu"));
    refused(
        CheckpointException.class,
        "vision_feature_layer",
        c -> c.addProperty("vision_feature_layer", 9));
    refused(
        CheckpointException.class,
        "vision_tower.vision_model.embeddings.class_embedding expected [12]",
        c -> vision(c).addProperty("hidden_size", 12));
    refused(
        CheckpointException.class,
        "a multiple of patch_size 5",
        c -> vision(c).addProperty("patch_size", 5));
    Path folder = TinyFusion.llavaFusion(parent);
    TinyTransfusion.json(
        folder,
        "preprocessor_config.json",
        c -> c.getAsJsonObject("crop_size").addProperty("width", 14));
    assertThatThrownBy(() -> TinyFusion.load(folder))
        .isInstanceOf(CheckpointException.class)
        .hasMessageContaining("crop_size.width")
        .hasMessageContaining("28, image_size of vision_config");
  }

  private static JsonObject vision(JsonObject config) {
    return config.getAsJsonObject("vision_config");
  }

  private List<Context> contexts(Scope scope, TransfusionModel model, String prompt) {
    TransfusionConfig c = model.config();
    List<Context> contexts = new ArrayList<>();
    for (String kind : List.of("full", "images", "none")) {
      if (prompt.equals("draw") && kind.equals("images")) {
        continue;
      }
      Context context = scope.add(new Context(model.transformer(), 512, bytes -> {}));
      context.add(c.bos());
      if (prompt.equals("edit") && !kind.equals("none")) {
        context.add(c.boi());
        context.add(model.network().new Picture(golden.floats("picture.latents"), 4, 4));
        context.add(c.eoi());
      }
      if (kind.equals("full")) {
        String words = TinyFusion.facts().getAsJsonObject("words").get(prompt).getAsString();
        context.add(model.tokenizer().encodeTextBehindControl(words));
      }
      context.add(c.sep().stream().toArray());
      context.add(c.boi());
      contexts.add(context);
    }
    return contexts;
  }
}
