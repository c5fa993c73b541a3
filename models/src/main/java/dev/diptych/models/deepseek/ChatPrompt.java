package dev.diptych.models.deepseek;

import dev.diptych.core.Part;
import dev.diptych.tokenizers.TextTokenizer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Collectors;
import java.util.stream.IntStream;

/**
 * Turns what a user says into the token ids that Janus and JanusFlow were trained on: the chat
 * template of the HF-native layout (huggingface/transformers v5.18.0, models/janus) and the
 * "deepseek" conversation of the original (deepseek-ai/Janus@1daa72f, janus/utils/conversation.py).
 * Control tokens are put in by id; the user's text is encoded as text, whatever it says.
 */
public final class ChatPrompt {
  /** Begins every sequence. */
  public static final String BOS = "<｜begin▁of▁sentence｜>";
  /** Ends every answer. */
  public static final String EOS = "<｜end▁of▁sentence｜>";
  /** Fills the rows of the unconditional prompt. */
  public static final String PAD = "<｜▁pad▁｜>";
  /** Begins a picture. */
  public static final String BEGIN_OF_IMAGE = "<begin_of_image>";
  /** Ends a picture. */
  public static final String END_OF_IMAGE = "<end_of_image>";
  /** Stands where a token of a picture is put in. */
  public static final String IMAGE_PLACEHOLDER = "<image_placeholder>";
  // The published sentence, word for word: the model was trained behind it.
  private static final String SYSTEM =
      "You are a helpful language and vision assistant. You are able to understand the visual"
          + " content that the user provides, and assist the user with a variety of tasks using"
          + " natural language.";

  /** Whose way of laying out a turn is followed. */
  public enum Template {
    /** The chat template of the HF-native layout. */
    HF,
    /** The "deepseek" conversation of the original. */
    ORIGINAL
  }

  /** How the two who speak are named. */
  public enum Roles {
    /** Janus-Pro: control tokens. */
    TOKENS("<|User|>", "<|Assistant|>"),
    /** Janus-1.3B and JanusFlow-1.3B: words. */
    PLAIN("User", "Assistant");

    private final String user;
    private final String assistant;

    Roles(String user, String assistant) {
      this.user = user;
      this.assistant = assistant;
    }
  }

  private final TextTokenizer tokenizer;
  private final int imageTokens;
  private final boolean system;
  private final Roles roles;
  private final Template template;
  private final int bos;
  private final int eos;
  private final int pad;
  private final int beginOfImage;
  private final int endOfImage;
  private final int placeholder;

  /**
   * Prepares the template.
   *
   * @param imageTokens placeholders of one picture
   * @param system whether a conversation begins with the published system sentence
   * @param roles how the two who speak are named
   * @param template whose way of laying out a turn is followed
   */
  public ChatPrompt(
      TextTokenizer tokenizer,
      int imageTokens,
      boolean system,
      Roles roles,
      Template template) {
    this.tokenizer = tokenizer;
    this.imageTokens = imageTokens;
    this.system = system;
    this.roles = roles;
    this.template = template;
    this.bos = tokenizer.controlId(BOS);
    this.eos = tokenizer.controlId(EOS);
    this.pad = tokenizer.controlId(PAD);
    this.beginOfImage = tokenizer.controlId(BEGIN_OF_IMAGE);
    this.endOfImage = tokenizer.controlId(END_OF_IMAGE);
    this.placeholder = tokenizer.controlId(IMAGE_PLACEHOLDER);
  }

  /**
   * A prompt.
   *
   * @param ids with every picture as BOI, P placeholders, EOI
   * @param imagePositions where in the ids the placeholders are
   */
  public record Encoded(int[] ids, int[] imagePositions) {}

  /** {@return the id that ends an answer} */
  public int eos() {
    return eos;
  }

  /**
   * One turn of a conversation, up to where the answer begins.
   *
   * @param first whether it is the conversation's first; a later one follows the EOS of the answer
   *     before it
   */
  public Encoded understanding(List<Part> parts, boolean first) {
    Ids ids = new Ids();
    if (first) {
      ids.control(bos);
      if (system) {
        ids.text(SYSTEM + "\n\n");
      }
    }
    turn(ids, parts);
    return ids.encoded();
  }

  private void turn(Ids ids, List<Part> parts) {
    List<String> content = content(parts);
    // The original writes an empty turn as its role alone.
    boolean silent = template == Template.ORIGINAL && content.isEmpty();
    ids.role(roles.user);
    ids.text(silent ? ":" : ": ");
    for (String piece : content) {
      if (piece == null) {
        ids.image();
      } else {
        ids.text(piece);
      }
    }
    ids.text(silent ? "" : "\n\n");
    ids.role(roles.assistant);
    ids.text(":");
  }

