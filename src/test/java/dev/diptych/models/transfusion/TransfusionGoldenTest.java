package dev.diptych.models.transfusion;

import static org.assertj.core.api.Assertions.assertThat;

import com.google.gson.JsonObject;
import dev.diptych.core.GenerationOptions;
import dev.diptych.core.GenerationRequest;
import dev.diptych.core.GenerationResult;
import dev.diptych.core.Image;
import dev.diptych.core.Output;
import dev.diptych.core.Part;
import dev.diptych.core.Session;
import dev.diptych.core.engine.Scope;
import dev.diptych.core.engine.Value;
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
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Tiny checkpoints against transformers' Llama and diffusers' parts, see make.py beside them. */
class TransfusionGoldenTest {
  private static final double TIME = 250.5;

  @TempDir private Path parent;

  @ParameterizedTest
  @ValueSource(strings = {"linear", "unet"})
  void aPictureIsReadAsTheReferenceReadsIt(String name) {
    try (Golden golden = Golden.open("transfusion/" + name);
        TransfusionModel model = TinyTransfusion.load(name)) {
      Image image = TinyTransfusion.image(golden, "picture.rgb");
      TransfusionImageProcessor processor = new TransfusionImageProcessor(8);
      float[] latents = model.coder().encode(processor.pixelValues(image), 8, 8, () -> {});

      Tolerance.FP32_DEEP.check("latents", latents, golden.floats("picture.latents"));
      assertThat(processor.pixelValues(TinyTransfusion.image(golden, "wide.rgb")))
          .isEqualTo(processor.pixelValues(TinyTransfusion.image(golden, "wide.cut")));
    }
  }

  /** What is said of noisy latents at a time, behind all, behind the pictures, behind nothing. */
  @ParameterizedTest
  @CsvSource({"linear, draw", "linear, edit", "unet, draw", "unet, edit"})
  void everyContextSaysWhatTheReferenceSays(String name, String prompt) {
    try (Golden golden = Golden.open("transfusion/" + name);
        TransfusionModel model = TinyTransfusion.load(name);
        Scope scope = new Scope()) {
      List<Context> contexts = contexts(scope, model, golden, name, prompt);
      Denoiser denoiser = new Denoiser(model.transformer(), new NoiseTable(List.of()));
      Batch batch =
          scope.add(denoiser.open(() -> {}, contexts, model.network().layout(4, 4), 1));
      Value noisy = scope.add(start(model, golden));

      float[] found = model.network().outputs(noisy, TIME, batch);
      Tolerance.FP32_DEEP.check("outputs", found, golden.floats(prompt + ".outputs"));
      // Nothing of the noisy picture is kept, so the answer is the same again.
      assertThat(model.network().outputs(noisy, TIME, batch)).isEqualTo(found);
    }
  }

  /** Whole drawings from written-down noise: two rows without pictures, three with. */
  @ParameterizedTest
  @CsvSource({
    "linear, ddpm, draw",
    "linear, ddim, draw",
    "linear, flow, draw",
    "linear, ddpm, edit",
    "linear, flow, edit",
    "unet, ddpm, draw",
    "unet, flow, draw",
    "unet, ddpm, edit",
    "unet, ddim, edit",
    "unet, flow, edit"
  })
  void everyStepIsTheReferences(String name, String scheduler, String prompt) {
    Path folder = TinyTransfusion.withScheduler(name, scheduler, parent);
    JsonObject facts = Golden.facts("transfusion/" + name);
    int steps = facts.getAsJsonObject("draws").get(scheduler).getAsInt();
    try (Golden golden = Golden.open("transfusion/" + name);
        TransfusionModel model = TransfusionModel.load(folder, TinyTransfusion.FLOAT32);
        Scope scope = new Scope()) {
      float[] expected = golden.floats(prompt + "." + scheduler);
      NoiseTable table = model.sampler().table(steps, OptionalDouble.empty(), 4);
      List<Context> contexts = contexts(scope, model, golden, name, prompt);
      List<float[]> after = new ArrayList<>();
      float[][] last = draw(scope, model, table, contexts, TinyTransfusion.noise(golden), 1, after);

      assertThat(after).hasSize(steps);
      for (int i = 0; i < steps; i++) {
        Tolerance.FP32_DEEP.check("step " + i, after.get(i), part(expected, i));
      }
      assertThat(last[0]).isEqualTo(after.get(steps - 1));
    }
  }

