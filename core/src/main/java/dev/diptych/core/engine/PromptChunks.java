package dev.diptych.core.engine;

/**
 * How many tokens of a prompt are read at once: few enough to cancel between, and as many as the matrix
 * kernel takes at its best. On an Intel Xeon with AMX a product with 512 rows takes as long as one with
 * 343 and two thirds of one with 513: {@code diptych bench kernels --rows 343,512,513,1030} shows it.
 * So a prompt is read in chunks of 512 and what is left, which at 6 rows takes a sixth of a chunk.
 */
public final class PromptChunks {
  private static final int SIZE = 512;

  private PromptChunks() {}

  /**
   * {@return how many of the unread tokens are read next}
   *
   * @param unread at least 1
   */
  public static int next(int unread) {
    return Math.min(unread, SIZE);
  }
}
