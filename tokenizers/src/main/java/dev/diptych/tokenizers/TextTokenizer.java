package dev.diptych.tokenizers;

import dev.diptych.core.CheckpointException;
import dev.diptych.core.InvalidRequestException;
import dev.diptych.core.Lifetime;
import dev.diptych.core.ResourceLimitException;
import dev.diptych.tokenizers.ControlTokens.AddedToken;
import java.nio.file.Path;
import java.util.Locale;
import java.util.OptionalInt;
import java.util.TreeSet;
import java.util.function.Predicate;
import java.util.stream.IntStream;

/**
 * Turns text into token ids and back, as the checkpoint's tokenizer.json says. Immutable, and safe
 * to use from many threads.
 *
 * <p>Text and control tokens never mix: {@link #encodeText} takes what people type and cannot give
 * a control id, whatever they type. A prompt is put together from {@link #controlId} and encoded
 * texts; the ids are those that the reference gets from the whole string, because it cuts a string
 * at its control tokens before anything else.
 *
 * @see <a href="https://huggingface.co/docs/tokenizers/components">the components of a
 *     tokenizer.json</a>
 */
public final class TextTokenizer implements AutoCloseable {
  private static final long MAX_FILE_BYTES = 64L << 20;
  private static final int MAX_TEXT_LENGTH = 1_000_000;
  private static final int MAX_WHITE_SPACE = 10_000;

  private final Path path;
  private final TokenizerFile file;
  private final ControlTokens control;
  private final String[] pieces;
  private final int unknownId;
  private final NativeTokenizer first;
  private final NativeTokenizer behindControl;
  private final Lifetime lifetime;

  private TextTokenizer(Path path, TokenizerFile file) {
    this.path = path;
    this.file = file;
    this.control = file.control();
    this.pieces = pieces(file);
    String unknown = file.model().unknown();
    this.unknownId = unknown == null ? -1 : file.model().ids().get(unknown);
    String source = path.toString();
    this.first = NativeTokenizer.of(file.textJson(false), source);
    NativeTokenizer second = first;
    if (file.marksTheFirstText()) {
      try {
        second = NativeTokenizer.of(file.textJson(true), source);
      } catch (RuntimeException e) {
        first.free();
        throw e;
      }
    }
    this.behindControl = second;
    this.lifetime = new Lifetime("tokenizer " + path);
  }

  /** What becomes of control tokens when ids are turned into text. */
  public enum Controls {
    /** They leave no trace. */
    SKIP,
    /** They are written as their names. */
    SHOW
  }

  /**
   * Reads tokenizer.json of a checkpoint, and tokenizer_config.json and special_tokens_map.json
   * where they are. Nothing else is read, and the network is not touched.
   *
   * @param folder the checkpoint
   * @throws CheckpointException if a file is absent or wrong
   * @throws dev.diptych.core.UnsupportedModelException if the tokenizer is of a kind that is not run
   */
  public static TextTokenizer load(Path folder) {
    return load(folder, name -> false);
  }

  /**
   * Reads a folder as {@link #load(Path)} does, and takes more names for control tokens than its
   * files say.
   *
   * @param folder the checkpoint
   * @param control whether a piece or an added token of that name is a control token, so that no
   *     text can give it; the others are what the files say
   */
  public static TextTokenizer load(Path folder, Predicate<String> control) {
    Path file = folder.resolve("tokenizer.json");
    return new TextTokenizer(file, TokenizerFile.read(file, true, control, MAX_FILE_BYTES));
  }

  /**
   * Reads one file of the tokenizer.json format, whatever its name; no file beside it is read.
   *
   * @param file the file
   * @param control as in {@link #load(Path, Predicate)}
   */
  public static TextTokenizer loadFile(Path file, Predicate<String> control) {
    return new TextTokenizer(file, TokenizerFile.read(file, false, control, MAX_FILE_BYTES));
  }

  /**
   * Returns the id of a control token.
   *
   * @throws CheckpointException if there is none of that name
   */
  public int controlId(String token) {
    return findControl(token)
        .orElseThrow(
            () ->
                new CheckpointException(
                    "The tokenizer has no control token "
                        + TokenizerJson.quote(token)
                        + "\n  it has "
                        + controlNames()
                        + "\n  in "
                        + path
                        + "\n  Is tokenizer.json from the same checkpoint?"));
  }

  /** Returns the id of a control token, or nothing if there is none of that name. */
  public OptionalInt findControl(String token) {
    return control.find(token);
  }

  /** Returns whether an id is a control token's: no text gives it. */
  public boolean isControl(int id) {
    return control.contains(id);
  }

  /** Returns the highest id plus one. */
  public int vocabSize() {
    return pieces.length;
  }

  /**
   * Encodes a text that begins a prompt. The names of control tokens in it are plain text. Nothing
   * is added: no begin, no end.
   *
   * @param text any characters; half a surrogate pair counts as U+FFFD
   * @return token ids, none of them a control token's
   * @throws ResourceLimitException if the text is longer than 1,000,000 characters or has a run of
   *     white space longer than 10,000
   */
  public int[] encodeText(String text) {
    return encode(first, text);
  }

  /**
   * Encodes a text that stands behind a control token in a prompt. The same as {@link #encodeText}
   * for most tokenizers; those with {@code prepend_scheme} "first" mark only the text that begins a
   * prompt.
   *
   * @param text any characters; half a surrogate pair counts as U+FFFD
   * @return token ids, none of them a control token's
   * @throws ResourceLimitException as {@link #encodeText}
   */
  public int[] encodeTextBehindControl(String text) {
    return encode(behindControl, text);
  }