  /** The same as a request, to the picture. */
  @ParameterizedTest
  @CsvSource({"linear, ddpm, draw", "linear, ddpm, edit", "unet, flow, draw", "unet, flow, edit"})
  void aRequestGivesTheReferencesPicture(String name, String scheduler, String prompt) {
    JsonObject facts = Golden.facts("transfusion/" + name);
    String words = facts.getAsJsonObject("words").get(prompt).getAsString();
    try (Golden golden = Golden.open("transfusion/" + name);
        TransfusionModel model = TinyTransfusion.load(name);
        Session session = model.newSession(seed -> TinyTransfusion.noise(golden))) {
      GenerationRequest.Builder request = GenerationRequest.builder().output(Output.IMAGE);
      if (prompt.equals("edit")) {
        request.image(TinyTransfusion.image(golden, "picture.rgb"));
      }
      GenerationResult result = session.generate(request.text(words).build());

      requireSame(
          result.images().get(0),
          TinyTransfusion.image(golden, prompt + "." + scheduler + ".rgb"));
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"linear", "unet"})
  void wordsAboutAPictureAreTheReferences(String name) {
    JsonObject ask = Golden.facts("transfusion/" + name).getAsJsonObject("ask");
    try (Golden golden = Golden.open("transfusion/" + name);
        TransfusionModel model = TinyTransfusion.load(name);
        Session session = model.newSession()) {
      GenerationResult first =
          session.generate(
              GenerationRequest.builder()
                  .image(TinyTransfusion.image(golden, "picture.rgb"))
                  .text(ask.getAsJsonArray("words").get(0).getAsString())
                  .build());
      GenerationResult second =
          session.generate(
              GenerationRequest.builder()
                  .text(ask.getAsJsonArray("words").get(1).getAsString())
                  .build());

      assertThat(first.tokenIds())
          .isEqualTo(TinyTransfusion.ids(ask.getAsJsonArray("ids").get(0).getAsJsonArray()));
      assertThat(second.tokenIds())
          .isEqualTo(TinyTransfusion.ids(ask.getAsJsonArray("ids").get(1).getAsJsonArray()));
    }
  }

  /** The clean picture is in the context afterwards, and not what it was while it was noisy. */
  @ParameterizedTest
  @ValueSource(strings = {"linear", "unet"})
  void wordsBehindADrawingAreTheReferences(String name) {
    JsonObject facts = Golden.facts("transfusion/" + name);
    try (Golden golden = Golden.open("transfusion/" + name);
        TransfusionModel model = TinyTransfusion.load(name);
        Session session = model.newSession(seed -> TinyTransfusion.noise(golden))) {
      session.generate(
          GenerationRequest.builder().text("a red dot").output(Output.IMAGE).build());
      GenerationResult result =
          session.generate(
              GenerationRequest.builder()
                  .text(facts.getAsJsonObject("behind").get("words").getAsString())
                  .build());

      assertThat(result.tokenIds())
          .isEqualTo(
              TinyTransfusion.ids(facts.getAsJsonObject("behind").getAsJsonArray("ids")));
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"linear", "unet"})
  void theModelOpensAPictureWhereTheReferenceDoes(String name) {
    JsonObject tell = Golden.facts("transfusion/" + name).getAsJsonObject("tell");
    try (Golden golden = Golden.open("transfusion/" + name);
        TransfusionModel model = TinyTransfusion.load(name);
        Session session = model.newSession(seed -> TinyTransfusion.noise(golden))) {
      GenerationResult result =
          session.generate(
              GenerationRequest.builder()
                  .text(tell.get("words").getAsString())
                  .output(Output.INTERLEAVED)
                  .options(GenerationOptions.builder().pictures(1).build())
                  .build());

      assertThat(result.tokenIds()).isEqualTo(TinyTransfusion.ids(tell.getAsJsonArray("ids")));
      assertThat(result.parts())
          .hasSize(3)
          .element(1)
          .isInstanceOf(Part.Picture.class);
      requireSame(result.images().get(0), TinyTransfusion.image(golden, "tell.rgb"));
    }
  }

