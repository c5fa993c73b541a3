package dev.diptych.tokenizers;

/** The arithmetic decoder of VP8 (RFC 6386, section 7). */
final class Vp8BoolDecoder {
  private final byte[] data;
  private final int end;
  private int at;
  private int value;
  private int range = 255;
  private int shifts;

  Vp8BoolDecoder(byte[] data, int start, int end) {
    this.data = data;
    this.at = start;
    this.end = end;
    this.value = nextByte() << 8 | nextByte();
  }

  /** Bytes behind the end read as 0, as the format has it; {@link #exhausted} tells of too many. */
  private int nextByte() {
    int next = at < end ? data[at] & 0xff : 0;
    at++;
    return next;
  }

  /** {@return whether more was read than a flushed encoder leaves to guess} */
  boolean exhausted() {
    return at - end > 2;
  }

  /**
   * Reads one decision.
   *
   * @param probability of 0, in 256ths
   */
  int bit(int probability) {
    int split = 1 + (((range - 1) * probability) >> 8);
    int bit = 0;
    if (value >= split << 8) {
      bit = 1;
      range -= split;
      value -= split << 8;
    } else {
      range = split;
    }
    while (range < 128) {
      value <<= 1;
      range <<= 1;
      if (++shifts == 8) {
        shifts = 0;
        value |= nextByte();
      }
    }
    return bit;
  }

  boolean flag() {
    return bit(128) != 0;
  }

  /** Reads an unsigned number, highest bit first. */
  int literal(int bits) {
    int number = 0;
    for (int i = 0; i < bits; i++) {
      number = number << 1 | bit(128);
    }
    return number;
  }

  /** Reads a magnitude and then a sign. */
  int signed(int bits) {
    int magnitude = literal(bits);
    return flag() ? -magnitude : magnitude;
  }

  /** Reads a flag and, if it is set, a signed number; else 0. */
  int optionalSigned(int bits) {
    return flag() ? signed(bits) : 0;
  }
}
