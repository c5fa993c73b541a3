package dev.diptych.models.discrete;

import dev.diptych.core.Output;
import java.util.Arrays;

/**
 * Which tokens may come next, whatever the model would like: words until a picture is opened, then
 * the picture's tokens and no others, then words again. All discrete models share it; how a picture
 * is laid out is its {@link PictureGrammar}, and where there are several the model chooses one by the
 * picture's header.
 *
 * <p>The rules are those of facebookresearch/chameleon@dbbe47f
 * (chameleon/inference/chameleon.py, TextDecoder and ImageDecoder): text mode never opens a picture,
 * picture mode opens one at once and ends behind it, interleaved mode opens one where the model
 * does, unless it would no longer fit the context. A drawing that is thought over begins as an
 * interleaved answer does, and ends behind its picture; what would end the words opens it.
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
    /** One of the tokens of {@link #choices()}. */
    CHOICE,
    /** Any image code. */
    CODE,
    /** Nothing: the answer is complete. */
    NOTHING
  }

  private static final int OUTSIDE = -1;

  private final DiscreteVocabulary vocabulary;
  private final PictureLayouts layouts;
  private final Output output;
  private final int context;
  private final int mostPictures;
  private int place = OUTSIDE;
  private int[] header = new int[0];
  // of the open picture, when its header is whole
  private PictureGrammar grammar;
  private int pictures;
  private boolean ended;
  private boolean thinking;

  /**
   * Begins an answer.
   *
   * @param layouts that a picture may have; null where none can be drawn
   * @param context most tokens of the conversation and the answer together
   * @param mostPictures how many pictures an interleaved answer may have
   * @param thinks whether words may stand before a drawing
   */
  ModalitySwitch(
      DiscreteVocabulary vocabulary,
      PictureLayouts layouts,
      Output output,
      int context,
      int mostPictures,
      boolean thinks) {
    this.vocabulary = vocabulary;
    this.layouts = layouts;
    this.output = output;
    this.context = context;
    this.mostPictures = mostPictures;
    this.thinking = thinks && output == Output.IMAGE;
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
    if (inHeader()) {
      return choices().length == 1 ? Allowed.FORCED : Allowed.CHOICE;
    }
    if (place != OUTSIDE) {
      return grammar.forced(place).isPresent() ? Allowed.FORCED : Allowed.CODE;
    }
    boolean fits = layouts != null && length < context - (1 + layouts.longest());
    if (output == Output.IMAGE) {
      return thinking && fits ? Allowed.TEXT_OR_PICTURE : Allowed.FORCED;
    }
    return output == Output.INTERLEAVED && pictures < mostPictures && fits
        ? Allowed.TEXT_OR_PICTURE
        : Allowed.TEXT;
  }

  /** {@return the only token that may come next, when {@link #allowed} says FORCED} */
  int forced() {
    if (place == OUTSIDE) {
      return vocabulary.beginOfImage();
    }
    return inHeader() ? choices()[0] : grammar.forced(place).getAsInt();
  }

  /** {@return whether words are said that a drawing is to follow} */
  boolean thinking() {
    return thinking;
  }

  /** Lets no more words come before the drawing. */
  void ceaseThinking() {
    thinking = false;
  }

  /** {@return the tokens of which one comes next, when {@link #allowed} says CHOICE} */
  int[] choices() {
    return layouts.next(header);
  }

  /** {@return the layout of the open picture, when its header is whole} */
  PictureGrammar grammar() {
    return grammar;
  }

  /** {@return whether the open picture's layout is not told yet} */
  boolean inHeader() {
    return place != OUTSIDE && grammar == null;
  }

  /** Takes the next token; of several pictures drawn side by side, that of any. */
  void accept(int id) {
    if (place != OUTSIDE) {
      place++;
      if (grammar == null) {
        header = Arrays.copyOf(header, place);
        header[place - 1] = id;
        settle();
      } else if (place == grammar.length()) {
        place = OUTSIDE;
        pictures++;
        ended = output == Output.IMAGE;
      }
    } else if (id == vocabulary.beginOfImage()) {
      place = 0;
      thinking = false;
      header = new int[0];
      grammar = null;
      settle();
    } else {
      ended = id == vocabulary.endOfText();
    }
  }

  private void settle() {
    if (header.length == layouts.headerLength()) {
      grammar = layouts.of(header);
    }
  }
}