  /** A drawing that is thought of first is what the model tells until its first picture ends. */
  @ParameterizedTest
  @ValueSource(strings = {"linear", "unet"})
  void aDrawingIsThoughtOfInTheReferencesWords(String name) {
    JsonObject tell = Golden.facts("transfusion/" + name).getAsJsonObject("tell");
    try (Golden golden = Golden.open("transfusion/" + name);
        TransfusionModel model = TinyTransfusion.load(name);
        Session session = model.newSession(seed -> TinyTransfusion.noise(golden))) {
      GenerationResult result =
          session.generate(
              GenerationRequest.builder()
                  .text(tell.get("words").getAsString())
                  .output(Output.IMAGE)
                  .options(GenerationOptions.builder().think(true).build())
                  .build());

      List<Integer> told = TinyTransfusion.ids(tell.getAsJsonArray("ids"));
      assertThat(result.tokenIds()).isNotEmpty().isEqualTo(told.subList(0, result.tokenIds().size()));
      assertThat(result.parts()).hasSize(2);
      requireSame(result.images().get(0), TinyTransfusion.image(golden, "tell.rgb"));
    }
  }

  /** Two pictures at once are what each is alone; the rows of a batch do not know of each other. */
  @ParameterizedTest
  @ValueSource(strings = {"linear", "unet"})
  void picturesDrawnTogetherAreThoseDrawnAlone(String name) {
    try (Golden golden = Golden.open("transfusion/" + name);
        TransfusionModel model = TinyTransfusion.load(name);
        Scope scope = new Scope()) {
      NoiseTable table = model.sampler().table(4, OptionalDouble.empty(), 4);
      List<Context> contexts = contexts(scope, model, golden, name, "edit");
      Denoiser.Noise noise = TinyTransfusion.noise(golden);
      float[][] both = draw(scope, model, table, contexts, noise, 2, new ArrayList<>());
      for (int n = 0; n < 2; n++) {
        int number = n;
        Denoiser.Noise own = (picture, draw, count) -> noise.draw(number, draw, count);
        float[][] one = draw(scope, model, table, contexts, own, 1, new ArrayList<>());

        Tolerance.FP32_DEEP.check("picture " + n, both[n], one[0]);
      }
      assertThat(both[0]).isNotEqualTo(both[1]);
    }
  }

  private static float[][] draw(
      Scope scope,
      TransfusionModel model,
      NoiseTable table,
      List<Context> contexts,
      Denoiser.Noise noise,
      int pictures,
      List<float[]> after) {
    Denoiser denoiser = new Denoiser(model.transformer(), table);
    Batch batch =
        scope.add(denoiser.open(() -> {}, contexts, model.network().layout(4, 4), pictures));
    Value scales = scope.add(model.network().scales(3, 1.6));
    return denoiser.draw(
        () -> {},
        noise,
        0,
        pictures,
        new int[] {4, 4, 4},
        (latents, added, i) ->
            model.network().step(latents, added, table.steps().get(i), batch, scales),
        (done, latents) -> after.add(latents.get()));
  }

  private static List<Context> contexts(
      Scope scope, TransfusionModel model, Golden golden, String name, String prompt) {
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
        String words =
            Golden.facts("transfusion/" + name)
                .getAsJsonObject("words")
                .get(prompt)
                .getAsString();
        context.add(model.tokenizer().encodeTextBehindControl(words));
      }
      context.add(c.sep().stream().toArray());
      context.add(c.boi());
      contexts.add(context);
    }
    return contexts;
  }

  private static Value start(TransfusionModel model, Golden golden) {
    float[] noise = TinyTransfusion.noise(golden).draw(1, 0, TinyTransfusion.ELEMENTS);
    return model.transformer().kept(noise, 1, 4, 4, 4);
  }

  private static float[] part(float[] all, int i) {
    int n = TinyTransfusion.ELEMENTS;
    return Arrays.copyOfRange(all, i * n, (i + 1) * n);
  }

  /** A latent's last bit may move a byte by one where it lies between two. */
  private static void requireSame(Image found, Image expected) {
    assertThat(found.width()).isEqualTo(expected.width());
    byte[] a = found.rgb();
    byte[] b = expected.rgb();
    int off = 0;
    for (int i = 0; i < a.length; i++) {
      int difference = Math.abs((a[i] & 0xff) - (b[i] & 0xff));
      assertThat(difference).as("byte %d", i).isLessThanOrEqualTo(1);
      off += difference;
    }
    assertThat(off).isLessThanOrEqualTo(2);
  }
}
