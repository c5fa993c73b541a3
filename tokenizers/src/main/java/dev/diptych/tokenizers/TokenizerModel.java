package dev.diptych.tokenizers;

import com.google.gson.stream.JsonReader;
import com.google.gson.stream.JsonToken;
import com.google.gson.stream.JsonWriter;
import dev.diptych.core.CheckpointException;
import dev.diptych.core.UnsupportedModelException;
import java.io.IOException;
import java.math.BigDecimal;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * The member {@code model} of a tokenizer.json: the pieces, their ids, and how they merge. Every
 * merge joins two pieces of the vocabulary to a third, ids are unique, and the settings are such
 * that the native code neither panics nor rolls dice.
 */
final class TokenizerModel {
  /** The largest id and the largest number of pieces. Published vocabularies end near 260,000. */
  static final int MAX_PIECES = 4_000_000;

  private static final int MAX_PIECE_LENGTH = 1 << 16;

  private final TokenizerJson file;
  private final Map<String, Object> settings = new LinkedHashMap<>();
  private final Map<String, Integer> ids = new HashMap<>();
  private final List<String> unigramPieces = new ArrayList<>();
  private final List<BigDecimal> unigramScores = new ArrayList<>();
  private final List<String> merges = new ArrayList<>();
  private boolean unigram;

  private TokenizerModel(TokenizerJson file) {
    this.file = file;
  }

  /** Reads and checks the model at the reader's position. */
  static TokenizerModel read(TokenizerJson file, JsonReader json) throws IOException {
    TokenizerModel model = new TokenizerModel(file);
    Set<String> seen = new HashSet<>();
    json.beginObject();
    while (json.hasNext()) {
      String key = json.nextName();
      if (!seen.add(key)) {
        throw file.wrong("the key " + TokenizerJson.quote(key) + " comes twice in model");
      }
      if (key.equals("vocab")) {
        model.readVocabulary(json);
      } else if (key.equals("merges")) {
        model.readMerges(json);
      } else {
        model.settings.put(key, file.value(json));
      }
    }
    json.endObject();
    model.check();
    return model;
  }

  /** Returns the pieces and their ids. */
  Map<String, Integer> ids() {
    return ids;
  }

  /** Returns the piece that stands for what the model does not know, or null. */
  String unknown() {
    if (unigram) {
      Object id = settings.get("unk_id");
      return id == null ? null : unigramPieces.get(((Number) id).intValue());
    }
    return (String) settings.get("unk_token");
  }

  /**
   * Writes the model, with pieces renamed. A merge that touches a renamed piece is left out, so no
   * text can build one.
   */
  void write(JsonWriter json, Map<String, String> renamed) throws IOException {
    json.beginObject();
    for (Map.Entry<String, Object> setting : settings.entrySet()) {
      TokenizerJson.write(json.name(setting.getKey()), setting.getValue());
    }
    json.name("vocab");
    if (unigram) {
      json.beginArray();
      for (int i = 0; i < unigramPieces.size(); i++) {
        String piece = unigramPieces.get(i);
        json.beginArray().value(renamed.getOrDefault(piece, piece));
        json.value(unigramScores.get(i)).endArray();
      }
      json.endArray();
    } else {
      json.beginObject();
      for (Map.Entry<String, Integer> entry : ids.entrySet()) {
        String piece = entry.getKey();
        json.name(renamed.getOrDefault(piece, piece)).value(entry.getValue());
      }
      json.endObject();
    }
    if (isBpe()) {
      json.name("merges").beginArray();
      for (int i = 0; i < merges.size(); i += 2) {
        String left = merges.get(i);
        String right = merges.get(i + 1);
        if (!renamed.containsKey(left)
            && !renamed.containsKey(right)
            && !renamed.containsKey(merged(left, right))) {
          json.beginArray().value(left).value(right).endArray();
        }
      }
      json.endArray();
    }
    json.endObject();
  }

  private void readVocabulary(JsonReader json) throws IOException {
    if (json.peek() == JsonToken.BEGIN_ARRAY) {
      unigram = true;
      json.beginArray();
      while (json.hasNext()) {
        json.beginArray();
        String piece = string(json, "a piece of model.vocab");
        if (json.peek() != JsonToken.NUMBER) {
          throw file.wrong("the score of " + TokenizerJson.quote(piece) + " is no number");
        }
        BigDecimal score = new BigDecimal(json.nextString());
        if (!Double.isFinite(score.doubleValue())) {
          throw file.wrong("the score of " + TokenizerJson.quote(piece) + " is " + score);
        }
        json.endArray();
        add(piece, unigramPieces.size());
        unigramPieces.add(piece);
        unigramScores.add(score);
      }
      json.endArray();
      return;
    }
    Set<Integer> taken = new HashSet<>();
    json.beginObject();
    while (json.hasNext()) {
      String piece = file.text(json.nextName(), json);
      if (json.peek() != JsonToken.NUMBER) {
        throw file.wrong("the id of " + TokenizerJson.quote(piece) + " is no number");
      }
      String digits = json.nextString();
      int id = TokenizerJson.id(digits);
      if (id < 0 || id >= MAX_PIECES) {
        throw file.wrong(
            "the id of "
                + TokenizerJson.quote(piece)
                + " is "
                + TokenizerJson.quote(digits)
                + "; expected an integer from 0 to "
                + (MAX_PIECES - 1));
      }
      if (!taken.add(id)) {
        throw file.wrong("two pieces of model.vocab have the id " + id);
      }
      add(piece, id);
    }
    json.endObject();
  }

