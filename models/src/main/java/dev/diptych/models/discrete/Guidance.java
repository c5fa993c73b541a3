package dev.diptych.models.discrete;

import java.util.OptionalDouble;

/**
 * How the words of a prompt are stressed while a picture is drawn: by the difference between what the
 * model would draw with them and without.
 *
 * @param text weight of the words
 * @param image weight of the conversation's pictures; empty for models that tell the two not apart
 *     and whose guidance has two rows
 * @param unconditional the context without words and pictures, up to the token that opens a picture
 */
public record Guidance(double text, OptionalDouble image, int[] unconditional) {
  /** Copies the array. */
  public Guidance {
    unconditional = unconditional.clone();
  }

  @Override
  public int[] unconditional() {
    return unconditional.clone();
  }

  /** {@return whether the full context alone decides, by rule and not by chance} */
  boolean none() {
    return text == 1 && image.orElse(1) == 1;
  }
}
