package dev.diptych.models.janusflow;

import dev.diptych.core.GenerationOptions;
import dev.diptych.core.Image;
import dev.diptych.core.InvalidRequestException;
import dev.diptych.core.Probe;
import dev.diptych.core.engine.Scope;
import dev.diptych.core.engine.Value;
import dev.diptych.models.denoising.Batch;
import dev.diptych.models.denoising.Context;
import dev.diptych.models.denoising.Denoiser;
import dev.diptych.models.denoising.NoiseTable;
import dev.diptych.models.denoising.SpanLayout;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;

/**
 * One drawing: the prompt and the beginning of its unconditional twin are read once; then every step
 * computes the time and the rows of all pictures behind both, in one native call.
 */
final class JanusFlowDrawing {
  private final JanusFlowModel model;
  private final JanusFlowConfig config;
  private final GenerationOptions options;
  private final NoiseTable table;
  private final int[] ids;
  private final int pictures;

  /**
   * Refuses what cannot be drawn before anything is computed.
   *
   * @param options with inference steps and pictures present
   * @param ids the prompt, its last token where the time will stand
   */
  JanusFlowDrawing(JanusFlowModel model, GenerationOptions options, int[] ids) {
    this.model = model;
    this.config = model.config();
    this.options = options;
    int side = config.latentSize() * model.coder().config().patchSize();
    options.requireImageSize(side, side);
    // Known before a picture is begun, although its pixels come last.
    model.requireMemory(
        "the picture decoder's features",
        model.coder().leastWork(config.latentSize(), config.latentSize()));
    this.table = JanusFlowNetwork.flow(options.inferenceSteps().orElseThrow());
    this.pictures = options.pictures().orElseThrow();
    this.ids = ids;
    int context = config.decoder().maxPositionEmbeddings();
    if (ids.length + config.tokens() > context) {
      throw new InvalidRequestException(
          "The prompt and its picture do not fit the context\n  expected at most "
              + context
              + " tokens\n  found    "
              + ids.length
              + " of the prompt and "
              + config.tokens()
              + " of the picture\n  remedy   a shorter prompt");
    }
  }

  /** {@return how many steps there are} */
  int steps() {
    return table.size();
  }

  /**
   * Draws.
   *
   * @param step called before every native call; may throw to end it
   * @param noise what the pictures begin as
   * @param probe hears of the steps of one picture, and may change what they made
   * @return [N][C * y * x] float32, what the noise becomes
   */
  float[][] latents(
      Runnable step,
      Denoiser.Noise noise,
      Optional<Probe> probe,
      Denoiser.Progress progress) {
    Denoiser denoiser = new Denoiser(model.transformer(), table, probe);
    SpanLayout layout = model.network().layout();
    int size = config.latentSize();
    int[] sides = {config.encoder().inputChannels(), size, size};
    try (Scope scope = new Scope()) {
      List<Context> contexts = contexts(scope);
      model.requireMemory(
          "the cache of " + pictures + " pictures",
          denoiser.bytes(contexts, layout, pictures, sides) + workBytes(contexts.size()));
      Value guidance = scope.add(model.network().number(guidance()));
      Batch batch = scope.add(denoiser.open(step, contexts, layout, pictures));
      return denoiser.draw(
          step,
          noise,
          0,
          pictures,
          sides,
          (latents, unused, i) ->
              model.network().step(latents, table.steps().get(i), batch, guidance),
          progress);
    }
  }

  /**
   * Makes a picture of latents.
   *
   * @param latents [C, y, x] float32
   */
  Image pixels(Runnable step, float[] latents) {
    return model.coder().draw(latents, config.latentSize(), config.latentSize(), step);
  }

  private double guidance() {
    return options.guidanceScale().orElse(1);
  }

  /**
   * The prompt without its last token, in whose place the time will stand; and what of the
   * unconditional row is ever seen, its first token, with the time in the same place.
   */
  private List<Context> contexts(Scope scope) {
    int words = ids.length - 1;
    Context full = scope.add(context());
    full.add(Arrays.copyOf(ids, words));
    if (guidance() == 1) {
      return List.of(full);
    }
    Context none = scope.add(context());
    none.add(ids[0]);
    none.skip(words - 1);
    return List.of(full, none);
  }

  private Context context() {
    return new Context(
        model.transformer(),
        config.decoder().maxPositionEmbeddings(),
        bytes -> model.requireMemory("the cache of a drawing's prompt", bytes));
  }

  private long workBytes(int contexts) {
    long rows = (long) contexts * pictures * (1 + config.tokens());
    return config.decoder().workBytes(rows, model.dtype().bytes());
  }
}
