package dev.diptych.core.engine;

/**
 * How many tokens of a prompt are read at once: few enough to cancel between, and to be multiplied
 * at the matrix kernel's best, which on an Intel Xeon with AMX lies at 450 to 770 rows and is a
 * third lower at 1030. A rest of a few tokens would read all weights for itself, which takes as long
 * as 80 tokens more, so the chunks are of one size.
 */
public final class PromptChunks {
  private static final double SIZE = 512;

  private PromptChunks() {}

  /**
   * {@return how many of the unread tokens are read next}
   *
   * @param unread at least 1
   */
  public static int next(int unread) {
    long chunks = Math.max(1, Math.round(unread / SIZE));
    return Math.toIntExact((unread + chunks - 1) / chunks);
  }
}
