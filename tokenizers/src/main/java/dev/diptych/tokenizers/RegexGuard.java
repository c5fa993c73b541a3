package dev.diptych.tokenizers;

import java.util.Locale;
import java.util.regex.Pattern;

/**
 * Reads a regular expression of a tokenizer.json and refuses what a backtracking engine may not
 * finish. The native engine aborts the process when one match takes too many steps, so the
 * expression is judged by its form before the engine sees it.
 *
 * <p>Accepted is what published tokenizers use (GPT-2, GPT-4o, Llama 3, Qwen, DeepSeek, BLOOM,
 * Chameleon):
 *
 * <ul>
 *   <li>an unbounded repetition only of a character, a class, or a plain run of them: repetitions
 *       of repetitions or of alternatives take exponential time;
 *   <li>nothing that can fail behind two unbounded repetitions in a row of elements: the ways to
 *       divide the text between the two would be tried one by one;
 *   <li>few combinations of optional elements and alternatives;
 *   <li>no back references, calls, conditions, or callouts;
 *   <li>no expression that matches the empty text.
 * </ul>
 */
final class RegexGuard {
  private static final int MAX_LENGTH = 20_000;
  private static final int MAX_REPEAT = 1_000;
  private static final int MAX_DEPTH = 32;
  private static final long MAX_CHOICES = 4_096;
  private static final Pattern ONE_OF_SOME = Pattern.compile("[A-Za-z0-9](\\|[A-Za-z0-9])+");

  private final String pattern;
  private int at;
  private int depth;

  private RegexGuard(String pattern) {
    this.pattern = pattern;
  }

  /**
   * What is known of a part of the expression.
   *
   * @param plain one character or class after the other and nothing else
   * @param nullable can match the empty text, so it cannot fail
   * @param unbounded unbounded repetitions on the way through
   * @param before unbounded repetitions before the last element that can fail, -1 if none can
   * @param choices ways through, not counting the unbounded repetitions
   */
  private record Part(boolean plain, boolean nullable, int unbounded, int before, long choices) {
    static final Part EMPTY = new Part(true, true, 0, -1, 1);
    static final Part ONE = new Part(true, false, 0, 0, 1);
    static final Part ASSERTION = new Part(false, true, 0, 0, 1);
  }

  /** Why an expression is refused. */
  static final class Refusal extends Exception {
    private static final long serialVersionUID = 1L;

    Refusal(String message) {
      super(message);
    }
  }

  /** Returns normally if the expression is safe to run on any text. */
  static void check(String pattern) throws Refusal {
    if (pattern.length() > MAX_LENGTH) {
      throw new Refusal(pattern.length() + " characters; at most " + MAX_LENGTH);
    }
    RegexGuard guard = new RegexGuard(pattern);
    Part whole = guard.alternatives();
    if (guard.at < pattern.length()) {
      throw guard.refuse("a bracket closes that was not opened");
    }
    if (whole.nullable) {
      throw new Refusal("it matches the empty text");
    }
  }

  private Part alternatives() throws Refusal {
    if (++depth > MAX_DEPTH) {
      throw refuse("nested more than " + MAX_DEPTH + " deep");
    }
    int begin = at;
    Part all = branch();
    while (at < pattern.length() && pattern.charAt(at) == '|') {
      at++;
      Part next = branch();
      all =
          new Part(
              false,
              all.nullable || next.nullable,
              Math.max(all.unbounded, next.unbounded),
              Math.max(all.before, next.before),
              all.choices + next.choices);
    }
    depth--;
    return isClass(pattern.substring(begin, at)) ? Part.ONE : all;
  }

  /** Different letters or digits with bars between them are a class: one at most fits. */
  private static boolean isClass(String alternatives) {
    String letters = alternatives.toLowerCase(Locale.ROOT).replace("|", "");
    return ONE_OF_SOME.matcher(alternatives).matches()
        && letters.chars().distinct().count() == letters.length();
  }

  private Part branch() throws Refusal {
    Part sum = Part.EMPTY;
    while (at < pattern.length() && pattern.charAt(at) != '|' && pattern.charAt(at) != ')') {
      Part next = quantified(element());
      int before = next.before < 0 ? sum.before : sum.unbounded + next.before;
      if (before > 1) {
        throw refuse("an element that can fail follows two unbounded repetitions");
      }
      long choices = sum.choices * next.choices;
      if (choices > MAX_CHOICES) {
        throw refuse("more than " + MAX_CHOICES + " combinations of optional elements");
      }
      sum =
          new Part(
              sum.plain && next.plain,
              sum.nullable && next.nullable,
              sum.unbounded + next.unbounded,
              before,
              choices);
    }
    return sum;
  }

  private Part quantified(Part part) throws Refusal {
    if (at == pattern.length()) {
      return part;
    }
    int min;
    int max;
    char c = pattern.charAt(at);
    if (c == '?' || c == '*' || c == '+') {
      at++;
      min = c == '+' ? 1 : 0;
      max = c == '?' ? 1 : Integer.MAX_VALUE;
      if (at < pattern.length() && (pattern.charAt(at) == '?' || pattern.charAt(at) == '+')) {
        at++;
      }
    } else if (c == '{') {
      int end = pattern.indexOf('}', at);
      String[] bounds = end < 0 ? new String[0] : pattern.substring(at + 1, end).split(",", -1);
      if (bounds.length < 1 || bounds.length > 2) {
        throw refuse("a repetition {…} without its bounds");
      }
      min = bound(bounds[0], 0);
      max = bounds.length == 1 ? min : bound(bounds[1], Integer.MAX_VALUE);
      if (max < min || max == 0) {
        throw refuse("a repetition {…} with bounds out of order");
      }
      at = end + 1;
    } else {
      return part;
    }
    if (at < pattern.length() && "?*+{".indexOf(pattern.charAt(at)) >= 0) {
      throw refuse("a repetition of a repetition");
    }
    return repeated(part, min, max);
  }

