package dev.diptych.models.bagel;

import dev.diptych.core.GenerationOptions;
import dev.diptych.core.GenerationRun;
import dev.diptych.core.GuidanceInterval;
import dev.diptych.core.GuidanceRenorm;
import dev.diptych.core.Image;
import dev.diptych.core.Part;
import dev.diptych.core.diffusion.FlowMatchEulerScheduler;
import dev.diptych.core.engine.Scope;
import dev.diptych.models.denoising.Answer;
import dev.diptych.models.denoising.Batch;
import dev.diptych.models.denoising.Context;
import dev.diptych.models.denoising.DenoisingTransformer;
import dev.diptych.models.denoising.Denoiser;
import dev.diptych.models.denoising.NoiseTable;
import dev.diptych.models.denoising.SpanLayout;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * Draws the pictures of one request: Euler steps from noise along the flow, guided by up to two
 * contexts that lack something (ByteDance-Seed/Bagel@056b5fd, {@code generate_image} of
 * modeling/bagel/bagel.py). Contexts that would be equal are one row.
 */
final class BagelDrawer {
  private final BagelModel model;
  private final BagelConfig config;
  private final GenerationRun run;
  private final Denoiser.Noise noise;
  private final int rows;
  private final int columns;
  private final int pictures;
  private final NoiseTable table;
  private final boolean[] guides;
  private final BagelTransformer.Guidance guidance;
  private final Denoiser denoiser;
  private final boolean byWords;
  private final boolean byPictures;

  /**
   * Prepares a drawing.
   *
   * @param noise what pictures begin as
   * @param rows cells down
   * @param columns cells across
   */
  BagelDrawer(
      BagelModel model, GenerationRun run, Denoiser.Noise noise, int rows, int columns) {
    this.noise = noise;
    this.model = model;
    this.config = model.config();
    this.run = run;
    this.rows = rows;
    this.columns = columns;
    GenerationOptions options = run.options();
    this.pictures = options.pictures().orElse(1);
    FlowMatchEulerScheduler scheduler =
        FlowMatchEulerScheduler.falling(
            options.inferenceSteps().orElseThrow(), options.timestepShift().orElse(1));
    this.table = NoiseTable.of(scheduler, 1);
    this.denoiser = new Denoiser(model.transformer().decoder(), table, run.request().probe());
    this.guidance =
        new BagelTransformer.Guidance(
            options.guidanceScale().orElse(1),
            options.imageGuidanceScale().orElse(1),
            options
                .guidanceRenorm()
                .orElse(new GuidanceRenorm(GuidanceRenorm.Kind.NONE, 0)));
    GuidanceInterval interval =
        options.guidanceInterval().orElse(new GuidanceInterval(0, 1));
    this.guides = new boolean[table.size()];
    boolean any = false;
    for (int i = 0; i < guides.length; i++) {
      guides[i] = interval.contains(table.steps().get(i).time());
      any |= guides[i];
    }
    // Guidance by pictures alone is none, as in the reference.
    this.byWords = any && guidance.text() > 1;
    this.byPictures = byWords && guidance.image() > 1;
  }

  /** {@return how a picture lies in a context} */
  SpanLayout layout() {
    return SpanLayout.framed(rows * columns);
  }

  /** Refuses a drawing that memory does not hold, before anything is read; see {@link #bytes}. */
  void requireMemory(Context full, int before, Context blind, int heard, int thoughts) {
    // Known before a picture is begun, although its pixels come last.
    model.requireMemory("the picture decoder's features", model.leastDecoding(rows, columns));
    model.requireMemory(
        "the cache of " + pictures + " pictures", bytes(full, before, blind, heard, thoughts));
  }

