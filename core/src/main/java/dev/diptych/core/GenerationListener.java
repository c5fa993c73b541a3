package dev.diptych.core;

/**
 * Hears of an answer while it forms. Called on the generating thread, one call at a time; a slow
 * listener slows the generation, and an exception from a listener ends it and reaches the caller of
 * {@code generate}. Listeners must not call the session that they listen to.
 */
public interface GenerationListener {
  /** A listener that hears nothing. */
  GenerationListener NONE = new GenerationListener() {};

  /**
   * A piece of text, complete characters only.
   *
   * @param piece the characters that follow those already told
   */
  default void onText(String piece) {}

  /**
   * The pictures of this request have grown.
   *
   * @param done tokens or steps finished of each picture
   * @param total tokens or steps that each picture takes
   */
  default void onImageProgress(int done, int total) {}

  /**
   * A picture as far as it has formed: what is missing in a neutral colour, or all of it as the model
   * expects it behind the noise that is left. Only when the request asks for previews, and no more
   * often than it allows.
   *
   * @param index which picture, from 0
   * @param preview the picture in its final size
   */
  default void onPreview(int index, Image preview) {}

  /** A finished part of the answer, in order. */
  default void onPart(Part part) {}
}
