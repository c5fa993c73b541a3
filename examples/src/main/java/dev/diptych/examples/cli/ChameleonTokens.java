package dev.diptych.examples.cli;

import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;

/**
 * A vocabulary with Chameleon's names: control tokens, image codes, tokens in reserve, and a
 * byte-level BPE whose merges are pairs of bytes, so that it splits any text and knows no language.
 *
 * @param size tokens
 * @param codes image codes
 * @param firstReserved number in the name of the first reserved token
 * @param endReserved number behind the last
 */
record ChameleonTokens(int size, int codes, int firstReserved, int endReserved) {
  /** transformers' placeholder of a code. */
  static final String IMAGE = "<image>";

  private static final String BEGIN_OF_IMAGE = "<racm3:break>";
  private static final String END_OF_IMAGE = "<eoss>";
  private static final String END_OF_TURN = "<reserved08706>";
  // convert_chameleon_weights_to_hf.py of transformers takes this one for its placeholder
  private static final int IMAGE_NUMBER = 8707;
  private static final List<String> TOKENIZER_FILES =
      List.of("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json");

  /**
   * Writes the tokenizer.
   *
   * @param given a checkpoint whose tokenizer is copied instead
   * @return every name with its id
   */
  Map<String, Integer> writeFiles(Path folder, Optional<Path> given) throws IOException {
    if (given.isPresent()) {
      for (String file : TOKENIZER_FILES) {
        Path source = given.get().resolve(file);
        if (Files.exists(source)) {
          Files.copy(source, folder.resolve(file), StandardCopyOption.REPLACE_EXISTING);
        }
      }
      return names(folder.resolve("tokenizer.json"));
    }
    Map<String, Integer> ids = new LinkedHashMap<>();
    JsonArray added = new JsonArray();
    for (String name : List.of("<s>", "<pad>", "</s>", "<unk>")) {
      add(name, ids, added);
    }
    for (int code = 0; code < codes; code++) {
      ids.put(code(code), ids.size());
    }
    add(END_OF_IMAGE, ids, added);
    add(BEGIN_OF_IMAGE, ids, added);
    for (int i = firstReserved; i < endReserved; i++) {
      add(i == IMAGE_NUMBER ? IMAGE : String.format(Locale.ROOT, "<reserved%05d>", i), ids, added);
    }
    List<String> bytes = byteNames();
    bytes.forEach(b -> ids.put(b, ids.size()));
    JsonArray merges = merges(bytes, ids);
    ModelShape.write(folder, "tokenizer.json", tokenizer(ids, added, merges));
    ModelShape.write(folder, "tokenizer_config.json", tokenizerConfig());
    return ids;
  }

  private static Map<String, Integer> names(Path tokenizer) throws IOException {
    JsonObject json =
        JsonParser.parseString(Files.readString(tokenizer, StandardCharsets.UTF_8))
            .getAsJsonObject();
    Map<String, Integer> names = new LinkedHashMap<>();
    json.getAsJsonObject("model")
        .getAsJsonObject("vocab")
        .asMap()
        .forEach((name, id) -> names.put(name, id.getAsInt()));
    for (JsonElement token : json.getAsJsonArray("added_tokens")) {
      JsonObject one = token.getAsJsonObject();
      names.put(one.get("content").getAsString(), one.get("id").getAsInt());
    }
    return names;
  }

  /** Digits as letters, A for 0. */
  private static String code(int code) {
    StringBuilder name = new StringBuilder("IMGIMG");
    Integer.toString(code).chars().forEach(c -> name.append((char) (c - '0' + 'A')));
    return name.append('Z').toString();
  }

  private static void add(String name, Map<String, Integer> ids, JsonArray added) {
    JsonObject token = new JsonObject();
    token.addProperty("id", ids.size());
    token.addProperty("content", name);
    for (String flag : List.of("single_word", "lstrip", "rstrip", "normalized")) {
      token.addProperty(flag, false);
    }
    token.addProperty("special", true);
    added.add(token);
    ids.put(name, ids.size());
  }

  /** GPT-2's letters for bytes: printable ones stand for themselves, the rest begins at 256. */
  private static List<String> byteNames() {
    List<String> shown = new ArrayList<>();
    List<String> others = new ArrayList<>();
    for (int b = 0; b < 256; b++) {
      boolean printable = b >= '!' && b <= '~' || b >= 0xa1 && b != 0xad;
      if (printable) {
        shown.add(Character.toString((char) b));
      } else {
        others.add(Character.toString((char) (256 + others.size())));
      }
    }
    shown.addAll(others);
    return shown;
  }

  /** As many pairs as there is room for. */
  private JsonArray merges(List<String> bytes, Map<String, Integer> ids) {
    JsonArray merges = new JsonArray();
    for (String a : bytes) {
      for (String b : bytes) {
        if (ids.size() == size) {
          return merges;
        }
        JsonArray pair = new JsonArray();
        pair.add(a);
        pair.add(b);
        merges.add(pair);
        ids.put(a + b, ids.size());
      }
    }
    return merges;
  }

  private static JsonObject tokenizer(
      Map<String, Integer> ids, JsonArray added, JsonArray merges) {
    JsonObject model = new JsonObject();
    model.addProperty("type", "BPE");
    JsonObject vocab = new JsonObject();
    ids.forEach(vocab::addProperty);
    model.add("vocab", vocab);
    model.add("merges", merges);
    JsonObject json = new JsonObject();
    json.addProperty("version", "1.0");
    json.add("added_tokens", added);
    json.add("pre_tokenizer", byteLevel());
    json.add("post_processor", bosFirst());
    json.add("decoder", byteLevel());
    json.add("model", model);
    return json;
  }

  private static JsonObject byteLevel() {
    JsonObject json = new JsonObject();
    json.addProperty("type", "ByteLevel");
    json.addProperty("add_prefix_space", false);
    json.addProperty("trim_offsets", true);
    json.addProperty("use_regex", true);
    return json;
  }

  private static JsonObject bosFirst() {
    JsonArray single = new JsonArray();
    single.add(wrap("SpecialToken", "<s>"));
    single.add(wrap("Sequence", "A"));
    JsonArray ids = new JsonArray();
    ids.add(0);
    JsonArray names = new JsonArray();
    names.add("<s>");
    JsonObject bos = new JsonObject();
    bos.addProperty("id", "<s>");
    bos.add("ids", ids);
    bos.add("tokens", names);
    JsonObject special = new JsonObject();
    special.add("<s>", bos);
    JsonObject json = new JsonObject();
    json.addProperty("type", "TemplateProcessing");
    json.add("single", single);
    JsonArray pair = single.deepCopy();
    pair.add(wrap("Sequence", "B"));
    json.add("pair", pair);
    json.add("special_tokens", special);
    return json;
  }

  private static JsonObject wrap(String kind, String id) {
    JsonObject inner = new JsonObject();
    inner.addProperty("id", id);
    inner.addProperty("type_id", 0);
    JsonObject outer = new JsonObject();
    outer.add(kind, inner);
    return outer;
  }

  private static JsonObject tokenizerConfig() {
    JsonObject json = new JsonObject();
    json.addProperty("bos_token", "<s>");
    json.addProperty("eos_token", "</s>");
    json.addProperty("pad_token", "<pad>");
    json.addProperty("unk_token", "<unk>");
    json.addProperty("sep_token", END_OF_TURN);
    json.addProperty("image_token", IMAGE);
    json.addProperty("boi_token", BEGIN_OF_IMAGE);
    json.addProperty("eoi_token", END_OF_IMAGE);
    json.addProperty("tokenizer_class", "PreTrainedTokenizerFast");
    return json;
  }
}
