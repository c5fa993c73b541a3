package dev.diptych.models.discrete;

import dev.diptych.core.Output;
import java.util.OptionalInt;

/**
 * Which tokens may come next, whatever the model would like: words until a picture is opened, then
 * the picture's tokens and no others, then words again. All discrete models share it; how a picture
 * is laid out is its {@link PictureGrammar}.
 *
 * <p>The rules are those of facebookresearch/chameleon@dbbe47f
 * (chameleon/inference/chameleon.py, TextDecoder and ImageDecoder): text mode never opens a picture,
 * picture mode opens one at once and ends behind it, interleaved mode opens one where the model
 * does, unless it would no longer fit the context.
 */
final class ModalitySwitch {
  /** What may come next. */
  enum Allowed {
    /** Words, or the end of the answer. */
    TEXT,
    /** Words, the end of the answer, or the token that opens a picture. */
    TEXT_OR_PICTURE,
    /** The one token of {@link #forced()}. */
    FORCED,
    /** Any image code. */
    CODE,
    /** Nothing: the answer is complete. */
    NOTHING
  }

  private static final int OUTSIDE = -1;

  private final DiscreteVocabulary vocabulary;
  private final PictureGrammar grammar;
  private final Output output;
  private final int context;
  private final int mostPictures;
  private int place = OUTSIDE;
  private int pictures;
  private boolean ended;

  /**
   * Begins an answer.
   *
   * @param grammar of every picture; null where none can be drawn
   * @param context most tokens of the conversation and the answer together
   * @param mostPictures how many pictures an interleaved answer may have
   */
  ModalitySwitch(
      DiscreteVocabulary vocabulary,
      PictureGrammar grammar,
      Output output,
      int context,
      int mostPictures) {
    this.vocabulary = vocabulary;
    this.grammar = grammar;
    this.output = output;
    this.context = context;
    this.mostPictures = mostPictures;
  }

  /**
   * Says what may come next.
   *
   * @param length tokens so far, the conversation's included
   */
  Allowed allowed(int length) {
    if (ended) {
      return Allowed.NOTHING;
    }
    if (place != OUTSIDE) {
      return grammar.forced(place).isPresent() ? Allowed.FORCED : Allowed.CODE;
    }
    if (output == Output.IMAGE) {
      return Allowed.FORCED;
    }
    boolean fits = grammar != null && length < context - (1 + grammar.length());
    return output == Output.INTERLEAVED && pictures < mostPictures && fits
        ? Allowed.TEXT_OR_PICTURE
        : Allowed.TEXT;
  }

  /** {@return the only token that may come next, when {@link #allowed} says FORCED} */
  int forced() {
    OptionalInt forced = place == OUTSIDE ? OptionalInt.empty() : grammar.forced(place);
    return forced.orElse(vocabulary.beginOfImage());
  }

  /** {@return whether a picture is open} */
  boolean inPicture() {
    return place != OUTSIDE;
  }

  /** Takes the next token; of several pictures drawn side by side, that of any. */
  void accept(int id) {
    if (place != OUTSIDE) {
      place++;
      if (place == grammar.length()) {
        place = OUTSIDE;
        pictures++;
        ended = output == Output.IMAGE;
      }
    } else if (id == vocabulary.beginOfImage()) {
      place = 0;
    } else {
      ended = id == vocabulary.endOfText();
    }
  }
}