  private Part repeated(Part part, int min, int max) throws Refusal {
    if (max > 1 && !(part.plain && !part.nullable)) {
      throw refuse("a repetition of a group that repeats, branches or can be empty");
    }
    if (max == Integer.MAX_VALUE) {
      return new Part(false, min == 0, 1, min == 0 ? -1 : 0, 1);
    }
    boolean optional = min == 0;
    long choices = Math.addExact(part.choices, optional ? 1 : 0);
    return new Part(
        false,
        optional || part.nullable,
        part.unbounded,
        optional ? -1 : part.before,
        max > 1 ? max - min + 1L : choices);
  }

  private int bound(String digits, int orElse) throws Refusal {
    if (digits.isEmpty()) {
      return orElse;
    }
    if (!digits.matches("[0-9]{1,4}") || Integer.parseInt(digits) > MAX_REPEAT) {
      throw refuse("a repetition beyond " + MAX_REPEAT);
    }
    return Integer.parseInt(digits);
  }

  private Part element() throws Refusal {
    char c = pattern.charAt(at);
    switch (c) {
      case '(':
        return group();
      case '[':
        characterClass();
        return Part.ONE;
      case '\\':
        return escape();
      case '^':
      case '$':
        at++;
        return Part.ASSERTION;
      case '?':
      case '*':
      case '+':
      case '{':
        throw refuse("a repetition of nothing");
      default:
        at += Character.charCount(pattern.codePointAt(at));
        return Part.ONE;
    }
  }

  private Part group() throws Refusal {
    String opening = null;
    for (String known : new String[] {"(?:", "(?i:", "(?-i:", "(?>", "(?=", "(?!", "(?<=", "(?<!"}) {
      opening = pattern.startsWith(known, at) ? known : opening;
    }
    if (opening == null) {
      if (pattern.startsWith("(?i)", at)) {
        at += "(?i)".length();
        return Part.EMPTY;
      }
      if (pattern.startsWith("(?", at) || pattern.startsWith("(*", at)) {
        throw refuse("a group of a kind that is not accepted");
      }
      opening = "(";
    }
    at += opening.length();
    Part body = alternatives();
    if (at == pattern.length()) {
      throw refuse("a group that is not closed");
    }
    at++;
    boolean looksAround = opening.endsWith("=") || opening.endsWith("!");
    if (looksAround) {
      int before = Math.max(body.before, 0);
      return new Part(false, true, body.unbounded, before, body.choices);
    }
    return body;
  }

  private Part escape() throws Refusal {
    char c = at + 1 < pattern.length() ? pattern.charAt(at + 1) : 0;
    at += 2;
    switch (c) {
      case 'b', 'B', 'A', 'z', 'Z':
        return Part.ASSERTION;
      case 's', 'S', 'd', 'D', 'w', 'W', 'h', 'H', 'r', 'n', 't', 'f', 'v', 'a', 'e':
        return Part.ONE;
      case 'p', 'P':
        return rest("\\{\\^?[A-Za-z0-9_ -]{1,40}\\}.*");
      case 'x':
        return rest("(\\{[0-9a-fA-F]{1,6}\\}|[0-9a-fA-F]{2}).*");
      case 'u':
        return rest("[0-9a-fA-F]{4}.*");
      default:
        if (c == 0 || c > 126 || Character.isLetterOrDigit(c)) {
          throw refuse("the escape \\" + (c == 0 ? "" : c) + " is not accepted");
        }
        return Part.ONE;
    }
  }

  /** Takes the operand of an escape, as long as the form demands. */
  private Part rest(String form) throws Refusal {
    String tail = pattern.substring(at, Math.min(pattern.length(), at + 50));
    if (!tail.replace('\n', ' ').replace('\r', ' ').matches(form)) {
      throw refuse("an escape without its operand");
    }
    if (tail.charAt(0) == '{') {
      at += tail.indexOf('}') + 1;
    } else {
      at += form.startsWith("(") ? 2 : 4;
    }
    return Part.ONE;
  }

  private void characterClass() throws Refusal {
    if (++depth > MAX_DEPTH) {
      throw refuse("nested more than " + MAX_DEPTH + " deep");
    }
    at++;
    if (at < pattern.length() && pattern.charAt(at) == '^') {
      at++;
    }
    if (at < pattern.length() && pattern.charAt(at) == ']') {
      throw refuse("an empty character class");
    }
    while (at < pattern.length() && pattern.charAt(at) != ']') {
      if (pattern.charAt(at) == '[') {
        characterClass();
      } else if (pattern.charAt(at) == '\\') {
        escape();
      } else {
        at++;
      }
    }
    if (at == pattern.length()) {
      throw refuse("a character class that is not closed");
    }
    at++;
    depth--;
  }

  private Refusal refuse(String what) {
    return new Refusal(String.format(Locale.ROOT, "%s, at character %d", what, at));
  }
}
