package dev.diptych.models.chameleon;

import dev.diptych.core.Image;
import dev.diptych.core.Part;
import dev.diptych.models.discrete.PictureGrammar;
import dev.diptych.tokenizers.TextTokenizer;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.OptionalInt;
import java.util.stream.IntStream;

/**
 * Turns what a user says into ids, as {@code tokens_from_ui} does (facebookresearch/chameleon@dbbe47f,
 * chameleon/inference/chameleon.py), with an end of the turn behind it, as transformers'
 * {@code ChameleonProcessor} (v5.18.0) puts there; Lumina-mGPT writes the same (Alpha-VLLM/
 * Lumina-mGPT@104abe4, lumina_mgpt/data). Nobody has a role's name, and there is no system sentence.
 *
 * <p>Control tokens are put in by id; a user's text is encoded as text, whatever it says. Every part
 * is encoded by itself, so two texts in a row are not read as one, which transformers would.
 */
final class ChameleonPrompt {
  /** A piece of a prompt. */
  sealed interface Segment {
    /** Ids that are known. */
    record Ids(int[] ids) implements Segment {}

    /** A picture, which becomes {@link PictureGrammar#tokens} of {@link #grammar}. */
    record Picture(Image image) implements Segment {}
  }

  private final TextTokenizer tokenizer;
  private final ChameleonVocabulary vocabulary;
  private final ChameleonConfig.Family family;

  ChameleonPrompt(
      TextTokenizer tokenizer, ChameleonVocabulary vocabulary, ChameleonConfig.Family family) {
    this.tokenizer = tokenizer;
    this.vocabulary = vocabulary;
    this.family = family;
  }

  /**
   * One turn of a conversation, up to where the answer begins.
   *
   * @param first whether it is the conversation's first, which begins with {@code <s>}
   */
  List<Segment> turn(List<Part> parts, boolean first) {
    List<Segment> segments = new ArrayList<>();
    IntStream.Builder ids = IntStream.builder();
    if (first) {
      ids.add(vocabulary.bos());
    }
    for (Part part : parts) {
      if (part instanceof Part.Picture picture) {
        ids = flush(ids, segments);
        segments.add(new Segment.Picture(picture.image()));
      } else {
        for (int id : tokenizer.encodeTextBehindControl(((Part.Text) part).text())) {
          ids.add(id);
        }
      }
    }
    ids.add(vocabulary.endOfTurn());
    flush(ids, segments);
    return segments;
  }

  private static IntStream.Builder flush(IntStream.Builder ids, List<Segment> segments) {
    int[] array = ids.build().toArray();
    if (array.length > 0) {
      segments.add(new Segment.Ids(array));
    }
    return IntStream.builder();
  }

  /**
   * A request for a picture, up to where the answer begins. Chameleon and Anole have no words of
   * their own for it; Lumina-mGPT was trained behind a sentence.
   *
   * @param width of the picture in pixels
   * @param height of the picture in pixels
   * @param first whether it is the conversation's first turn
   */
  List<Segment> drawing(List<Part> parts, int width, int height, boolean first) {
    if (family == ChameleonConfig.Family.CHAMELEON) {
      return turn(parts, first);
    }
    // demos/demo_image_generation.py, word for word; the sentence and the words are one text there
    String sentence =
        String.format(
            Locale.ROOT,
            "Generate an image of %dx%d according to the following prompt:\n",
            width,
            height);
    List<Part> all = new ArrayList<>(parts);
    if (!all.isEmpty() && all.get(0) instanceof Part.Text text) {
      all.set(0, Part.of(sentence + text.text()));
    } else {
      all.add(0, Part.of(sentence));
    }
    return turn(all, first);
  }

  /**
   * How a picture stands between its begin and its end: the codes alone; in Lumina-mGPT behind its
   * height and width in patches of 2 x 2 codes, with an end behind every row.
   *
   * @param rows rows of codes, even in Lumina-mGPT
   * @param columns codes of a row, even in Lumina-mGPT
   */
  PictureGrammar grammar(int rows, int columns) {
    int[] tail = {vocabulary.endOfImage()};
    if (family == ChameleonConfig.Family.CHAMELEON) {
      return new PictureGrammar(new int[0], rows, columns, OptionalInt.empty(), tail);
    }
    if (rows % 2 != 0 || columns % 2 != 0) {
      throw new IllegalArgumentException(rows + " x " + columns + " codes; expected even numbers");
    }
    return new PictureGrammar(
        new int[] {vocabulary.size(rows / 2), vocabulary.size(columns / 2)},
        rows,
        columns,
        OptionalInt.of(vocabulary.newLine()),
        tail);
  }
}