  private void add(String piece, int id) {
    if (piece.length() > MAX_PIECE_LENGTH) {
      throw file.wrong("a piece of " + piece.length() + " characters");
    }
    if (ids.size() == MAX_PIECES) {
      throw file.wrong("more than " + MAX_PIECES + " pieces");
    }
    if (ids.put(piece, id) != null) {
      throw file.wrong("the piece " + TokenizerJson.quote(piece) + " comes twice in model.vocab");
    }
  }

  private void readMerges(JsonReader json) throws IOException {
    json.beginArray();
    while (json.hasNext()) {
      if (json.peek() == JsonToken.BEGIN_ARRAY) {
        json.beginArray();
        merges.add(string(json, "a part of model.merges"));
        merges.add(string(json, "a part of model.merges"));
        json.endArray();
      } else {
        String line = string(json, "an entry of model.merges");
        int space = line.indexOf(' ');
        if (space < 0 || line.indexOf(' ', space + 1) >= 0) {
          throw file.wrong(
              "model.merges[" + merges.size() / 2 + "] is " + TokenizerJson.quote(line)
                  + "; expected two pieces and one space");
        }
        merges.add(line.substring(0, space));
        merges.add(line.substring(space + 1));
      }
      if (merges.size() > 2 * MAX_PIECES) {
        throw file.wrong("more than " + MAX_PIECES + " merges");
      }
    }
    json.endArray();
  }

  private void check() {
    if (!(settings.get("type") instanceof String type)) {
      throw file.wrong("model.type is missing; expected BPE, Unigram, WordPiece or WordLevel");
    }
    if (!Set.of("BPE", "Unigram", "WordPiece", "WordLevel").contains(type)) {
      throw new UnsupportedModelException(
          file.wrong(
                  "model.type is "
                      + TokenizerJson.quote(type)
                      + "; supported are BPE, Unigram, WordPiece, WordLevel")
              .getMessage());
    }
    if (ids.isEmpty() || unigram != type.equals("Unigram")) {
      throw file.wrong("model.vocab is absent, empty, or not that of a " + type + " model");
    }
    if (unigram) {
      Object unknown = settings.get("unk_id");
      if (unknown != null
          && !(unknown instanceof BigDecimal id
              && id.doubleValue() == Math.rint(id.doubleValue())
              && id.doubleValue() >= 0
              && id.doubleValue() < ids.size())) {
        throw file.wrong("model.unk_id is " + unknown + "; expected 0 to " + (ids.size() - 1));
      }
      return;
    }
    Object unknown = settings.get("unk_token");
    if (unknown == null && !isBpe()) {
      throw file.wrong("model.unk_token is missing; a " + type + " model fails on texts without it");
    }
    if (unknown != null && !(unknown instanceof String piece && ids.containsKey(piece))) {
      throw file.wrong("model.unk_token is not a piece of model.vocab: " + unknown);
    }
    if (isBpe()) {
      checkMerges();
    } else if (!merges.isEmpty()) {
      throw file.wrong("model.merges in a model of type " + type);
    }
  }

  private void checkMerges() {
    if (settings.get("dropout") instanceof Number dropout && dropout.doubleValue() != 0) {
      throw new UnsupportedModelException(
          file.wrong("model.dropout is " + dropout + ": the same text would give other tokens")
              .getMessage());
    }
    String prefix = prefix();
    for (int i = 0; i < merges.size(); i += 2) {
      String left = merges.get(i);
      String right = merges.get(i + 1);
      if (!ids.containsKey(left) || !ids.containsKey(right)) {
        throw notInVocabulary(i, ids.containsKey(left) ? right : left);
      }
      if (!prefix.isEmpty() && !right.startsWith(prefix)) {
        throw file.wrong(
            "model.merges[" + i / 2 + "]: " + TokenizerJson.quote(right)
                + " does not begin with continuing_subword_prefix " + TokenizerJson.quote(prefix));
      }
      if (!ids.containsKey(merged(left, right))) {
        throw notInVocabulary(i, merged(left, right));
      }
    }
  }

  private CheckpointException notInVocabulary(int i, String piece) {
    return file.wrong(
        "model.merges[" + i / 2 + "] needs the piece " + TokenizerJson.quote(piece)
            + ", which model.vocab lacks");
  }

  private String merged(String left, String right) {
    return left + right.substring(prefix().length());
  }

  private String prefix() {
    Object prefix = settings.get("continuing_subword_prefix");
    return prefix instanceof String string ? string : "";
  }

  private boolean isBpe() {
    return "BPE".equals(settings.get("type"));
  }

  private String string(JsonReader json, String what) throws IOException {
    if (json.peek() != JsonToken.STRING) {
      throw file.wrong(what + " is no string at " + json.getPath());
    }
    return file.text(json.nextString(), json);
  }
}
