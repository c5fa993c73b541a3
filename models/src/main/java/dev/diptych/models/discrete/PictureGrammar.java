package dev.diptych.models.discrete;

import dev.diptych.core.CheckpointException;
import java.util.OptionalInt;

/**
 * What stands between the token that opens a picture and the text behind it: a header, the codes row
 * by row with or without a token that ends each row, a tail that closes the picture.
 *
 * @param header tokens before the first code, for example those that tell the size
 * @param rows rows of codes
 * @param columns codes of a row
 * @param rowEnd the token behind every row, the last one too
 * @param tail tokens behind the last row; the picture's end is among them
 */
public record PictureGrammar(int[] header, int rows, int columns, OptionalInt rowEnd, int[] tail) {
  private static final int MAX_SIDE = 1 << 10;

  /** Copies the arrays and checks the sizes. */
  public PictureGrammar {
    header = header.clone();
    tail = tail.clone();
    if (rows < 1 || columns < 1 || rows > MAX_SIDE || columns > MAX_SIDE || tail.length == 0) {
      throw new CheckpointException(
          "A picture cannot have "
              + rows
              + " rows of "
              + columns
              + " codes; expected 1 to "
              + MAX_SIDE
              + " of each, and a token that closes it");
    }
  }

  /** A square picture of bare codes between its begin and its end: Chameleon's. */
  public static PictureGrammar plain(int side, int endOfImage) {
    return new PictureGrammar(
        new int[0], side, side, OptionalInt.empty(), new int[] {endOfImage});
  }

  @Override
  public int[] header() {
    return header.clone();
  }

  @Override
  public int[] tail() {
    return tail.clone();
  }

  /** {@return how many codes} */
  public int codes() {
    return rows * columns;
  }

  /** {@return how many tokens stand behind the one that opens the picture} */
  public int length() {
    return header.length + codes() + (rowEnd.isPresent() ? rows : 0) + tail.length;
  }

  /**
   * What stands at a place.
   *
   * @param place 0 for the token right behind the one that opens the picture
   * @return the only token that may stand there, or empty where any code may
   */
  public OptionalInt forced(int place) {
    if (place < header.length) {
      return OptionalInt.of(header[place]);
    }
    int body = place - header.length;
    int rowLength = columns + (rowEnd.isPresent() ? 1 : 0);
    if (body >= rows * rowLength) {
      return OptionalInt.of(tail[body - rows * rowLength]);
    }
    return body % rowLength == columns ? rowEnd : OptionalInt.empty();
  }

  /**
   * The tokens of a picture that is known.
   *
   * @param codes row by row, as many as {@link #codes()}
   * @return from the token that opens the picture to the last of the tail
   */
  public int[] tokens(int[] codes, DiscreteVocabulary vocabulary) {
    if (codes.length != codes()) {
      throw new IllegalArgumentException(
          "A picture of " + rows + " x " + columns + " has not " + codes.length + " codes");
    }
    int[] ids = new int[1 + length()];
    ids[0] = vocabulary.beginOfImage();
    int code = 0;
    for (int place = 0; place < length(); place++) {
      OptionalInt forced = forced(place);
      ids[1 + place] = forced.isPresent() ? forced.getAsInt() : vocabulary.id(codes[code++]);
    }
    return ids;
  }
}
