package dev.diptych.models.emu3;

import dev.diptych.core.CheckpointException;
import dev.diptych.core.weights.JsonMap;
import dev.diptych.models.discrete.DiscreteVocabulary;
import dev.diptych.tokenizers.TextTokenizer;
import java.util.BitSet;
import java.util.List;
import java.util.Locale;
import java.util.function.IntFunction;

/**
 * The one vocabulary of words and image codes. Which id is which code is told by names alone, {@code
 * <|visual token 000000|>} and on, as {@code Emu3ImageVocabularyMapping} reads them
 * (huggingface/transformers v5.18.0); a name in config.json and in the tokenizer must be one id.
 *
 * @param discrete codes, words, the end of an answer, the begin and the end of a picture
 * @param bos begins a text
 * @param imageToken stands between a picture's size and its first code
 * @param endOfRow stands behind every row of codes
 * @param endOfFrame stands behind the last row
 */
record Emu3Vocabulary(
    DiscreteVocabulary discrete, int bos, int imageToken, int endOfRow, int endOfFrame) {

  private static final String CODE = "<|visual token ";
  private static final IntFunction<String> CODE_NAME =
      code -> CODE + String.format(Locale.ROOT, "%06d", code) + "|>";
  private static final String END_OF_ROW = "<|extra_200|>";

  /**
   * Reads the names.
   *
   * @param config of the model
   * @param tokenizer of its text
   * @param roles tokenizer_config.json, which names the tokens that borders are
   * @throws CheckpointException if a code or a border is missing or has two ids
   */
  static Emu3Vocabulary read(Emu3Config config, TextTokenizer tokenizer, JsonMap roles) {
    JsonMap map = config.vocabularyMap();
    int rows = config.transformer().vocabSize();
    if (tokenizer.vocabSize() > rows) {
      throw new CheckpointException(
          "The tokenizer has more tokens than the model\n  expected at most vocab_size "
              + rows
              + "\n  found    "
              + tokenizer.vocabSize()
              + " in tokenizer.json\n  Is tokenizer.json from the same checkpoint?");
    }
    int[] imageIds = imageIds(map, tokenizer, config);
    int eos = control(map, tokenizer, role(roles, "eos_token", "<|extra_204|>"), rows);
    int bos = control(map, tokenizer, role(roles, "bos_token", "<|extra_203|>"), rows);
    if (bos != config.bos() || !config.eos().contains((long) eos)) {
      throw new CheckpointException(
          "The tokenizer disagrees with config.json on where a text begins and ends\n  expected"
              + " text_config.bos_token_id "
              + config.bos()
              + " and eos_token_id "
              + config.eos()
              + "\n  found    "
              + bos
              + " and "
              + eos
              + " in tokenizer.json\n  Is tokenizer.json from the same checkpoint?");
    }
    String placeholder = role(roles, "image_token", "<image>");
    DiscreteVocabulary discrete =
        new DiscreteVocabulary(
            imageIds,
            textIds(map, tokenizer, rows, placeholder),
            eos,
            control(map, tokenizer, role(roles, "boi_token", "<|image start|>"), rows),
            control(map, tokenizer, role(roles, "eoi_token", "<|image end|>"), rows));
    return new Emu3Vocabulary(
        discrete,
        bos,
        control(map, tokenizer, role(roles, "image_wrapper_token", "<|image token|>"), rows),
        control(map, tokenizer, END_OF_ROW, rows),
        control(map, tokenizer, role(roles, "eof_token", "<|extra_201|>"), rows));
  }

  /** A token that the tokenizer's config names in a role, as a string or as an added token. */
  private static String role(JsonMap roles, String key, String orElse) {
    if (!roles.has(key)) {
      // transformers 5 may keep the model's own roles in a member of their own
      for (String member : List.of("extra_special_tokens", "model_specific_special_tokens")) {
        if (roles.kind(member) == JsonMap.Kind.OBJECT && roles.object(member).has(key)) {
          return role(roles.object(member), key, orElse);
        }
      }
      return orElse;
    }
    return roles.kind(key) == JsonMap.Kind.OBJECT
        ? roles.object(key).string("content")
        : roles.string(key);
  }

  private static int control(JsonMap map, TextTokenizer tokenizer, String name, int rows) {
    int id = tokenizer.controlId(name);
    if (map.has(name) && map.integer(name, 0, rows - 1) != id) {
      throw map.refuse(name, id + ", as in tokenizer.json");
    }
    return id;
  }

  private static int[] imageIds(JsonMap map, TextTokenizer tokenizer, Emu3Config config) {
    long named = map.keys().stream().filter(n -> n.startsWith(CODE)).count();
    if (named != config.vq().codebookSize()) {
      throw new CheckpointException(
          "The vocabulary disagrees with the picture coder\n  expected vq_config.codebook_size "
              + config.vq().codebookSize()
              + " tokens "
              + CODE_NAME.apply(0)
              + " and on\n  found    "
              + named
              + " in vocabulary_map");
    }
    int[] ids = new int[config.vq().codebookSize()];
    for (int code = 0; code < ids.length; code++) {
      String name = CODE_NAME.apply(code);
      if (!map.has(name)) {
        throw new CheckpointException(
            "The vocabulary has a hole\n  expected "
                + ids.length
                + " image codes without a gap\n  found    none named "
                + name
                + " in vocabulary_map");
      }
      ids[code] = control(map, tokenizer, name, config.transformer().vocabSize());
    }
    return ids;
  }

  /** Everything that is no control token; the ids are checked on the way. */
  private static int[] textIds(
      JsonMap map, TextTokenizer tokenizer, int rows, String placeholder) {
    BitSet taken = new BitSet();
    BitSet text = new BitSet();
    for (String name : map.keys()) {
      int id = map.integer(name, 0, rows - 1);
      if (taken.get(id)) {
        throw map.refuse(name, "an id that no other token has");
      }
      taken.set(id);
      text.set(id, tokenizer.findControl(name).isEmpty() && !name.equals(placeholder));
    }
    return text.stream().toArray();
  }
}
