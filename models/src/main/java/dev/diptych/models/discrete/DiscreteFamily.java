package dev.diptych.models.discrete;

import dev.diptych.core.GenerationOptions;
import dev.diptych.core.GenerationRun;
import dev.diptych.core.Image;
import dev.diptych.core.Output;
import dev.diptych.tokenizers.TextTokenizer;
import java.util.List;
import java.util.Optional;

/**
 * What tells one family of discrete-token models from another: how a turn is laid out, how a picture
 * is, and what guidance compares. {@link DiscreteSession} does the rest.
 */
public interface DiscreteFamily {
  /** {@return the weights} */
  DiscreteTransformer transformer();

  /** {@return what its tokens are} */
  DiscreteVocabulary vocabulary();

  /** {@return the tokenizer of its text} */
  TextTokenizer tokenizer();

  /** {@return most tokens of a conversation} */
  int maxSequenceLength();

  /**
   * The tokens of one turn, pictures encoded, up to where the answer begins; without the token that
   * opens a picture.
   *
   * @param run the request; {@code run.step()} is called before every native call
   * @param first whether the conversation begins with it
   */
  int[] turn(GenerationRun run, boolean first);

  /**
   * How the pictures of an answer are laid out.
   *
   * @return empty if this checkpoint cannot draw
   */
  Optional<PictureGrammar> grammar(GenerationOptions options, Output output);

  /**
   * The layouts of which the model chooses one by the header of each picture of the answer; by
   * default the one that {@link #grammar} gives.
   *
   * @return empty if this checkpoint cannot draw
   */
  default List<PictureGrammar> layouts(GenerationRun run) {
    return grammar(run.options(), run.request().output()).stream().toList();
  }

  /** {@return how words are sampled, where that is not how codes are} */
  default GenerationOptions words(GenerationOptions options) {
    return options;
  }

  /** {@return how codes are sampled, where that is not how words are} */
  default GenerationOptions codes(GenerationOptions options) {
    return options;
  }

  /** {@return what guidance compares} */
  Guidance guidance(GenerationOptions options);

  /**
   * Turns codes into pixels.
   *
   * @param codes row by row, -1 where not known yet
   * @param whole whether all are known
   * @param step called while native code works; may throw to end it
   */
  Image pixels(int[] codes, PictureGrammar grammar, boolean whole, Runnable step);

  /** Refuses what does not fit beside the weights. */
  void requireMemory(String what, long bytes);
}