  /**
   * What the user says, null for a picture. A picture has a line of its own. The chat template
   * strips the first and the last part where they are text; the original strips the whole, and leaves
   * the line to the user: white space of his that touches a picture takes the place of the break.
   */
  private List<String> content(List<Part> parts) {
    List<String> content = new ArrayList<>();
    boolean original = template == Template.ORIGINAL;
    for (int i = 0; i < parts.size(); i++) {
      boolean first = i == 0;
      boolean last = i == parts.size() - 1;
      if (parts.get(i) instanceof Part.Text part) {
        String text = first && !original ? stripLeading(part.text()) : part.text();
        text = last && !original ? stripTrailing(text) : text;
        boolean behindText = !first && parts.get(i - 1) instanceof Part.Text;
        content.add(behindText ? " " + text : text);
      } else {
        content.add(first || original && endsInSpace(parts.get(i - 1)) ? "" : "\n");
        content.add(null);
        content.add(last || original && beginsWithSpace(parts.get(i + 1)) ? "" : "\n");
      }
    }
    if (original) {
      strip(content);
    }
    return content;
  }

  private static void strip(List<String> content) {
    while (!content.isEmpty() && content.get(0) != null) {
      String text = stripLeading(content.remove(0));
      if (!text.isEmpty()) {
        content.add(0, text);
        break;
      }
    }
    for (int i = content.size() - 1; i >= 0 && content.get(i) != null; i--) {
      String text = stripTrailing(content.remove(i));
      if (!text.isEmpty()) {
        content.add(text);
        break;
      }
    }
  }

  private static boolean beginsWithSpace(Part part) {
    return part instanceof Part.Text t && !stripLeading(t.text()).equals(t.text());
  }

  private static boolean endsInSpace(Part part) {
    return part instanceof Part.Text t && !stripTrailing(t.text()).equals(t.text());
  }

  private static String stripLeading(String text) {
    int from = 0;
    while (from < text.length() && isSpace(text.charAt(from))) {
      from++;
    }
    return text.substring(from);
  }

  private static String stripTrailing(String text) {
    int to = text.length();
    while (to > 0 && isSpace(text.charAt(to - 1))) {
      to--;
    }
    return text.substring(0, to);
  }

  /** Python's white space, which both references strip: Java's knows no fixed spaces and no NEL. */
  private static boolean isSpace(char c) {
    return Character.isWhitespace(c) || Character.isSpaceChar(c) || c == '\u0085';
  }

  /** {@return what precedes a drawing: no system sentence, BOI at the end} */
  public int[] drawing(List<Part> parts) {
    return drawing(parts, beginOfImage);
  }

  /** {@return what precedes a drawing: no system sentence, another control token at the end} */
  public int[] drawing(List<Part> parts, int last) {
    Ids ids = new Ids();
    ids.control(bos);
    turn(ids, parts);
    ids.control(last);
    return ids.encoded().ids();
  }

  /** {@return the prompt without its words: pads between its first token and its last} */
  public int[] unconditional(int[] ids) {
    int[] row = new int[ids.length];
    Arrays.fill(row, pad);
    row[0] = ids[0];
    row[ids.length - 1] = ids[ids.length - 1];
    return row;
  }

  /** Collects ids; text between control tokens is encoded in one piece, as the reference does. */
  private final class Ids {
    private final List<Integer> ids = new ArrayList<>();
    private final List<Integer> positions = new ArrayList<>();
    private final StringBuilder pending = new StringBuilder();

    void text(String text) {
      pending.append(text);
    }

    void control(int id) {
      flush();
      ids.add(id);
    }

    void role(String name) {
      if (roles == Roles.TOKENS) {
        control(tokenizer.controlId(name));
      } else {
        text(name);
      }
    }

    void image() {
      control(beginOfImage);
      for (int i = 0; i < imageTokens; i++) {
        positions.add(ids.size());
        ids.add(placeholder);
      }
      ids.add(endOfImage);
    }

    private void flush() {
      if (pending.length() > 0) {
        int[] encoded = tokenizer.encodeTextBehindControl(pending.toString());
        ids.addAll(Arrays.stream(encoded).boxed().collect(Collectors.toList()));
        pending.setLength(0);
      }
    }

    Encoded encoded() {
      flush();
      return new Encoded(array(ids), array(positions));
    }

    private int[] array(List<Integer> list) {
      return list.stream().flatMapToInt(IntStream::of).toArray();
    }
  }
}
