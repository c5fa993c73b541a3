package dev.diptych.models.emu3;

import dev.diptych.core.Image;
import dev.diptych.core.Part;
import dev.diptych.models.discrete.PictureGrammar;
import dev.diptych.tokenizers.TextTokenizer;
import java.util.ArrayList;
import java.util.List;
import java.util.OptionalInt;
import java.util.function.Function;
import java.util.stream.IntStream;

/**
 * Turns what a user says into the ids that Emu3 was trained on: the chat form of Emu3-Chat and the
 * drawing form of Emu3-Gen, word for word (baaivision/Emu3@f6ea9aa, emu3/mllm/processing_emu3.py and
 * image_generation.py), framed as {@code Emu3Processor} frames them
 * (huggingface/transformers v5.18.0). Control tokens are put in by id; a user's text is encoded as
 * text, whatever it says.
 *
 * <p>A picture is BOI, its rows and columns of codes in words, {@code 64*64}, the image token, rows
 * of codes each with its end, the end of the frame, EOI.
 *
 * <p>The references have conversations of one turn. A later one follows the end of the answer before
 * it, with its role and without the sentence of the system; a later drawing is a text of its own
 * behind what was drawn.
 */
final class Emu3Prompt {
  private static final String SYSTEM = "You are a helpful assistant. ";
  private static final String USER = "USER: ";
  // The form puts the full stop behind whatever the user says.
  private static final String ASSISTANT = ". ASSISTANT:";
  // POSITIVE_PROMPT and NEGATIVE_PROMPT of the authors' program.
  private static final String PRAISE = " masterpiece, film grained, best quality.";
  private static final String BLAME =
      "lowres, bad anatomy, bad hands, text, error, missing fingers, extra digit, fewer digits,"
          + " cropped, worst quality, low quality, normal quality, jpeg artifacts, signature,"
          + " watermark, username, blurry.";

  private final TextTokenizer tokenizer;
  private final Emu3Vocabulary vocabulary;

  Emu3Prompt(TextTokenizer tokenizer, Emu3Vocabulary vocabulary) {
    this.tokenizer = tokenizer;
    this.vocabulary = vocabulary;
  }

  /**
   * One turn of a chat, up to where the answer begins.
   *
   * @param first whether it is the conversation's first
   * @param pictures gives the tokens of a picture, from BOI to EOI
   */
  int[] reading(List<Part> parts, boolean first, Function<Image, int[]> pictures) {
    Ids ids = new Ids();
    if (first) {
      ids.add(vocabulary.bos());
      ids.text(SYSTEM);
    }
    ids.text(USER);
    for (Part part : parts) {
      if (part instanceof Part.Picture picture) {
        ids.add(pictures.apply(picture.image()));
      } else {
        ids.text(((Part.Text) part).text());
      }
    }
    ids.text(ASSISTANT);
    return ids.array();
  }

  /** {@return a request for a picture, up to the token that opens it} */
  int[] drawing(List<Part> parts) {
    Ids ids = new Ids();
    ids.add(vocabulary.bos());
    parts.forEach(part -> ids.text(((Part.Text) part).text()));
    ids.text(PRAISE);
    return ids.array();
  }

  /** {@return what guidance steers away from, with the token that opens a picture} */
  int[] unconditional() {
    Ids ids = new Ids();
    ids.add(vocabulary.bos());
    ids.text(BLAME);
    ids.add(vocabulary.discrete().beginOfImage());
    return ids.array();
  }

  /** {@return how a picture of a prompt is laid out} */
  PictureGrammar read(int rows, int columns) {
    return grammar(rows, columns, vocabulary.endOfFrame(), vocabulary.discrete().endOfImage());
  }

  /** {@return how a picture that is drawn is laid out: the end of the text comes with it} */
  PictureGrammar drawn(int rows, int columns) {
    return grammar(
        rows,
        columns,
        vocabulary.endOfFrame(),
        vocabulary.discrete().endOfImage(),
        vocabulary.discrete().endOfText());
  }

  private PictureGrammar grammar(int rows, int columns, int... tail) {
    Ids header = new Ids();
    header.text(rows + "*" + columns);
    header.add(vocabulary.imageToken());
    return new PictureGrammar(
        header.array(), rows, columns, OptionalInt.of(vocabulary.endOfRow()), tail);
  }

  /** Collects ids; text between control tokens is encoded in one piece, as the reference does. */
  private final class Ids {
    private final List<int[]> pieces = new ArrayList<>();
    private final StringBuilder pending = new StringBuilder();

    void text(String text) {
      pending.append(text);
    }

    void add(int... ids) {
      flush();
      pieces.add(ids);
    }

    private void flush() {
      if (pending.length() > 0) {
        pieces.add(tokenizer.encodeTextBehindControl(pending.toString()));
        pending.setLength(0);
      }
    }

    int[] array() {
      flush();
      return pieces.stream().flatMapToInt(IntStream::of).toArray();
    }
  }
}
