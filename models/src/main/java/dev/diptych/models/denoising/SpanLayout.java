package dev.diptych.models.denoising;

/**
 * How the rows that one native call computes stand to each other.
 *
 * @param rows T, how many, at least 1
 * @param blockBegin first row of those that all see each other; the others see what stands before
 *     them
 * @param blockEnd the row behind the last of those; as blockBegin where there are none
 * @param pictureBegin first row that is of a picture and computed by the weights of pictures
 * @param pictureEnd the row behind the last of those; as pictureBegin where there are none
 * @param onePosition whether all share one position, and not one each
 */
public record SpanLayout(
    int rows,
    int blockBegin,
    int blockEnd,
    int pictureBegin,
    int pictureEnd,
    boolean onePosition) {

  /** Checks the numbers. */
  public SpanLayout {
    if (rows < 1 || pictureBegin < 0 || pictureEnd < pictureBegin || pictureEnd > rows) {
      throw new IllegalArgumentException(
          "No span of " + rows + " rows with a picture from " + pictureBegin + " to " + pictureEnd);
    }
    if (blockBegin < 0 || blockEnd < blockBegin || blockEnd > rows) {
      throw new IllegalArgumentException(
          "No span of " + rows + " rows with a block from " + blockBegin + " to " + blockEnd);
    }
  }

  /**
   * Rows that all see each other, or that all see what stands before them.
   *
   * @param full whether each sees all of them and not only those before it
   */
  public SpanLayout(
      int rows, boolean full, int pictureBegin, int pictureEnd, boolean onePosition) {
    this(rows, 0, full ? rows : 0, pictureBegin, pictureEnd, onePosition);
  }

  /** {@return words, and whatever else goes by their weights and sees what stands before it} */
  public static SpanLayout words(int rows) {
    return new SpanLayout(rows, false, 0, 0, false);
  }

  /** {@return the patches of a picture, which all see each other} */
  public static SpanLayout picture(int patches) {
    return new SpanLayout(patches, true, 0, patches, false);
  }

  /**
   * {@return the patches of a picture between two words that open and close it; all see each other
   * and share one position (BAGEL)}
   */
  public static SpanLayout framed(int patches) {
    return new SpanLayout(patches + 2, true, 1, patches + 1, true);
  }

  /**
   * {@return the patches of a picture behind rows that tell the time and see only what stands before
   * them (MonoFormer)}
   *
   * @param before how many such rows
   * @param full whether the patches all see each other
   */
  public static SpanLayout led(int before, int patches, boolean full) {
    int rows = before + patches;
    return new SpanLayout(rows, before, full ? rows : before, before, rows, false);
  }

  /** {@return by how much the next position moves on} */
  public int positions() {
    return onePosition ? 1 : rows;
  }

  /** {@return begin and end of the rows that all see each other, for a script} */
  long[] blocks() {
    return blockEnd > blockBegin ? new long[] {blockBegin, blockEnd} : new long[0];
  }

  /** {@return begin and end of the picture's rows, for a script} */
  long[] pictures() {
    return pictureEnd > pictureBegin ? new long[] {pictureBegin, pictureEnd} : new long[0];
  }
}
