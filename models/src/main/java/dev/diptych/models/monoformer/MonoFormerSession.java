package dev.diptych.models.monoformer;

import dev.diptych.core.FinishReason;
import dev.diptych.core.GenerationOptions;
import dev.diptych.core.GenerationResult;
import dev.diptych.core.GenerationRun;
import dev.diptych.core.Image;
import dev.diptych.core.InvalidRequestException;
import dev.diptych.core.NormalNoise;
import dev.diptych.core.Part;
import dev.diptych.core.Session;
import dev.diptych.core.engine.Scope;
import dev.diptych.models.denoising.Batch;
import dev.diptych.models.denoising.Context;
import dev.diptych.models.denoising.Denoiser;
import dev.diptych.models.denoising.NoiseTable;
import dev.diptych.models.denoising.SpanLayout;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/** Draws: every request by itself, for the model was trained on one sentence and one picture. */
final class MonoFormerSession extends Session {
  private final MonoFormerModel model;

  MonoFormerSession(MonoFormerModel model) {
    super(model, model.lifetime());
    this.model = model;
  }

  @Override
  protected GenerationResult run(GenerationRun run) {
    GenerationOptions options = run.options();
    NormalNoise noise = new NormalNoise(options.seed().orElseThrow());
    int side = model.config().imageSize();
    options.requireImageSize(side, side);
    int[] ids = model.prompt().drawing(run.request().parts());
    requireRoom(ids.length);
    // Known before a picture is begun, although its pixels come last.
    model.requireMemory(
        "the picture decoder's features",
        model.coder().leastWork(model.config().latentSize()));

    int steps = options.inferenceSteps().orElseThrow();
    int pictures = options.pictures().orElseThrow();
    float[][] latents =
        latents(run, ids, noise::draw, (done, now) -> tell(run, done, steps, pictures, now));
    List<Part> parts = new ArrayList<>();
    for (float[] one : latents) {
      run.step();
      Part part = Part.of(pixels(run, one));
      run.listener().onPart(part);
      parts.add(part);
    }
    return new GenerationResult(
        parts,
        Arrays.stream(ids).boxed().toList(),
        List.of(),
        List.of(),
        FinishReason.STOP,
        options.seed().orElseThrow(),
        options,
        model.name(),
        run.timings());
  }

  private void requireRoom(int words) {
    // The authors' code cuts longer sequences, and the picture with them; a token ends the picture.
    int rows = model.config().layout().rows() + 1;
    int context = model.config().contextLength();
    if (words + rows > context) {
      throw new InvalidRequestException(
          "The prompt and its picture do not fit the context\n  expected at most " + context
              + " tokens\n  found    " + words + " of the prompt and " + rows
              + " of the picture\n  remedy   a shorter prompt");
    }
  }

  /**
   * Takes all steps.
   *
   * @param ids the prompt
   * @return [N, C * y * x]
   */
  float[][] latents(
      GenerationRun run, int[] ids, Denoiser.Noise noise, Denoiser.Progress progress) {
    GenerationOptions options = run.options();
    MonoFormerConfig config = model.config();
    SpanLayout layout = config.layout();
    double guidance = options.guidanceScale().orElse(1);
    int pictures = options.pictures().orElseThrow();
    NoiseTable table = model.table(options);
    Denoiser denoiser = new Denoiser(model.transformer(), table, run.request().probe());
    int[] sides = {config.inChannels(), config.latentSize(), config.latentSize()};
    try (Scope scope = new Scope()) {
      List<Context> contexts = new ArrayList<>(List.of(scope.add(context(ids))));
      if (guidance != 1) {
        contexts.add(scope.add(context(model.prompt().unconditional())));
      }
      long rows = (long) contexts.size() * pictures * layout.rows();
      model.requireMemory(
          "the caches of " + pictures + " pictures",
          denoiser.bytes(contexts, layout, pictures, sides)
              + config.decoder().workBytes(rows, model.dtype().bytes()));
      Batch batch = scope.add(denoiser.open(run::step, contexts, layout, pictures));
      return denoiser.draw(
          run::step,
          noise,
          0,
          pictures,
          sides,
          (x, added, i) ->
              model.network().step(x, added, table.steps().get(i), batch, guidance),
          progress);
    }
  }

  private Context context(int[] ids) {
    Context context =
        new Context(
            model.transformer(),
            model.config().contextLength(),
            bytes -> model.requireMemory("the cache of a prompt", bytes));
    context.add(ids);
    return context;
  }

  private void tell(
      GenerationRun run, int done, int steps, int pictures, Denoiser.Latents latents) {
    run.token();
    run.listener().onImageProgress(done, steps);
    if (done < steps && run.previewDue()) {
      float[] all = latents.seen();
      int size = all.length / pictures;
      for (int n = 0; n < pictures; n++) {
        float[] one = Arrays.copyOfRange(all, n * size, (n + 1) * size);
        run.listener().onPreview(n, pixels(run, one));
      }
    }
  }

  private Image pixels(GenerationRun run, float[] latents) {
    long begin = System.nanoTime();
    Image image = model.coder().draw(latents, model.config().latentSize(), run::step);
    run.imageDecoding(Duration.ofNanos(System.nanoTime() - begin));
    return image;
  }

  @Override
  protected void release() {}
}