  /**
   * Encodes a template of ours, in which the names of control tokens are control tokens. Text that
   * someone else wrote must not be in it. Nothing is added: no begin, no end.
   *
   * @param template the template
   * @return token ids
   */
  public int[] encodeTemplate(String template) {
    IntStream.Builder ids = IntStream.builder();
    boolean start = true;
    for (ControlTokens.Stretch stretch : control.cut(template)) {
      if (stretch.control() != null) {
        ids.add(stretch.control().id());
      } else {
        for (int id : start ? encodeText(stretch.text()) : encodeTextBehindControl(stretch.text())) {
          ids.add(id);
        }
      }
      start = false;
    }
    return ids.build().toArray();
  }

  /**
   * Turns ids into text.
   *
   * @param ids token ids; one that the tokenizer does not have gives no text, because models have
   *     more rows than tokens
   * @param controls what becomes of control tokens
   */
  public String decode(int[] ids, Controls controls) {
    Incremental decoder = newDecoder(controls);
    StringBuilder text = new StringBuilder();
    for (int id : ids) {
      text.append(decoder.push(id));
    }
    return text.append(decoder.flush()).toString();
  }

  /** Returns a decoder for one sequence that skips control tokens. */
  public Incremental newDecoder() {
    return newDecoder(Controls.SKIP);
  }

  /** Returns a decoder for one sequence. */
  public Incremental newDecoder(Controls controls) {
    return new Incremental(TokenDecoder.of(file), controls);
  }

  /**
   * Turns ids into text as they come. What {@link #push} and {@link #flush} return, put together,
   * is what {@link TextTokenizer#decode} returns for all ids. For one thread.
   */
  public final class Incremental {
    private final TokenDecoder decoder;
    private final Controls controls;

    private Incremental(TokenDecoder decoder, Controls controls) {
      this.decoder = decoder;
      this.controls = controls;
    }

    /** Takes the next id and returns the text that is now certain: whole characters, or nothing. */
    public String push(int id) {
      if (id < 0) {
        throw new IllegalArgumentException("token id " + id + "; expected 0 or more");
      }
      String piece = id < pieces.length ? pieces[id] : null;
      StringBuilder text = new StringBuilder();
      if (piece != null && !(controls == Controls.SKIP && control.contains(id))) {
        decoder.push(piece, text);
      }
      return text.toString();
    }

    /** Ends the sequence and returns the rest; U+FFFD stands for a character that was cut off. */
    public String flush() {
      StringBuilder text = new StringBuilder();
      decoder.end(text);
      return text.toString();
    }
  }

  /** Frees the native memory, after those who are encoding have done so. */
  @Override
  public void close() {
    lifetime.close(
        () -> {
          first.free();
          if (behindControl != first) {
            behindControl.free();
          }
        });
  }

  private int[] encode(NativeTokenizer tokenizer, String text) {
    String sound = checked(text);
    int[] ids;
    try (Lifetime.Lease lease = lifetime.enter()) {
      ids = tokenizer.encode(sound);
    }
    for (int id : ids) {
      if (id != unknownId && control.contains(id)) {
        // Only the names that control tokens bear in the native tokenizer lead here.
        throw new InvalidRequestException(
            "The text would be read as the control token " + TokenizerJson.quote(pieces[id]));
      }
    }
    return ids;
  }

  /** Refuses a text that would take long, and replaces what UTF-8 cannot carry. */
  private static String checked(String text) {
    if (text.length() > MAX_TEXT_LENGTH) {
      throw tooLong("The text has %,d characters; at most %,d are read", text.length(),
          MAX_TEXT_LENGTH);
    }
    StringBuilder sound = null;
    int whiteSpace = 0;
    for (int i = 0; i < text.length(); i++) {
      char c = text.charAt(i);
      // Expressions such as \s+$ try a run from each of its characters: quadratic time.
      boolean space = Character.isWhitespace(c) || Character.isSpaceChar(c) || c == '\u0085';
      whiteSpace = space ? whiteSpace + 1 : 0;
      if (whiteSpace > MAX_WHITE_SPACE) {
        throw tooLong(
            "The text has a run of %,d white spaces or more; at most %,d are read",
            whiteSpace,
            MAX_WHITE_SPACE);
      }
      if (Character.isSurrogate(c)) {
        if (Character.isHighSurrogate(c)
            && i + 1 < text.length()
            && Character.isLowSurrogate(text.charAt(i + 1))) {
          i++;
        } else {
          sound = sound == null ? new StringBuilder(text) : sound;
          sound.setCharAt(i, '\uFFFD');
        }
      }
    }
    return sound == null ? text : sound.toString();
  }

  private static ResourceLimitException tooLong(String message, int asked, int allowed) {
    return new ResourceLimitException(
        String.format(Locale.ROOT, message, asked, allowed), asked, allowed);
  }

  private String controlNames() {
    TreeSet<String> names = new TreeSet<>(control.contents());
    String shown = String.join(" ", names.stream().limit(40).toList());
    return names.size() > 40 ? shown + " and " + (names.size() - 40) + " more" : shown;
  }

  private static String[] pieces(TokenizerFile file) {
    int highest = -1;
    for (int id : file.model().ids().values()) {
      highest = Math.max(highest, id);
    }
    for (AddedToken token : file.addedTokens()) {
      highest = Math.max(highest, token.id());
    }
    String[] pieces = new String[highest + 1];
    file.model().ids().forEach((piece, id) -> pieces[id] = piece);
    for (AddedToken token : file.addedTokens()) {
      pieces[token.id()] = token.content();
    }
    return pieces;
  }
}
