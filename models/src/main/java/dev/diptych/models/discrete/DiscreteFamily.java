package dev.diptych.models.discrete;

import dev.diptych.core.GenerationOptions;
import dev.diptych.core.GenerationRun;
import dev.diptych.core.Image;
import dev.diptych.tokenizers.TextTokenizer;
import java.util.List;

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
   * How the pictures of an answer may be laid out: one layout, or several of which the model chooses
   * by the header of each picture.
   *
   * @param run whose request wants pictures
   * @return empty if this checkpoint cannot draw
   * @throws dev.diptych.core.InvalidRequestException if a size is asked for that it does not draw
   */
  List<PictureGrammar> layouts(GenerationRun run);

  /** {@return how words are sampled, where that is not how codes are} */
  default GenerationOptions words(GenerationOptions options) {
    return options;
  }

  /** {@return how the codes of an interleaved answer are sampled} */
  default GenerationOptions codes(GenerationOptions options) {
    if (options.imageTemperature().isEmpty()) {
      return options;
    }
    double temperature = options.imageTemperature().getAsDouble();
    return options.toBuilder().greedy(temperature == 0).temperature(temperature).build();
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
