package dev.diptych.models.denoising;

/**
 * How the rows that one native call computes stand to each other.
 *
 * @param rows T, how many, at least 1
 * @param full whether each sees all of them and not only those before it
 * @param pictureBegin first row that is of a picture and computed by the weights of pictures
 * @param pictureEnd the row behind the last of those; as pictureBegin where there are none
 * @param onePosition whether all share one position, and not one each
 */
public record SpanLayout(
    int rows, boolean full, int pictureBegin, int pictureEnd, boolean onePosition) {

  /** Checks the numbers. */
  public SpanLayout {
    if (rows < 1 || pictureBegin < 0 || pictureEnd < pictureBegin || pictureEnd > rows) {
      throw new IllegalArgumentException(
          "No span of " + rows + " rows with a picture from " + pictureBegin + " to " + pictureEnd);
    }
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

  /** {@return by how much the next position moves on} */
  public int positions() {
    return onePosition ? 1 : rows;
  }

  /** {@return begin and end of the rows that all see each other, for a script} */
  long[] blocks() {
    return full ? new long[] {0, rows} : new long[0];
  }

  /** {@return begin and end of the picture's rows, for a script} */
  long[] pictures() {
    return pictureEnd > pictureBegin ? new long[] {pictureBegin, pictureEnd} : new long[0];
  }
}
