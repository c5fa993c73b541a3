package dev.diptych.models.denoising;

import dev.diptych.core.EngineException;
import dev.diptych.core.InvalidRequestException;
import dev.diptych.core.Probe;
import dev.diptych.core.engine.Scope;
import dev.diptych.core.engine.Value;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.function.Supplier;

/**
 * Makes pictures out of noise, all of them together, one native call a step. What is told of a
 * picture is in contexts that were read before and are not touched.
 */
public final class Denoiser {
  private final DenoisingTransformer transformer;
  private final NoiseTable table;
  private final Optional<Probe> probe;

  /** Prepares the steps of a drawing. */
  public Denoiser(DenoisingTransformer transformer, NoiseTable table) {
    this(transformer, table, Optional.empty());
  }

  /**
   * Prepares the steps of a drawing.
   *
   * @param probe hears of the steps of one picture, and may change what they made
   */
  public Denoiser(DenoisingTransformer transformer, NoiseTable table, Optional<Probe> probe) {
    this.transformer = transformer;
    this.table = table;
    this.probe = probe;
  }

  /** Where standard normal numbers come from. */
  @FunctionalInterface
  public interface Noise {
    /**
     * {@return [count] float32}
     *
     * @param picture which picture, from 0
     * @param draw 0 for what it begins as, i + 1 for what step i adds
     */
    float[] draw(int picture, int draw, int count);
  }

  /** What a family's script does: one native call, all contexts, head, guidance and step in it. */
  @FunctionalInterface
  public interface Step {
    /**
     * Takes a step.
     *
     * @param latents [N, C, y, x] float32
     * @param noise [N, C, y, x] float32, not read where the step adds none; who weighs it otherwise
     *     than the step's row says leaves in it what the row would have had to weigh, for previews
     * @param index which step of the table
     * @return [N, C, y, x] float32, less noisy
     */
    Value take(Value latents, Value noise, int index);
  }

  /** Who hears of the steps. */
  @FunctionalInterface
  public interface Progress {
    /**
     * After every step.
     *
     * @param done how many were taken
     * @param latents all pictures as they are, valid until this returns
     */
    void after(int done, Latents latents);
  }

  /** Pictures between two steps; numbers leave native memory only when they are asked for. */
  public static final class Latents implements Supplier<float[]> {
    private final Value before;
    private final Value now;
    private final Value noise;
    private final NoiseTable.Step step;

    private Latents(Value before, Value now, Value noise, NoiseTable.Step step) {
      this.before = before;
      this.now = now;
      this.noise = noise;
      this.step = step;
    }

    /** {@return the pictures with what noise is left in them, [N * C * y * x] float32} */
    @Override
    public float[] get() {
      return now.toFloats();
    }

    /**
     * {@return the pictures that the model sees in the noise so far, [N * C * y * x] float32, for
     * previews}
     */
    public float[] seen() {
      return step.picture(before.toFloats(), now.toFloats(), noise == null ? null : noise.toFloats());
    }

    private float[] said() {
      return step.said(before.toFloats(), now.toFloats(), noise == null ? null : noise.toFloats());
    }
  }

  /**
   * Reads contexts to their ends and says where a picture stands behind them. With several pictures
   * every context is copied, a row for each.
   *
   * @param step called before every native call; may throw to end it
   * @param contexts one to three; their caches get room for the picture
   * @param layout of the picture
   * @param pictures N
   */
  public Batch open(
      Runnable step, List<Context> contexts, SpanLayout layout, int pictures) {
    Scope scope = new Scope();
    try {
      List<DenoisingTransformer.Cache> caches = new ArrayList<>();
      for (Context context : contexts) {
        int capacity = context.length() + layout.rows();
        context.reserve(capacity);
        context.read(step);
        DenoisingTransformer.Cache cache = context.cache();
        if (pictures > 1) {
          DenoisingTransformer.Cache many =
              scope.add(transformer.newCache(pictures, capacity));
          transformer.copyCache(cache, many, context.length());
          cache = many;
        }
        caches.add(cache);
      }
      int[] lengths = contexts.stream().mapToInt(Context::length).toArray();
      int[] positions = contexts.stream().mapToInt(Context::position).toArray();
      Batch batch = transformer.batch(caches, lengths, positions, layout);
      scope.add(batch.scope());
      return new Batch(batch.caches(), batch.span(), batch.contexts(), pictures, scope);
    } catch (RuntimeException | Error e) {
      scope.close();
      throw e;
    }
  }

