package dev.diptych.models.monoformer;

import dev.diptych.core.CheckpointException;
import dev.diptych.core.Part;
import dev.diptych.core.UnsupportedModelException;
import dev.diptych.core.weights.JsonMap;
import dev.diptych.tokenizers.TextTokenizer;
import java.util.List;
import java.util.stream.Collectors;
import java.util.stream.IntStream;

/**
 * Turns what is to be drawn into the ids that MonoFormer was trained on, as infer_dit.py of
 * MonoFormer/MonoFormer@8087266 does: begin, {@code Please generate an image of}, what it is, and
 * the token that opens the picture. Guidance compares with the same without the sentence. Control
 * tokens are put in by id; a user's text is encoded as text, whatever it says.
 *
 * <p>A text that begins with the sentence is taken as it is.
 */
final class MonoFormerPrompt {
  private static final String SENTENCE = "Please generate an image of ";
  // The chat form of cfg.json, word for word.
  private static final String HUMAN = "### Human: ";
  private static final String ASSISTANT = "### Assistant: ";
  private static final String TEMPLATE =
      "{%- for message in messages %}{%- if message['role'] == 'user' %}{{- bos_token + '### Human: '"
          + " + message['content'].strip() }}{%- elif message['role'] == 'assistant' %}{{- '###"
          + " Assistant: ' + message['content'] + eos_token }}{%- endif %}{%- if loop.last and"
          + " add_generation_prompt %}{{- '### Assistant: '}}{%- endif %}{%- endfor %}";

  private final TextTokenizer tokenizer;
  private final boolean chat;
  private final int bos;
  private final int open;

  private MonoFormerPrompt(TextTokenizer tokenizer, boolean chat) {
    this.tokenizer = tokenizer;
    this.chat = chat;
    this.bos = tokenizer.controlId("<s>");
    this.open = tokenizer.controlId("<|im_start|>");
  }

  /**
   * Prepares the form that the training had.
   *
   * @param training cfg.json
   * @throws CheckpointException if the tokenizer is of another checkpoint
   * @throws UnsupportedModelException if the training had a chat form that is not known
   */
  static MonoFormerPrompt of(TextTokenizer tokenizer, MonoFormerConfig config, JsonMap training) {
    int rows = config.decoder().vocabSize();
    if (tokenizer.vocabSize() > rows) {
      throw new CheckpointException(
          "The tokenizer has more tokens than the model\n  expected at most vocab_size " + rows
              + "\n  found    " + tokenizer.vocabSize()
              + " in tokenizer.json\n  Is tokenizer.json from the same checkpoint?");
    }
    int image = tokenizer.controlId("<image>");
    if (image != config.imageTokenIndex()) {
      throw new CheckpointException(
          "The tokenizer disagrees with config.json on the token of pictures\n  expected"
              + " image_token_index " + config.imageTokenIndex() + "\n  found    " + image
              + " in tokenizer.json\n  Is tokenizer.json from the same checkpoint?");
    }
    boolean chat = training.boolOr("use_chat_template", false);
    if (chat && !training.stringOr("chat_template", TEMPLATE).equals(TEMPLATE)) {
      throw new UnsupportedModelException(
          training + ": chat_template is not the authors' own; this library knows no other");
    }
    return new MonoFormerPrompt(tokenizer, chat);
  }

  /** {@return a request for a picture, up to the token that opens it} */
  int[] drawing(List<Part> parts) {
    String what =
        parts.stream().map(part -> ((Part.Text) part).text()).collect(Collectors.joining());
    return framed(what.startsWith(SENTENCE) ? what : SENTENCE + what);
  }

  /** {@return what guidance compares with, up to the token that opens the picture} */
  int[] unconditional() {
    return framed("");
  }

  private int[] framed(String said) {
    String text = chat ? HUMAN + said.strip() + ASSISTANT : said;
    int[] words = text.isEmpty() ? new int[0] : tokenizer.encodeTextBehindControl(text);
    return IntStream.concat(
            IntStream.concat(IntStream.of(bos), IntStream.of(words)), IntStream.of(open))
        .toArray();
  }
}
