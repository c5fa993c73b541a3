package dev.diptych.tokenizers;

import dev.diptych.core.UnsupportedModelException;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;

/**
 * Goes through the normalizer and the pre_tokenizer of a tokenizer.json and refuses what the native
 * code would panic over: a panic there ends the process. Only known types pass.
 */
final class TokenizerRules {
  private static final int MAX_RULES = 256;

  /*
   * Precompiled is absent: its character map is a binary automaton that the native code walks
   * without checking the offsets in it.
   */
  private static final Set<String> NORMALIZERS =
      Set.of(
          "BertNormalizer", "ByteLevel", "Lowercase", "NFC", "NFD", "NFKC", "NFKD", "Nmt",
          "Prepend", "Replace", "Sequence", "Strip", "StripAccents");
  private static final Set<String> PRE_TOKENIZERS =
      Set.of(
          "BertPreTokenizer", "ByteLevel", "CharDelimiterSplit", "Digits", "FixedLength",
          "Metaspace", "Punctuation", "Sequence", "Split", "UnicodeScripts", "Whitespace",
          "WhitespaceSplit");

  // These can leave nothing of a text.
  private static final Set<String> ERASERS =
      Set.of("BertNormalizer", "Nmt", "Strip", "StripAccents");

  private final TokenizerJson file;
  private int rules;
  private boolean erases;

  TokenizerRules(TokenizerJson file) {
    this.file = file;
  }

  /** Returns whether a text may normalise to the empty text; after {@link #checkNormalizer}. */
  boolean normalizerErases() {
    return erases;
  }

  /** Refuses a normalizer that is not safe to hand to the native code; null is none. */
  void checkNormalizer(Object normalizer) {
    walk(normalizer, "normalizer", NORMALIZERS, "normalizers");
  }

  /** Refuses a pre_tokenizer that is not safe to hand to the native code; null is none. */
  void checkPreTokenizer(Object preTokenizer) {
    walk(preTokenizer, "pre_tokenizer", PRE_TOKENIZERS, "pretokenizers");
  }

  private void walk(Object node, String where, Set<String> known, String children) {
    if (node == null) {
      return;
    }
    if (++rules > MAX_RULES) {
      throw file.wrong("more than " + MAX_RULES + " normalizers and pre_tokenizers");
    }
    Map<String, Object> rule = object(node, where);
    String type = string(rule, "type", where);
    if (!known.contains(type)) {
      throw new UnsupportedModelException(
          file.wrong(
                  where
                      + " of type "
                      + TokenizerJson.quote(type)
                      + "; expected one of "
                      + new TreeSet<>(known))
              .getMessage());
    }
    erases |= ERASERS.contains(type) || type.equals("Replace") && "".equals(rule.get("content"));
    switch (type) {
      case "Sequence":
        int i = 0;
        for (Object child : list(rule, children, where)) {
          walk(child, where + "." + children + "[" + i++ + "]", known, children);
        }
        break;
      case "Split", "Replace":
        pattern(rule, where);
        break;
      case "FixedLength":
        integer(rule, "length", 1, 1 << 20, where);
        break;
      case "Metaspace":
        string(rule, "replacement", where);
        break;
      case "Prepend":
        nonEmpty(string(rule, "prepend", where), where + ".prepend");
        break;
      default:
        break;
    }
  }

  private void pattern(Map<String, Object> rule, String where) {
    Map<String, Object> pattern = object(rule.get("pattern"), where + ".pattern");
    if (pattern.size() == 1 && pattern.get("String") instanceof String literal) {
      nonEmpty(literal, where + ".pattern.String");
    } else if (pattern.size() == 1 && pattern.get("Regex") instanceof String regex) {
      try {
        RegexGuard.check(regex);
      } catch (RegexGuard.Refusal e) {
        throw new UnsupportedModelException(
            file.wrong(
                    "the expression "
                        + TokenizerJson.quote(regex)
                        + " of "
                        + where
                        + " is not run: "
                        + e.getMessage())
                .getMessage(),
            e);
      }
    } else {
      throw file.wrong(where + ".pattern; expected {\"String\": …} or {\"Regex\": …}");
    }
  }

  private void nonEmpty(String string, String where) {
    if (string.isEmpty()) {
      throw file.wrong(where + " is empty");
    }
  }

  /** Returns the object, or refuses another kind of value. */
  Map<String, Object> object(Object value, String where) {
    if (value instanceof Map<?, ?>) {
      @SuppressWarnings("unchecked")
      Map<String, Object> members = (Map<String, Object>) value;
      return members;
    }
    throw file.wrong(where + " is " + kind(value) + "; expected an object");
  }

  /** Returns the array under the key, or refuses another kind of value. */
  List<?> list(Map<String, Object> owner, String key, String where) {
    if (owner.get(key) instanceof List<?> elements) {
      return elements;
    }
    throw file.wrong(where + "." + key + " is " + kind(owner.get(key)) + "; expected an array");
  }

  /** Returns the string under the key, or refuses another kind of value. */
  String string(Map<String, Object> owner, String key, String where) {
    if (owner.get(key) instanceof String string) {
      return string;
    }
    throw file.wrong(where + "." + key + " is " + kind(owner.get(key)) + "; expected a string");
  }

  /** Returns the boolean under the key, false if absent or null, or refuses another kind. */
  boolean flag(Map<String, Object> owner, String key, String where) {
    Object value = owner.get(key);
    if (value == null || value instanceof Boolean) {
      return Boolean.TRUE.equals(value);
    }
    throw file.wrong(where + "." + key + " is " + kind(value) + "; expected true or false");
  }

  /** Returns the integer under the key, refused outside min to max. */
  int integer(Map<String, Object> owner, String key, int min, int max, String where) {
    Object value = owner.get(key);
    if (value instanceof Number number) {
      double d = number.doubleValue();
      if (d == Math.rint(d) && d >= min && d <= max) {
        return (int) d;
      }
    }
    throw file.wrong(
        where + "." + key + " is " + kind(value) + "; expected an integer from " + min + " to " + max);
  }

  private static String kind(Object value) {
    if (value instanceof Map<?, ?>) {
      return "an object";
    }
    if (value instanceof List<?>) {
      return "an array";
    }
    return value instanceof String string ? TokenizerJson.quote(string) : String.valueOf(value);
  }
}
