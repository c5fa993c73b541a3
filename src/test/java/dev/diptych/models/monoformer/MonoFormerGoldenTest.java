package dev.diptych.models.monoformer;

import static org.assertj.core.api.Assertions.assertThat;

import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import dev.diptych.core.FinishReason;
import dev.diptych.core.GenerationOptions;
import dev.diptych.core.GenerationRequest;
import dev.diptych.core.GenerationResult;
import dev.diptych.core.GenerationRun;
import dev.diptych.core.Image;
import dev.diptych.core.NormalNoise;
import dev.diptych.core.Output;
import dev.diptych.core.Part;
import dev.diptych.core.Session;
import dev.diptych.core.engine.Scope;
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
import java.util.function.Consumer;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** What the authors' code computed with the same tiny checkpoints. */
class MonoFormerGoldenTest {
  private static final int LATENTS = 4 * 6 * 6;
  private static final long[] ONE = {1, 4, 6, 6};

  /**
   * Rounding of a step is carried into the next, and latents of these random weights grow to a
   * standard deviation of 37; the greatest difference that was seen is 1.4e-4.
   */
  private static final Tolerance TRAJECTORY = new Tolerance(1e-5, 5e-4);

  @TempDir private Path parent;

  @ParameterizedTest
  @ValueSource(booleans = {false, true})
  void promptsAreTheAuthors(boolean chat) {
    MonoFormerFolder folder =
        MonoFormerFolder.copy(parent, "token")
            .edit("cfg.json", json -> json.addProperty("use_chat_template", chat));
    try (MonoFormerModel model =
        MonoFormerModel.load(folder.path(), MonoFormerFolder.FLOAT32)) {
      List<String> labels = new ArrayList<>();
      for (JsonElement element : Golden.facts("monoformer").getAsJsonArray("prompts")) {
        JsonObject prompt = element.getAsJsonObject();
        if (prompt.get("chat").getAsBoolean() == chat) {
          String label = prompt.get("label").getAsString();
          labels.add(label);
          assertThat(model.prompt().drawing(List.of(Part.of(label))))
              .as(label)
              .isEqualTo(ints(prompt, "ids"));
          assertThat(model.prompt().unconditional()).isEqualTo(ints(prompt, "unconditional"));
          assertThat(
                  model.prompt().drawing(List.of(Part.of("Please generate an image of " + label))))
              .isEqualTo(ints(prompt, "ids"));
        }
      }
      assertThat(labels).hasSize(5);
    }
  }

  @ParameterizedTest
  @CsvSource({
    "published, 999", "published, 473", "published, 0", "token, 999", "token, 473", "token, 0"
  })
  void epsilonAndVarianceAreTheAuthors(String variant, int timestep) {
    try (MonoFormerModel model = MonoFormerFolder.load(variant);
        Golden golden = Golden.open("monoformer")) {
      float[] noise = Arrays.copyOf(golden.floats(variant + ".noise"), LATENTS);
      float[][] found = new float[2][];
      opened(
          model,
          batch -> {
            found[0] = model.network().outputs(noise, ONE, timestep, batch);
            found[1] = model.network().guided(noise, ONE, timestep, batch, 4);
          });

      // The greatest differences that were seen are 1e-6 and 2.7e-6.
      Tolerance.FP32.check(
          "outputs", found[0], golden.floats(variant + ".output." + timestep));
      // Guidance of 4 multiplies what rounding leaves between its two rows.
      new Tolerance(1e-5, 4e-5)
          .check("guided", found[1], golden.floats(variant + ".guided." + timestep));
    }
  }

  @Test
  void aCheckpointMayHaveNoTableAndPatchesThatSeeOnlyThoseBefore() {
    MonoFormerFolder folder =
        MonoFormerFolder.copy(parent, "token")
            .edit(
                "config.json",
                json -> {
                  json.addProperty("use_pos_embed", false);
                  json.addProperty("use_bi_attn_img_tokens", false);
                });
    try (MonoFormerModel model =
            MonoFormerModel.load(folder.path(), MonoFormerFolder.FLOAT32);
        Golden golden = Golden.open("monoformer")) {
      float[] noise = Arrays.copyOf(golden.floats("token.noise"), LATENTS);
      float[][] found = new float[1][];
      opened(model, batch -> found[0] = model.network().outputs(noise, ONE, 473, batch));

      Tolerance.FP32.check("outputs", found[0], golden.floats("bare.output.473"));
    }
  }

