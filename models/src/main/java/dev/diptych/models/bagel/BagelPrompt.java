package dev.diptych.models.bagel;

import dev.diptych.core.CheckpointException;
import dev.diptych.models.denoising.WordVocabulary;
import dev.diptych.tokenizers.TextTokenizer;
import java.nio.file.Path;
import java.util.OptionalInt;
import java.util.Set;
import java.util.stream.IntStream;

/**
 * Tokens of BAGEL: every text stands between two, every picture between two others, and nobody has a
 * role (ByteDance-Seed/Bagel@056b5fd, data/data_utils.py and inferencer.py). A user's text is encoded
 * as text, whatever it says.
 */
final class BagelPrompt {
  static final String BEGIN = "<|im_start|>";
  static final String END = "<|im_end|>";
  static final String BEGIN_OF_IMAGE = "<|vision_start|>";
  static final String END_OF_IMAGE = "<|vision_end|>";

  // The published sentences, word for word: the model was trained behind them.
  private static final String THINK_THEN_ANSWER =
      "You should first think about the reasoning process in the mind and then provide the user with"
          + " the answer. \n"
          + "The reasoning process is enclosed within <think> </think> tags, i.e. <think> reasoning"
          + " process here </think> answer here";
  private static final String THINK_THEN_DRAW =
      "You should first think about the planning process in the mind and then generate the image. \n"
          + "The planning process is enclosed within <think> </think> tags, i.e. <think> planning"
          + " process here </think> image here";

  private final TextTokenizer tokenizer;
  private final int begin;
  private final int end;
  private final int beginOfImage;
  private final int endOfImage;

  /**
   * Prepares the tokens.
   *
   * @param tokenizer as {@link #load} reads it
   * @param vocabSize rows of the embedding table
   * @throws CheckpointException if it lacks a token, or has more than the model
   */
  BagelPrompt(TextTokenizer tokenizer, int vocabSize) {
    this.tokenizer = tokenizer;
    this.begin = tokenizer.controlId(BEGIN);
    this.end = tokenizer.controlId(END);
    this.beginOfImage = tokenizer.controlId(BEGIN_OF_IMAGE);
    this.endOfImage = tokenizer.controlId(END_OF_IMAGE);
    // A token without a row in the embedding table would read beyond it.
    if (tokenizer.vocabSize() > vocabSize) {
      throw new CheckpointException(
          "The tokenizer has more tokens than the model\n  expected at most vocab_size "
              + vocabSize
              + "\n  found    "
              + tokenizer.vocabSize()
              + " in tokenizer.json\n  Is tokenizer.json from the same checkpoint?");
    }
  }

  /** {@return the tokenizer of a folder, in which the four tokens are control tokens whatever it says} */
  static TextTokenizer load(Path folder) {
    return TextTokenizer.load(folder, Set.of(BEGIN, END, BEGIN_OF_IMAGE, END_OF_IMAGE)::contains);
  }

  /** {@return what an answer may hold: all that is no control token, where the reference has no rule} */
  WordVocabulary vocabulary() {
    int[] text =
        IntStream.range(0, tokenizer.vocabSize())
            .filter(
                id ->
                    !tokenizer.decode(new int[] {id}, TextTokenizer.Controls.SKIP).isEmpty())
            .toArray();
    return new WordVocabulary(text, end, OptionalInt.empty());
  }

  int begin() {
    return begin;
  }

  int end() {
    return end;
  }

  int beginOfImage() {
    return beginOfImage;
  }

  int endOfImage() {
    return endOfImage;
  }

  /** {@return a text between its two tokens} */
  int[] words(String text) {
    return framed(tokenizer.encodeTextBehindControl(text));
  }

  /** {@return ids between the two tokens of a text} */
  int[] framed(int[] ids) {
    int[] framed = new int[ids.length + 2];
    framed[0] = begin;
    System.arraycopy(ids, 0, framed, 1, ids.length);
    framed[framed.length - 1] = end;
    return framed;
  }

  /**
   * {@return an answer as it is read when the conversation goes on: its text, encoded anew, which
   * need not be the tokens that it was written in}
   */
  int[] again(int[] answer) {
    return words(tokenizer.decode(answer, TextTokenizer.Controls.SKIP));
  }

  /** {@return the text that asks for thoughts before what is wanted} */
  int[] think(boolean beforePicture) {
    return words(beforePicture ? THINK_THEN_DRAW : THINK_THEN_ANSWER);
  }
}
