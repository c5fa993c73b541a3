package dev.diptych.models.discrete;

import dev.diptych.core.EngineException;
import dev.diptych.core.GenerationRun;
import dev.diptych.core.engine.Scope;
import dev.diptych.core.engine.Value;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * Draws the codes of pictures, one position of all pictures a native call. Every context (the full
 * one, the one of images alone, the empty one) is read once; then each picture has a row in every
 * context, and all rows go through the model together. Tokens that the grammar forces travel with
 * the code before them.
 */
final class DiscreteDrawer {
  private final DiscreteTransformer transformer;
  private final DiscreteVocabulary vocabulary;
  private final PictureGrammar grammar;

  DiscreteDrawer(
      DiscreteTransformer transformer, DiscreteVocabulary vocabulary, PictureGrammar grammar) {
    this.transformer = transformer;
    this.vocabulary = vocabulary;
    this.grammar = grammar;
  }

  /** Where the random bits come from, and who hears of the steps. */
  interface Steps {
    /** {@return 53 random bits for a code of a picture} */
    long bits(int picture, int code);

    /**
     * After every step.
     *
     * @param codes [N][P] codes, -1 where there is none yet
     * @param done how many columns there are
     */
    void after(int[][] codes, int done);
  }

  /**
   * Draws. Afterwards the contexts hold the first picture's tokens up to the end of its tail; the
   * last code and what stands behind it are not read yet.
   *
   * @param contexts ending with the token that opens a picture, the full one first
   * @param pictures how many
   * @return [N][P] codes
   */
  int[][] draw(
      GenerationRun run,
      List<Context> contexts,
      int pictures,
      DiscreteTransformer.Sampling sampling,
      Steps steps) {
    int[][] codes = new int[pictures][grammar.codes()];
    for (int[] row : codes) {
      Arrays.fill(row, -1);
    }
    try (Scope scope = new Scope()) {
      Value bits = scope.add(bits(steps, pictures));
      Value tensor = scope.add(transformer.newCodes(pictures, grammar.codes()));
      List<Value> hidden = new ArrayList<>();
      List<DiscreteTransformer.Cache> caches = new ArrayList<>();
      long[] positions = new long[contexts.size()];
      for (int g = 0; g < positions.length; g++) {
        Context context = contexts.get(g);
        context.add(grammar.header());
        int capacity = context.length() - grammar.header().length + grammar.length();
        // The conversation's own cache grows now: what fails must fail before the first code.
        context.reserve(capacity);
        hidden.add(context.read(run, scope));
        positions[g] = context.length();
        caches.add(pictures == 1 ? context.cache() : rows(scope, context, pictures, capacity));
      }
      Value groups = scope.add(transformer.groups(caches));
      run.step();
      keep(codes, sampling.firstCodes(hidden, tensor, bits), 0);
      run.token();
      steps.after(codes, 1);
      int done = 1;
      List<Integer> behind = new ArrayList<>();
      for (int place = grammar.header().length + 1; done < grammar.codes(); place++) {
        if (grammar.forced(place).isPresent()) {
          behind.add(grammar.forced(place).getAsInt());
          continue;
        }
        run.step();
        int[] forced = behind.stream().mapToInt(Integer::intValue).toArray();
        keep(codes, sampling.decodeCodes(done, tensor, forced, groups, positions, bits), done);
        for (int g = 0; g < positions.length; g++) {
          positions[g] += 1 + forced.length;
        }
        behind.clear();
        done++;
        run.token();
        steps.after(codes, done);
      }
      extend(contexts, caches, codes[0], pictures);
    }
    return codes;
  }

  private DiscreteTransformer.Cache rows(
      Scope scope, Context context, int pictures, int capacity) {
    DiscreteTransformer.Cache many = scope.add(transformer.newCache(pictures, capacity));
    transformer.copyCache(context.cache(), many, context.length());
    return many;
  }

  /** The conversation goes on with the first picture, whose keys and values are there already. */
  private void extend(
      List<Context> contexts, List<DiscreteTransformer.Cache> caches, int[] codes, int pictures) {
    int[] tokens = grammar.tokens(codes, vocabulary);
    int known = 1 + grammar.header().length;
    int[] drawn = Arrays.copyOfRange(tokens, known, tokens.length);
    int unread = 1 + (grammar.rowEnd().isPresent() ? 1 : 0) + grammar.tail().length;
    for (int g = 0; g < contexts.size(); g++) {
      Context context = contexts.get(g);
      int first = context.length();
      context.add(drawn);
      if (pictures > 1) {
        context.reserve(context.length());
        transformer.copyRow(
            caches.get(g), 0, context.cache(), first, drawn.length - unread);
      }
      context.readAllBut(unread);
    }
  }

  private Value bits(Steps steps, int pictures) {
    long[] bits = new long[Math.multiplyExact(pictures, grammar.codes())];
    for (int n = 0; n < pictures; n++) {
      for (int p = 0; p < grammar.codes(); p++) {
        bits[n * grammar.codes() + p] = steps.bits(n, p);
      }
    }
    return transformer.longs(bits, pictures, grammar.codes());
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