  /**
   * {@return bytes that {@link #open} and {@link #draw} take beside what is there: caches and latents}
   *
   * @param sides C, y, x of a picture's latents
   */
  public long bytes(List<Context> contexts, SpanLayout layout, int pictures, int[] sides) {
    long bytes = latentBytes(pictures, sides);
    for (Context context : contexts) {
      int length = context.length() + layout.rows();
      bytes += context.growth(length) + manyBytes(length, pictures);
    }
    return bytes;
  }

  /**
   * {@return bytes of the copies of a context that {@link #open} makes, none for one picture}
   *
   * @param length rows of the context with the picture
   */
  public long manyBytes(int length, int pictures) {
    return pictures == 1 ? 0 : transformer.cacheBytes(pictures, length);
  }

  /**
   * {@return bytes of numbers of noise, Java's and those given to the script, and of latents before and
   * after a step}
   *
   * @param sides C, y, x of a picture's latents
   */
  public static long latentBytes(int pictures, int[] sides) {
    return 4L * Float.BYTES * pictures * sides[0] * sides[1] * sides[2];
  }

  /**
   * Takes all steps.
   *
   * @param before called before every step; may throw to end it
   * @param noise of every picture
   * @param first number of the first picture, for the noise
   * @param pictures N
   * @param sides C, y, x of a picture's latents
   * @return [N, C * y * x] float32
   * @throws EngineException if a latent is not finite
   */
  public float[][] draw(
      Runnable before,
      Noise noise,
      int first,
      int pictures,
      int[] sides,
      Step step,
      Progress progress) {
    Value latents;
    try (Value start = noise(noise, first, pictures, 0, sides)) {
      latents = transformer.kept(start);
    }
    try {
      for (int i = 0; i < table.size(); i++) {
        before.run();
        NoiseTable.Step at = table.steps().get(i);
        try (Value added = at.noisy() ? noise(noise, first, pictures, i + 1, sides) : null) {
          // What is not read may be anything of the right shape.
          Value next = step.take(latents, added == null ? latents : added, i);
          Value last = latents;
          latents = next;
          try (last) {
            Latents between = new Latents(last, next, added, at);
            progress.after(i + 1, between);
            if (probe.isPresent()) {
              latents = led(i, between, pictures, sides);
            }
          }
        }
      }
      return split(latents.toFloats(), pictures);
    } finally {
      latents.close();
    }
  }

  /** What a probe makes of a step; closes what the step made if that is something else. */
  private Value led(int step, Latents latents, int pictures, int[] sides) {
    float[] own = latents.get();
    float[] led = probe.orElseThrow().denoised(step, latents.said(), own.clone());
    if (led.length != own.length) {
      throw new InvalidRequestException(
          "The probe gave latents of another size\n  expected "
              + own.length
              + " numbers\n  found    "
              + led.length);
    }
    if (Arrays.equals(led, own)) {
      return latents.now;
    }
    Value kept = transformer.kept(led, pictures, sides[0], sides[1], sides[2]);
    latents.now.close();
    return kept;
  }

  private Value noise(Noise noise, int first, int pictures, int draw, int[] sides) {
    int size = sides[0] * sides[1] * sides[2];
    float[] all = new float[Math.multiplyExact(pictures, size)];
    for (int n = 0; n < pictures; n++) {
      System.arraycopy(noise.draw(first + n, draw, size), 0, all, n * size, size);
    }
    return transformer.device().floats(all, pictures, sides[0], sides[1], sides[2]);
  }

  private static float[][] split(float[] all, int pictures) {
    int size = all.length / pictures;
    float[][] each = new float[pictures][];
    for (int n = 0; n < pictures; n++) {
      each[n] = Arrays.copyOfRange(all, n * size, (n + 1) * size);
      for (float latent : each[n]) {
        if (!Float.isFinite(latent)) {
          throw new EngineException(
              "The latents of picture "
                  + n
                  + " are not finite: the weights hold NaN or infinity, or the numbers overflowed;"
                  + " try dtype FLOAT32, and check the checkpoint's files");
        }
      }
    }
    return each;
  }
}
