package dev.diptych.models.denoising;

import java.util.OptionalInt;

/**
 * Which tokens an answer may hold.
 *
 * @param textIds the tokens that text may hold, without the end
 * @param endOfText the token that ends an answer
 * @param beginOfImage the token by which the model opens a picture, where it does so itself
 */
public record WordVocabulary(int[] textIds, int endOfText, OptionalInt beginOfImage) {
  /** Copies the array. */
  public WordVocabulary {
    textIds = textIds.clone();
  }

  @Override
  public int[] textIds() {
    return textIds.clone();
  }
}
