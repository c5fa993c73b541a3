package dev.diptych.models.discrete;

import dev.diptych.core.CheckpointException;
import java.util.Arrays;

/**
 * Which tokens of one vocabulary are words and which are pictures.
 *
 * @param imageIds the token of every image code, ascending; code c is {@code imageIds[c]}
 * @param textIds the tokens that text may hold, without the end
 * @param endOfText the token that ends an answer
 * @param beginOfImage the token that opens a picture
 * @param endOfImage the token that closes it
 */
public record DiscreteVocabulary(
    int[] imageIds, int[] textIds, int endOfText, int beginOfImage, int endOfImage) {

  /**
   * Copies the arrays and checks the order.
   *
   * @throws CheckpointException if the image tokens do not ascend with their codes
   */
  public DiscreteVocabulary {
    imageIds = imageIds.clone();
    textIds = textIds.clone();
    if (imageIds.length == 0) {
      throw new CheckpointException("The vocabulary has no image codes");
    }
    for (int code = 1; code < imageIds.length; code++) {
      if (imageIds[code] <= imageIds[code - 1]) {
        throw new CheckpointException(
            "The image codes of the vocabulary are out of order\n  expected ascending tokens\n"
                + "  found    token "
                + imageIds[code]
                + " for code "
                + code
                + " behind token "
                + imageIds[code - 1]);
      }
    }
  }

  @Override
  public int[] imageIds() {
    return imageIds.clone();
  }

  @Override
  public int[] textIds() {
    return textIds.clone();
  }

  /** {@return how many image codes there are} */
  public int codes() {
    return imageIds.length;
  }

  /** {@return the token of a code} */
  public int id(int code) {
    return imageIds[code];
  }

  /** {@return the code of a token, negative if it is none} */
  public int code(int id) {
    return Arrays.binarySearch(imageIds, id);
  }

  /** {@return whether a token belongs to a picture: a code, or the begin or end of one} */
  public boolean ofPicture(int id) {
    return id == beginOfImage || id == endOfImage || code(id) >= 0;
  }
}
