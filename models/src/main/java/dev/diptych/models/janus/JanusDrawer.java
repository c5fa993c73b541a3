package dev.diptych.models.janus;

import dev.diptych.core.CounterRandom;
import dev.diptych.core.EngineException;
import dev.diptych.core.GenerationOptions;
import dev.diptych.core.Probe;
import dev.diptych.core.engine.Scope;
import dev.diptych.core.engine.Value;
import java.util.Arrays;
import java.util.Optional;

/**
 * Draws image codes, one position of all pictures a step: the prompt and its unconditional twin are
 * read once, as one batch, and shared by all pictures; then every picture's pair of rows goes
 * through the model together.
 */
final class JanusDrawer {
  private final JanusTransformer transformer;
  private final int imageTokens;

  JanusDrawer(JanusTransformer transformer, int imageTokens) {
    this.transformer = transformer;
    this.imageTokens = imageTokens;
  }

  /** Hears of the steps; may end the drawing by throwing. */
  interface Steps {
    /** Before every native call. */
    void before();

    /**
     * After every step.
     *
     * @param codes [N][P] codes, -1 where there is none yet
     * @param done how many columns there are
     */
    void after(int[][] codes, int done);
  }

  /**
   * Draws.
   *
   * @param ids the prompt, from BOS to BOI
   * @param unconditional the same length without the prompt's words
   * @param options with temperature, guidance, pictures and seed present
   * @param probe chooses the codes of one picture
   * @return [N][P] codes
   */
  int[][] draw(
      int[] ids,
      int[] unconditional,
      GenerationOptions options,
      Optional<Probe> probe,
      Steps steps) {
    int pictures = options.pictures().orElse(1);
    boolean guided = options.guidanceScale().orElse(1) != 1;
    int rows = guided ? 2 : 1;
    int capacity = ids.length + imageTokens;
    int[][] codes = new int[pictures][imageTokens];
    for (int[] row : codes) {
      Arrays.fill(row, -1);
    }
    try (Scope scope = new Scope()) {
      JanusTransformer.Sampling sampling = scope.add(transformer.new Sampling(options, probe));
      Value bits = scope.add(bits(options, pictures));
      Value tensor = scope.add(transformer.newCodes(pictures, imageTokens));
      JanusTransformer.Cache cache;
      long[] found;
      steps.before();
      try (Scope prompt = new Scope()) {
        int prefilled = pictures == 1 ? capacity : ids.length;
        JanusTransformer.Cache shared = transformer.newCache(rows, prefilled);
        (pictures == 1 ? scope : prompt).add(shared);
        Value embeds = prompt.add(transformer.embedTokens(join(ids, unconditional, rows), rows));
        Value hidden = prompt.add(transformer.prefill(embeds, shared, 0));
        cache = shared;
        if (pictures > 1) {
          cache = scope.add(transformer.newCache(rows * pictures, capacity));
          transformer.copyCache(shared, cache, ids.length);
        }
        found = sampling.firstCodes(hidden, tensor, bits);
      }
      keep(codes, found, 0);
      steps.after(codes, 1);
      for (int step = 1; step < imageTokens; step++) {
        steps.before();
        int pos = ids.length + step - 1;
        found = sampling.decodeCodes(step, tensor, guided, cache, pos, bits);
        keep(codes, found, step);
        steps.after(codes, step + 1);
      }
    }
    return codes;
  }

  private Value bits(GenerationOptions options, int pictures) {
    CounterRandom random = new CounterRandom(options.seed().orElse(0));
    long[] bits = new long[Math.multiplyExact(pictures, imageTokens)];
    for (int n = 0; n < pictures; n++) {
      for (int p = 0; p < imageTokens; p++) {
        bits[n * imageTokens + p] = random.bits(n, p);
      }
    }
    return transformer.longs(bits, pictures, imageTokens);
  }

  private static int[] join(int[] ids, int[] unconditional, int rows) {
    int[] both = Arrays.copyOf(ids, rows * ids.length);
    if (rows == 2) {
      System.arraycopy(unconditional, 0, both, ids.length, ids.length);
    }
    return both;
  }

  private static void keep(int[][] codes, long[] found, int step) {
    for (int n = 0; n < found.length; n++) {
      if (found[n] < 0) {
        throw new EngineException(
            "The logits are not finite at step "
                + step
                + " of picture "
                + n
                + ": the weights hold NaN or infinity, or the numbers overflowed; try dtype"
                + " FLOAT32, and check the checkpoint's files");
      }
      codes[n][step] = (int) found[n];
    }
  }
}
