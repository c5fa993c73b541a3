package dev.diptych.tokenizers;

import static org.assertj.core.api.Assertions.assertThatCode;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class RegexGuardTest {
  @ParameterizedTest
  @ValueSource(
      strings = {
        // GPT-2
        "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+",
        // Llama 3
        "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}"
            + "| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+",
        // GPT-4o and Tekken
        "[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]*[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]+"
            + "(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*"
            + "|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+",
        // DeepSeek
        "[\\r\\n]",
        "\\s?[A-Za-zµÀ-ÖØ-öø-ƺƼ-ƿ]+",
        "\\s?[!-/:-~！-／：-～‘-‟　-。]+",
        "\\s+$",
        "[一-龥ࠀ-一가-퟿]+",
        // DeepSeek-V3
        "[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|[^\\r\\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+"
            + "| ?[\\p{P}\\p{S}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+",
        // BLOOM
        " ?[^(\\s|[.,!?…。，、।۔،])]+",
        // CLIP
        "<\\|startoftext\\|>|<\\|endoftext\\|>|'s|'t|'re|'ve|'m|'ll|'d|[\\p{L}]+|[\\p{N}]"
            + "|[^\\s\\p{L}\\p{N}]+",
        // Chameleon
        "<sentinel:[0-9]+>",
        "(IMGIMG)((A|B|C|D|E|F|G|H|I){1,4})Z",
        "([\\t\\n]|    |  )",
        // T5 and others
        " {2,}",
        "[0-9][0-9][0-9]",
        "(?:ab)+c",
        "(?<=x)y",
        "[\\p{Han}&&[^x]]+"
      })
  void acceptsWhatPublishedTokenizersUse(String pattern) {
    assertThatCode(() -> RegexGuard.check(pattern)).doesNotThrowAnyException();
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "(a+)+b", "(a*)*b", "(?:a|a)*b", "(?i:a|A)*b", "(?:a|ab)*b", "(?:a?)+b", "([a-z]+)*!", "(?:(?:a+)?b?)+", "((a{2,}))+",
        "a*a*b", "\\s+\\s+x", "a+b*c+d", "(?:a*b*)c", "a*(?=a*b)", "(x+x+)y"
      })
  void refusesWhatBacktracksWithoutEnd(String pattern) {
    assertRefused(pattern);
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "a?a?a?a?a?a?a?a?a?a?a?a?a?aaaaaaaaaaaaa", "(?:a|[ab])(?:a|[ab])(?:a|[ab])(?:a|[ab])(?:a|[ab])"
            + "(?:a|[ab])(?:a|[ab])(?:a|[ab])(?:a|[ab])(?:a|[ab])(?:a|[ab])(?:a|[ab])(?:a|[ab])x", "a{0,999}a{0,999}b", "a{1001}", "(a{9}){9}",
        "a{2}{3}", "a{3,2}", "a{x}"
      })
  void refusesTooManyCombinations(String pattern) {
    assertRefused(pattern);
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "(a)\\1", "\\k<x>", "(?<x>a)", "\\g<0>a", "(?(1)a|b)", "(?~a)", "(*FAIL)", "(?x:a b)", "a)", "(a",
        "[a", "[]", "*a", "a**", "", "a*", "a|", "^", "\\", "\\Q", "\\p", "\\xZ", "{1}"
      })
  void refusesWhatItDoesNotKnow(String pattern) {
    assertRefused(pattern);
  }

  private static void assertRefused(String pattern) {
    assertThatThrownBy(() -> RegexGuard.check(pattern)).isInstanceOf(RegexGuard.Refusal.class);
  }
}
