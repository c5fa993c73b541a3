package dev.diptych.models.chameleon;

import dev.diptych.core.CheckpointException;
import dev.diptych.core.weights.JsonMap;
import dev.diptych.models.discrete.DiscreteVocabulary;
import java.util.BitSet;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.Locale;
import java.util.Map;
import java.util.OptionalInt;
import java.util.TreeMap;
import java.util.function.Predicate;
import java.util.regex.Pattern;

/**
 * The one vocabulary of words and image codes. Which id is which code, and which control token, is
 * told by names alone (facebookresearch/chameleon@dbbe47f, chameleon/inference/vocab.py).
 */
final class ChameleonVocabulary {
  static final String BOS = "<s>";
  static final String PAD = "<pad>";
  static final String EOS = "</s>";
  static final String BEGIN_OF_IMAGE = "<racm3:break>";
  static final String END_OF_IMAGE = "<eoss>";
  static final String END_OF_TURN = "<reserved08706>";
  /** transformers' name for a token that the authors left in reserve. */
  static final String PLACEHOLDER = "<image>";
  /** Lumina-mGPT's end of a row of codes; the number after it begins the sizes. */
  static final String NEW_LINE = "<reserved08799>";

  private static final int FIRST_SIZE = 8800;
  private static final String CODE = "IMGIMG";
  private static final Pattern CODE_NAME = Pattern.compile("IMGIMG([A-J]{1,8})Z");
  private static final Pattern CONTROL_NAME =
      Pattern.compile(
          "</?s>|<pad>|<unk>|<image>|<eoss>|<racm3:break>|<sentinel:[0-9]+>|<reserved[0-9]+>|"
              + CODE_NAME.pattern());

  private final Map<String, Integer> names;
  private final String source;
  private final int[] imageIds;
  private final int[] textIds;

  private ChameleonVocabulary(Map<String, Integer> names, int vocabSize, String source) {
    this.names = names;
    this.source = source;
    BitSet taken = new BitSet();
    names.forEach(
        (name, id) -> {
          if (id < 0 || id >= vocabSize) {
            throw wrong(
                "the id of " + quote(name) + " is " + id + "; expected 0 to " + (vocabSize - 1)
                    + ", the rows of the embedding table");
          }
          if (taken.get(id)) {
            throw wrong("two names have the id " + id + ", " + quote(name) + " is one of them");
          }
          taken.set(id);
        });
    this.imageIds = imageIdsByCode();
    this.textIds =
        names.entrySet().stream()
            .filter(e -> isText(e.getKey()))
            .mapToInt(Map.Entry::getValue)
            .sorted()
            .toArray();
    for (String name : new String[] {BOS, PAD, EOS, BEGIN_OF_IMAGE, END_OF_IMAGE, END_OF_TURN}) {
      id(name);
    }
  }

  /**
   * Makes it of names.
   *
   * @param names every token's name and id
   * @param vocabSize rows of the embedding table
   * @param source what messages call it
   * @throws CheckpointException if a code or a control token is missing, or an id is wrong
   */
  static ChameleonVocabulary of(Map<String, Integer> names, int vocabSize, String source) {
    return new ChameleonVocabulary(new HashMap<>(names), vocabSize, source);
  }

  /** {@return the {@code vocabulary_map} of a config.json} */
  static Map<String, Integer> names(JsonMap map) {
    Map<String, Integer> names = new LinkedHashMap<>();
    for (String name : map.keys()) {
      names.put(name, map.integer(name, 0, 1 << 24));
    }
    return names;
  }

  /** {@return the names in a file of the tokenizer.json format, added tokens among them} */
  static Map<String, Integer> namesOfTokenizer(JsonMap tokenizer) {
    Map<String, Integer> names = names(tokenizer.object("model").object("vocab"));
    if (tokenizer.has("added_tokens")) {
      for (JsonMap token : tokenizer.objects("added_tokens")) {
        Integer other = names.put(token.string("content"), token.integer("id", 0, 1 << 24));
        if (other != null && other != token.integer("id", 0, 1 << 24)) {
          throw token.refuse("id", other + ", as in model.vocab");
        }
      }
    }
    return names;
  }

  /**
   * Refuses two sources that give one name two ids. A name in one alone is no contradiction: each
   * may have tokens of its own.
   */
  static void requireAgreement(
      Map<String, Integer> map, String mapSource, Map<String, Integer> other, String otherSource) {
    map.forEach(
        (name, id) -> {
          Integer found = other.get(name);
          if (found != null && !found.equals(id)) {
            throw new CheckpointException(
                "The vocabulary disagrees with itself on " + quote(name) + "\n  expected " + id
                    + " as in " + mapSource + "\n  found    " + found + " in " + otherSource
                    + "\n  Are both from the same checkpoint?");
          }
        });
  }

