package dev.diptych.models.denoising;

/** What stands in a {@link Context} beside words: a picture that was read or drawn. */
public interface Piece {
  /** {@return its rows} */
  SpanLayout layout();

  /**
   * Writes its keys and values behind what a context holds; one native call.
   *
   * @param batch of one context
   */
  void read(Batch batch);
}
