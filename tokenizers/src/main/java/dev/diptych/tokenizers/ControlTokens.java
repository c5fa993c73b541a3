package dev.diptych.tokenizers;

import java.util.ArrayList;
import java.util.BitSet;
import java.util.Collection;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.OptionalInt;

/**
 * The tokens that steer the model: begin, end, roles, image borders and placeholders. Only our own
 * code may place them.
 *
 * <p><b>Which added tokens are control tokens.</b> Those that tokenizer.json marks {@code special};
 * those that tokenizer_config.json or special_tokens_map.json names in a role ({@code bos_token},
 * {@code additional_special_tokens} ...), whether added or pieces of the vocabulary; and those that
 * look like markup because a bracket or a bar is in them, since checkpoints forget the mark. The
 * others are words that happened to be added, such as the runs of spaces of Phi or the single
 * letters of DeepSeek: text may contain them, and the reference reads them so.
 */
final class ControlTokens {
  private final Map<String, Integer> ids = new LinkedHashMap<>();
  private final Map<Character, List<AddedToken>> byFirst = new HashMap<>();
  private final BitSet all = new BitSet();

  /**
   * One entry of {@code added_tokens}.
   *
   * @param singleWord matched only where no letter or digit touches it
   * @param lstrip takes the white space before it along
   * @param rstrip takes the white space after it along
   * @param normalized matched in the normalised text
   */
  record AddedToken(
      int id,
      String content,
      boolean singleWord,
      boolean lstrip,
      boolean rstrip,
      boolean normalized,
      boolean special) {

    /** Returns whether the content looks like markup rather than like a word. */
    boolean looksLikeMarkup() {
      return content.chars().anyMatch(c -> "<>[]{}|｜".indexOf(c) >= 0);
    }
  }

  /** Adds a control token that is matched in templates. */
  void add(AddedToken token) {
    ids.put(token.content, token.id);
    all.set(token.id);
    byFirst.computeIfAbsent(token.content.charAt(0), c -> new ArrayList<>()).add(token);
  }

  /** Adds a control token that is a piece of the vocabulary. */
  void addPiece(String piece, int id) {
    add(new AddedToken(id, piece, false, false, false, false, true));
  }

  boolean contains(String content) {
    return ids.containsKey(content);
  }

  boolean contains(int id) {
    return all.get(id);
  }

  OptionalInt find(String content) {
    Integer id = ids.get(content);
    return id == null ? OptionalInt.empty() : OptionalInt.of(id);
  }

  Collection<String> contents() {
    return ids.keySet();
  }

  /**
   * A stretch of a template.
   *
   * @param control the token, or null for text
   * @param text the text, empty for a token
   */
  record Stretch(AddedToken control, String text) {}

  /** Cuts a template at its control tokens: leftmost first, the longest of those. */
  List<Stretch> cut(String template) {
    List<Stretch> stretches = new ArrayList<>();
    int done = 0;
    for (int i = 0; i < template.length(); i++) {
      AddedToken token = longestAt(template, i);
      if (token == null) {
        continue;
      }
      int end = i + token.content.length();
      if (token.singleWord && touchesAWord(template, i, end)) {
        continue;
      }
      int start = i;
      while (token.lstrip && start > done && isSpace(template.charAt(start - 1))) {
        start--;
      }
      while (token.rstrip && end < template.length() && isSpace(template.charAt(end))) {
        end++;
      }
      if (start > done) {
        stretches.add(new Stretch(null, template.substring(done, start)));
      }
      stretches.add(new Stretch(token, ""));
      done = end;
      i = end - 1;
    }
    if (done < template.length()) {
      stretches.add(new Stretch(null, template.substring(done)));
    }
    return stretches;
  }

  private AddedToken longestAt(String text, int at) {
    AddedToken longest = null;
    for (AddedToken token : byFirst.getOrDefault(text.charAt(at), List.of())) {
      if (text.startsWith(token.content, at)
          && (longest == null || token.content.length() > longest.content.length())) {
        longest = token;
      }
    }
    return longest;
  }

  private static boolean touchesAWord(String text, int start, int end) {
    return start > 0 && isWord(text.codePointBefore(start))
        || end < text.length() && isWord(text.codePointAt(end));
  }

  private static boolean isWord(int c) {
    return Character.isLetterOrDigit(c)
        || c == '_'
        || Character.getType(c) == Character.NON_SPACING_MARK;
  }

  private static boolean isSpace(char c) {
    return Character.isWhitespace(c) || Character.isSpaceChar(c);
  }
}
