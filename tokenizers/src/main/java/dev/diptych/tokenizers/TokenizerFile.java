package dev.diptych.tokenizers;

import com.google.gson.stream.JsonReader;
import com.google.gson.stream.JsonWriter;
import dev.diptych.core.UnsupportedModelException;
import dev.diptych.tokenizers.ControlTokens.AddedToken;
import java.io.IOException;
import java.io.StringWriter;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.function.Predicate;

/**
 * A tokenizer.json, read and checked in Java. The native code never sees the file: it is given JSON
 * written from what was checked, without control tokens, truncation, padding and post-processing.
 */
final class TokenizerFile {
  private static final int MAX_CONFIG_BYTES = 16 << 20;
  private static final int MAX_ADDED_TOKENS = 200_000;
  private static final int MAX_CONTENT_LENGTH = 4_096;

  private final TokenizerJson file;
  private final TokenizerRules rules;
  private final Map<String, Object> members = new LinkedHashMap<>();
  private final List<AddedToken> addedTokens = new ArrayList<>();
  private final ControlTokens control = new ControlTokens();
  private TokenizerModel model;

  private TokenizerFile(Path file) {
    this.file = new TokenizerJson(file);
    this.rules = new TokenizerRules(this.file);
  }

  /**
   * Reads tokenizer.json.
   *
   * @param path the file
   * @param beside whether to read what the other files of its folder say about special tokens
   * @param control names that are control tokens whatever the files say
   * @param maxBytes the largest tokenizer.json that is read, in bytes
   */
  static TokenizerFile read(Path path, boolean beside, Predicate<String> control, long maxBytes) {
    TokenizerFile result = new TokenizerFile(path);
    result.file.read(maxBytes, result::readMembers);
    result.rules.checkNormalizer(result.members.get("normalizer"));
    result.rules.checkPreTokenizer(result.members.get("pre_tokenizer"));
    Set<String> named = new HashSet<>();
    if (beside) {
      result.readConfig(path.resolveSibling("tokenizer_config.json"), named);
      result.readConfig(path.resolveSibling("special_tokens_map.json"), named);
    }
    result.model.ids().keySet().stream().filter(control).forEach(named::add);
    result.addedTokens.stream().map(AddedToken::content).filter(control).forEach(named::add);
    result.checkAddedTokens();
    result.classify(named);
    return result;
  }

  TokenizerModel model() {
    return model;
  }

  List<AddedToken> addedTokens() {
    return addedTokens;
  }

  ControlTokens control() {
    return control;
  }

  /** Returns the member {@code decoder} as it stands in the file. */
  Object decoder() {
    return members.get("decoder");
  }

  /** Returns the error for a file whose content is wrong. */
  RuntimeException unsupported(String what) {
    return new UnsupportedModelException(file.wrong(what).getMessage());
  }

  TokenizerRules rules() {
    return rules;
  }

  /**
   * Returns whether the first text of a prompt gets a mark that a text behind a control token does
   * not get ({@code prepend_scheme} "first").
   */
  boolean marksTheFirstText() {
    Object preTokenizer = members.get("pre_tokenizer");
    return !Objects.equals(withoutFirstMark(preTokenizer), preTokenizer);
  }

