package dev.diptych.tokenizers;

/**
 * UTF-8, byte by byte. A damaged sequence becomes one U+FFFD for the longest beginning that a
 * character could have (the Unicode standard, section 3.9, and the reference); the JDK's decoder
 * differs on encoded surrogates.
 */
final class Utf8 {
  private int character;
  private int missing;
  private int low = 0x80;
  private int high = 0xBF;
  private boolean damaged;

  /** Takes a byte and appends what is now certain. */
  void push(int b, StringBuilder out) {
    if (missing > 0) {
      if (b >= low && b <= high) {
        character = character << 6 | b & 0x3F;
        low = 0x80;
        high = 0xBF;
        if (--missing == 0) {
          out.appendCodePoint(character);
        }
        return;
      }
      replace(out);
    }
    if (b < 0x80) {
      out.append((char) b);
    } else if (b >= 0xC2 && b <= 0xDF) {
      begin(b & 0x1F, 1);
    } else if (b >= 0xE0 && b <= 0xEF) {
      begin(b & 0x0F, 2);
      low = b == 0xE0 ? 0xA0 : 0x80;
      high = b == 0xED ? 0x9F : 0xBF;
    } else if (b >= 0xF0 && b <= 0xF4) {
      begin(b & 0x07, 3);
      low = b == 0xF0 ? 0x90 : 0x80;
      high = b == 0xF4 ? 0x8F : 0xBF;
    } else {
      replace(out);
    }
  }

  /** Appends what the end of the bytes makes certain: a character that was cut off. */
  void end(StringBuilder out) {
    if (missing > 0) {
      replace(out);
    }
  }

  /** Returns whether a U+FFFD was put in place of bytes. */
  boolean damaged() {
    return damaged;
  }

  /** Forgets everything. */
  void restart() {
    missing = 0;
    damaged = false;
  }

  private void begin(int bits, int continuations) {
    character = bits;
    missing = continuations;
    low = 0x80;
    high = 0xBF;
  }

  private void replace(StringBuilder out) {
    out.append('\uFFFD');
    missing = 0;
    damaged = true;
  }
}