  @Test
  void stepsAreTheAuthors() {
    try (MonoFormerModel model = MonoFormerFolder.load("published")) {
      NoiseTable table = model.table(model.defaults(Output.IMAGE));

      assertThat(table.steps().stream().mapToInt(s -> (int) s.time()).toArray())
          .isEqualTo(ints(Golden.facts("monoformer"), "timesteps"));
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"published", "token"})
  void aWholeDrawingIsTheAuthors(String variant) {
    try (MonoFormerModel model = MonoFormerFolder.load(variant);
        Golden golden = Golden.open("monoformer");
        Golden pictures = Golden.open("monoformer/pixels")) {
      float[] noise = golden.floats(variant + ".noise");
      float[] samples = golden.floats(variant + ".samples");
      List<float[]> found = new ArrayList<>();
      float[][] latents = new float[1][];
      running(
          model,
          (session, run) ->
              latents[0] =
                  session.latents(
                      run,
                      prompt(model),
                      (picture, draw, count) ->
                          Arrays.copyOfRange(noise, draw * count, (draw + 1) * count),
                      (done, now) -> found.add(now.get()))[0]);

      assertThat(found).hasSize(20);
      for (int i = 0; i < found.size(); i++) {
          TRAJECTORY.check(
            variant + " after step " + i,
            found.get(i),
            Arrays.copyOfRange(samples, i * LATENTS, (i + 1) * LATENTS));
      }
      assertThat(latents[0]).isEqualTo(found.get(19));
      requirePicture(model.coder().draw(latents[0], 6, () -> {}), pictures.bytes(variant + ".rgb"));
    }
  }

  /** A byte may fall on the other side of a whole number, where both truncate. */
  private static void requirePicture(Image found, byte[] expected) {
    byte[] rgb = found.rgb();
    assertThat(rgb).hasSameSizeAs(expected);
    int apart = 0;
    for (int i = 0; i < rgb.length; i++) {
      int difference = Math.abs((rgb[i] & 255) - (expected[i] & 255));
      assertThat(difference).as("byte %d", i).isLessThanOrEqualTo(1);
      apart += difference;
    }
    assertThat(apart).as("bytes that differ").isLessThan(rgb.length / 100);
  }

  private static int[] prompt(MonoFormerModel model) {
    String label = Golden.facts("monoformer").get("label").getAsString();
    return model.prompt().drawing(List.of(Part.of(label)));
  }

  /**
   * What a preview shows is what the model's epsilon leaves of the noisy latents, although the model
   * says the variance of what is added too.
   */
  @Test
  void previewsAreOfThePictureThatTheModelSeesInTheNoise() {
    try (MonoFormerModel model = MonoFormerFolder.load("published")) {
      NormalNoise noise = new NormalNoise(3);
      List<float[]> noisy = new ArrayList<>(List.of(noise.draw(0, 0, LATENTS)));
      List<float[]> seen = new ArrayList<>();
      running(
          model,
          (session, run) ->
              session.latents(
                  run,
                  prompt(model),
                  noise::draw,
                  (done, latents) -> {
                    noisy.add(latents.get());
                    seen.add(latents.seen());
                  }));
      List<NoiseTable.Step> steps = model.table(model.defaults(Output.IMAGE)).steps();
      assertThat(seen).hasSameSizeAs(steps);
      opened(
          model,
          batch -> {
            for (int i = 0; i < steps.size(); i++) {
              float[] x = noisy.get(i);
              float[] row = steps.get(i).row();
              float[] said = model.network().guided(x, ONE, steps.get(i).time(), batch, 4);
              double error = 0;
              double size = 0;
              for (int j = 0; j < LATENTS; j++) {
                double picture = row[0] * (double) x[j] + row[1] * (double) said[j];
                error += Math.pow(seen.get(i)[j] - picture, 2);
                size += Math.pow(picture, 2);
              }
              // Undoing the step multiplies its rounding where it moves the latents little.
              assertThat(Math.sqrt(error / size)).as("step %d", i).isLessThan(1e-3);
            }
          });
    }
  }

  /** Reads the prompt and the empty one, and gives where a picture stands behind them. */
  private static void opened(MonoFormerModel model, Consumer<Batch> then) {
    running(
        model,
        (session, run) -> {
          try (Scope scope = new Scope()) {
            List<Context> contexts = new ArrayList<>();
            for (int[] ids : List.of(prompt(model), model.prompt().unconditional())) {
              Context context =
                  scope.add(
                      new Context(
                          model.transformer(), model.config().contextLength(), bytes -> {}));
              context.add(ids);
              contexts.add(context);
            }
            Denoiser denoiser =
                new Denoiser(model.transformer(), model.table(model.defaults(Output.IMAGE)));
            then.accept(scope.add(denoiser.open(run::step, contexts, model.config().layout(), 1)));
          }
        });
  }

  private interface Body {
    void run(MonoFormerSession session, GenerationRun run);
  }

  /** Runs something within a request, as a session does. */
  private static void running(MonoFormerModel model, Body body) {
    GenerationRequest request =
        GenerationRequest.builder()
            .text("in a test")
            .output(Output.IMAGE)
            .options(GenerationOptions.builder().guidanceScale(4).seed(1).build())
            .build();
    try (MonoFormerSession inner = new MonoFormerSession(model);
        Session session =
            new Session(model, model.lifetime()) {
              @Override
              protected GenerationResult run(GenerationRun run) {
                body.run(inner, run);
                return new GenerationResult(
                    List.of(Part.of("done")),
                    List.of(),
                    List.of(),
                    List.of(),
                    FinishReason.STOP,
                    1,
                    run.options(),
                    "test",
                    run.timings());
              }

              @Override
              protected void release() {}
            }) {
      session.generate(request);
    }
  }

  private static int[] ints(JsonObject object, String key) {
    List<JsonElement> array = object.getAsJsonArray(key).asList();
    return IntStream.range(0, array.size()).map(i -> array.get(i).getAsInt()).toArray();
  }
}