  /**
   * Returns the JSON for the native code that encodes text and nothing but text. The ids are those
   * of the file, because every entry keeps its place; the control tokens bear names that hold NUL
   * characters and a number, and {@link TextTokenizer} refuses a result that has one nevertheless.
   *
   * @param behindControl for text behind a control token instead of the first text of a prompt
   */
  String textJson(boolean behindControl) {
    String unknown = model.unknown();
    Map<String, String> renamed = new HashMap<>();
    for (String content : control.contents()) {
      if (!content.equals(unknown)) {
        renamed.put(content, "\0control " + renamed.size() + "\0");
      }
    }
    Object preTokenizer = members.get("pre_tokenizer");
    StringWriter text = new StringWriter();
    try (JsonWriter json = new JsonWriter(text)) {
      json.setHtmlSafe(false);
      json.beginObject().name("version").value("1.0");
      json.name("truncation").nullValue();
      json.name("padding").nullValue();
      json.name("added_tokens").beginArray();
      for (AddedToken token : addedTokens) {
        if (!token.content().equals(unknown)) {
          writeAddedToken(json, token, renamed.get(token.content()));
        }
      }
      json.endArray();
      TokenizerJson.write(json.name("normalizer"), members.get("normalizer"));
      TokenizerJson.write(
          json.name("pre_tokenizer"), behindControl ? withoutFirstMark(preTokenizer) : preTokenizer);
      json.name("post_processor").nullValue();
      json.name("decoder").nullValue();
      model.write(json.name("model"), renamed);
      json.endObject();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
    return text.toString();
  }

  private static void writeAddedToken(JsonWriter json, AddedToken token, String placeholder)
      throws IOException {
    boolean isControl = placeholder != null;
    json.beginObject().name("id").value(token.id());
    json.name("content").value(isControl ? placeholder : token.content());
    json.name("single_word").value(false);
    json.name("lstrip").value(false);
    json.name("rstrip").value(false);
    json.name("normalized").value(!isControl && token.normalized());
    json.name("special").value(isControl).endObject();
  }

  private Object readMembers(JsonReader json) throws IOException {
    json.beginObject();
    while (json.hasNext()) {
      String key = json.nextName();
      boolean twice = key.equals("model") ? model != null : members.containsKey(key);
      if (twice) {
        throw file.wrong("the key " + TokenizerJson.quote(key) + " comes twice");
      }
      if (key.equals("model")) {
        model = TokenizerModel.read(file, json);
      } else {
        members.put(key, file.value(json));
      }
    }
    json.endObject();
    if (model == null) {
      throw file.wrong("the member model is missing");
    }
    if (members.get("added_tokens") != null) {
      for (Object entry : rules.list(members, "added_tokens", "tokenizer")) {
        String where = "added_tokens[" + addedTokens.size() + "]";
        Map<String, Object> token = rules.object(entry, where);
        addedTokens.add(addedToken(token, rules.integer(token, "id", 0, maxId(), where), where));
      }
    }
    return null;
  }

  private AddedToken addedToken(Map<String, Object> token, int id, String where) {
    String content = rules.string(token, "content", where);
    if (content.isEmpty() || content.length() > MAX_CONTENT_LENGTH) {
      throw file.wrong(
          where + " has " + content.length() + " characters; expected 1 to " + MAX_CONTENT_LENGTH);
    }
    boolean special = rules.flag(token, "special", where);
    Object normalized = token.get("normalized");
    return new AddedToken(
        id,
        content,
        rules.flag(token, "single_word", where),
        rules.flag(token, "lstrip", where),
        rules.flag(token, "rstrip", where),
        normalized == null ? !special : rules.flag(token, "normalized", where),
        special);
  }

  /** Notes the tokens that a file names in a role, and the added tokens that only it lists. */
  private void readConfig(Path path, Set<String> named) {
    if (!Files.exists(path)) {
      return;
    }
    TokenizerJson json = new TokenizerJson(path);
    Map<String, Object> config = json.read(MAX_CONFIG_BYTES, json::object);
    for (Map.Entry<String, Object> member : config.entrySet()) {
      String key = member.getKey();
      if (key.endsWith("_token") || key.endsWith("special_tokens")) {
        note(member.getValue(), named);
      }
    }
    if (config.get("added_tokens_decoder") instanceof Map<?, ?> listed) {
      Set<String> known = new HashSet<>();
      addedTokens.forEach(token -> known.add(token.content()));
      for (Map.Entry<?, ?> entry : listed.entrySet()) {
        String where = "tokenizer_config.json: added_tokens_decoder[" + entry.getKey() + "]";
        Map<String, Object> token = rules.object(entry.getValue(), where);
        int id = TokenizerJson.id((String) entry.getKey());
        if (id < 0 || id > maxId()) {
          throw file.wrong(where + "; expected an id from 0 to " + maxId());
        }
        AddedToken addedToken = addedToken(token, id, where);
        if (addedToken.special()) {
          named.add(addedToken.content());
        }
        if (known.add(addedToken.content())) {
          addedTokens.add(addedToken);
        }
      }
    }
  }

  private static void note(Object value, Set<String> named) {
    if (value instanceof String content) {
      named.add(content);
    } else if (value instanceof List<?> list) {
      list.forEach(element -> note(element, named));
    } else if (value instanceof Map<?, ?> map) {
      if (map.get("content") instanceof String content) {
        named.add(content);
      } else {
        map.values().forEach(element -> note(element, named));
      }
    }
  }

  /*
   * The native code ignores the ids of added_tokens and numbers the entries itself, in file order:
   * a piece of the vocabulary keeps its id, another gets the next one after the vocabulary. Where
   * the file says otherwise, one of the two would be wrong.
   */
  private void checkAddedTokens() {
    if (addedTokens.size() > MAX_ADDED_TOKENS) {
      throw file.wrong(addedTokens.size() + " added tokens; at most " + MAX_ADDED_TOKENS);
    }
    Set<String> seen = new HashSet<>();
    int size = model.ids().size();
    int highest = -1;
    for (AddedToken token : addedTokens) {
      String shown = TokenizerJson.quote(token.content());
      if (!seen.add(token.content())) {
        throw file.wrong("the added token " + shown + " comes twice");
      }
      Integer known = model.ids().get(token.content());
      int id = known != null ? known : Math.max(highest + 1, size);
      if (id != token.id()) {
        throw file.wrong(
            "the added token " + shown + " has the id " + token.id() + "; expected " + id
                + (known != null ? " as in model.vocab" : ", the next after " + (id - 1)));
      }
      highest = Math.max(highest, id);
    }
  }

  private void classify(Set<String> named) {
    for (AddedToken token : addedTokens) {
      if (token.special() || named.contains(token.content()) || token.looksLikeMarkup()) {
        control.add(token);
      } else if (token.singleWord() || token.lstrip() || token.rstrip()) {
        throw unsupported(
            "the added token " + TokenizerJson.quote(token.content())
                + " is a word with single_word, lstrip or rstrip; only special tokens may have it");
      } else if (token.normalized() && rules.normalizerErases()) {
        // An empty name would match everywhere, and end the process.
        throw unsupported(
            "the added token " + TokenizerJson.quote(token.content())
                + " is normalised, and the normalizer may leave nothing of it");
      }
    }
    for (String content : named) {
      Integer id = model.ids().get(content);
      if (id != null && !control.contains(content)) {
        control.addPiece(content, id);
      }
    }
  }

  /** Returns the pre_tokenizer with {@code prepend_scheme} "first" turned to "never". */
  private static Object withoutFirstMark(Object node) {
    if (node instanceof Map<?, ?> rule) {
      Map<String, Object> copy = new LinkedHashMap<>();
      rule.forEach((key, value) -> copy.put((String) key, withoutFirstMark(value)));
      copy.replace("prepend_scheme", "first", "never");
      return copy;
    }
    if (node instanceof List<?> list) {
      List<Object> copy = new ArrayList<>();
      list.forEach(element -> copy.add(withoutFirstMark(element)));
      return copy;
    }
    return node;
  }

  private static int maxId() {
    return 2 * TokenizerModel.MAX_PIECES;
  }
}