  /**
   * {@return bytes that a drawing takes beside the caches that are open} Of every context that it reads
   * the room for a picture, a row more for each of several pictures, what one step computes with, and
   * the latents.
   *
   * @param full the context with everything but the thoughts
   * @param before rows of it without the last words
   * @param blind the words alone; null if there is no picture among them
   * @param heard rows of the full context
   * @param thoughts most rows that are said behind it before the picture
   */
  long bytes(Context full, int before, Context blind, int heard, int thoughts) {
    DenoisingTransformer decoder = model.transformer().decoder();
    int room = layout().rows();
    List<Integer> lengths = new ArrayList<>(List.of(full.length() + thoughts + room));
    long bytes = full.growth(lengths.get(0));
    if (byWords && before < full.length() + thoughts) {
      lengths.add(before + room);
      bytes += decoder.cacheBytes(1, before + room);
    }
    if (byPictures && blind != null) {
      lengths.add(blind.length() + room);
      bytes += blind.growth(blind.length() + room);
    } else if (byPictures && thoughts > 0) {
      lengths.add(heard + room);
      bytes += decoder.cacheBytes(1, heard + room);
    }
    for (int length : lengths) {
      bytes += denoiser.manyBytes(length, pictures);
    }
    long together = (long) lengths.size() * pictures * room;
    return bytes + model.workBytes(together) + Denoiser.latentBytes(pictures, sides());
  }

  private int[] sides() {
    return new int[] {rows, columns, config.latentWidth()};
  }

  /**
   * Draws.
   *
   * @param full the context with everything
   * @param before rows of it without the last words, and without what was thought
   * @param blind the words alone; null if there is no picture among them
   * @param heard rows of the full context without what was thought
   * @return [N][rows * columns * W] float32
   */
  float[][] draw(Context full, int before, Context blind, int heard) {
    try (Scope scope = new Scope()) {
      int room = layout().rows();
      full.reserve(full.length() + room);
      full.read(run::step);
      List<Context> contexts = new ArrayList<>(List.of(full));
      List<Integer> groups = new ArrayList<>(List.of(0));
      if (byWords) {
        groups.add(among(contexts, prefix(scope, full, before)));
      }
      if (byPictures) {
        groups.add(among(contexts, blind != null ? blind : prefix(scope, full, heard)));
      }
      Batch batch = scope.add(denoiser.open(run::step, contexts, layout(), pictures));
      int[] named = groups.stream().mapToInt(Integer::intValue).toArray();
      BagelTransformer.Steps steps =
          scope.add(model.transformer().new Steps(table, guides, guidance, named, batch));
      return denoiser.draw(
          run::step,
          noise,
          0,
          pictures,
          sides(),
          (x, added, index) -> steps.take(x, index),
          this::tell);
    }
  }

  /** Turns what was drawn into pictures, one after the other. */
  List<Image> develop(float[][] drawn, Answer answer) {
    List<Image> images = new ArrayList<>();
    for (float[] cells : drawn) {
      run.step();
      Image image = pixels(cells);
      images.add(image);
      answer.add(Part.of(image));
    }
    return images;
  }

  private Context prefix(Scope scope, Context full, int length) {
    return length == full.length()
        ? full
        : scope.add(full.prefix(length, length + layout().rows()));
  }

  private static int among(List<Context> contexts, Context context) {
    int at = contexts.indexOf(context);
    if (at < 0) {
      contexts.add(context);
      at = contexts.size() - 1;
    }
    return at;
  }

  private void tell(int done, Denoiser.Latents latents) {
    run.listener().onImageProgress(done, table.size());
    if (done < table.size() && run.previewDue()) {
      float[] all = latents.seen();
      int size = all.length / pictures;
      for (int n = 0; n < pictures; n++) {
        Image preview = pixels(Arrays.copyOfRange(all, n * size, (n + 1) * size));
        run.listener().onPreview(n, preview);
      }
    }
  }

  private Image pixels(float[] cells) {
    long begin = System.nanoTime();
    Image image = model.decode(cells, rows, columns, run::step);
    run.imageDecoding(Duration.ofNanos(System.nanoTime() - begin));
    return image;
  }
}