  /**
   * {@return which names are control tokens, whatever the tokenizer's file says: a code that a user
   * types must stay letters}
   */
  static Predicate<String> control() {
    return name -> CONTROL_NAME.matcher(name).matches();
  }

  /** Ids in the order of the codes, which must be the order of the ids. */
  private int[] imageIdsByCode() {
    Map<Integer, String> byCode = new TreeMap<>();
    names.forEach(
        (name, id) -> {
          if (name.startsWith(CODE)) {
            String other = byCode.put(parse(name), name);
            if (other != null) {
              throw wrong(
                  quote(name) + " and " + quote(other) + " are both code " + parse(name));
            }
          }
        });
    if (byCode.isEmpty()) {
      throw wrong("it has no image codes; expected names such as " + quote(name(0)));
    }
    int[] ids = new int[byCode.size()];
    int next = 0;
    for (Map.Entry<Integer, String> entry : byCode.entrySet()) {
      if (entry.getKey() != next) {
        throw wrong(
            "it has " + byCode.size() + " image codes and none named " + quote(name(next))
                + ", code " + next);
      }
      ids[next] = names.get(entry.getValue());
      if (next > 0 && ids[next] <= ids[next - 1]) {
        throw wrong(
            "code " + next + " has the id " + ids[next] + " and code " + (next - 1) + " has "
                + ids[next - 1] + "; expected ids in the order of the codes");
      }
      next++;
    }
    return ids;
  }

  /** Decimal digits written as letters: A is 0, J is 9. */
  private int parse(String name) {
    var match = CODE_NAME.matcher(name);
    if (!match.matches()) {
      throw wrong(
          quote(name) + " is no image code; expected " + CODE + ", digits as letters A to J, Z");
    }
    int code = 0;
    for (char c : match.group(1).toCharArray()) {
      code = 10 * code + c - 'A';
    }
    return code;
  }

  private static String name(int code) {
    StringBuilder name = new StringBuilder(CODE);
    Integer.toString(code).chars().forEach(c -> name.append((char) (c - '0' + 'A')));
    return name.append('Z').toString();
  }

  private static boolean isText(String name) {
    return !name.startsWith(CODE) && (!name.startsWith("<") || name.equals("<"));
  }

  int bos() {
    return id(BOS);
  }

  int pad() {
    return id(PAD);
  }

  int eos() {
    return id(EOS);
  }

  int beginOfImage() {
    return id(BEGIN_OF_IMAGE);
  }

  int endOfImage() {
    return id(END_OF_IMAGE);
  }

  int endOfTurn() {
    return id(END_OF_TURN);
  }

  /** {@return the ids of the codes in their order, [E]} */
  int[] imageIds() {
    return imageIds.clone();
  }

  /** {@return ids in rising order of all that is neither a code nor a name that begins with <} */
  int[] textIds() {
    return textIds.clone();
  }

  /** {@return the id that transformers puts in place of every code of a picture, if there is one} */
  OptionalInt placeholder() {
    Integer id = names.get(PLACEHOLDER);
    return id == null ? OptionalInt.empty() : OptionalInt.of(id);
  }

  /** {@return Lumina-mGPT's end of a row of codes} */
  int newLine() {
    return id(NEW_LINE);
  }

  /** {@return Lumina-mGPT's token for a height or a width of so many patches of 32 pixels} */
  int size(int patches) {
    return id(String.format(Locale.ROOT, "<reserved%05d>", FIRST_SIZE + patches));
  }

  /** {@return the same for the parts that all discrete models share} */
  DiscreteVocabulary discrete(ChameleonConfig.Family family) {
    // Lumina-mGPT's inference_solver.py stops at the end of a turn, the others at the end of a text.
    int end = family == ChameleonConfig.Family.LUMINA ? endOfTurn() : eos();
    return new DiscreteVocabulary(imageIds, textIds, end, beginOfImage(), endOfImage());
  }

  /** {@return whether code c has the id {@code imageIds()[0] + c}} */
  boolean contiguous() {
    return imageIds[imageIds.length - 1] - imageIds[0] == imageIds.length - 1;
  }

  /**
   * Refuses a codebook of another size.
   *
   * @throws CheckpointException with both
   */
  void requireCodebook(long entries, String where) {
    if (entries != imageIds.length) {
      throw wrong(
          "it has " + imageIds.length + " image codes; expected " + entries + ", the codebook of "
              + where);
    }
  }

  private int id(String name) {
    Integer id = names.get(name);
    if (id == null) {
      throw wrong("it has no token " + quote(name));
    }
    return id;
  }

  private CheckpointException wrong(String what) {
    return new CheckpointException("The vocabulary of " + source + " is wrong: " + what);
  }

  private static String quote(String name) {
    return '"' + (name.length() > 60 ? name.substring(0, 60) + "…" : name) + '"';
  }
}
