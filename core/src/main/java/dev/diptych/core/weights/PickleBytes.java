package dev.diptych.core.weights;

import dev.diptych.core.CheckpointException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;

/** The bytes of a pickle, instruction by instruction; the end is never passed. */
final class PickleBytes {
  private static final int MAX_STRING = 1 << 20;
  private static final int MAX_LINE = 512;

  private final String where;
  private final ByteBuffer in;
  private int start;

  PickleBytes(String where, byte[] pickle) {
    this.where = where;
    this.in = ByteBuffer.wrap(pickle).order(ByteOrder.LITTLE_ENDIAN);
  }

  boolean startsWith(int first, int second) {
    return in.remaining() >= 2 && unsigned8() == first && unsigned8() == second;
  }

  boolean isAtEnd() {
    return !in.hasRemaining();
  }

  /** The next instruction; errors from here on name its place. */
  int instruction() {
    start = in.position();
    return unsigned8();
  }

  int unsigned8() {
    return need(1).get() & 0xff;
  }

  int unsigned16() {
    return need(2).getShort() & 0xffff;
  }

  int signed32() {
    return need(4).getInt();
  }

  /** The only number that pickle writes with the high byte first. */
  double float64() {
    return Double.longBitsToDouble(Long.reverseBytes(need(8).getLong()));
  }

  String string(int length) {
    if (length < 0 || length > MAX_STRING) {
      throw refused("has a string of more than " + MAX_STRING + " bytes");
    }
    ByteBuffer bytes = need(length).slice(in.position(), length);
    in.position(in.position() + length);
    try {
      return StandardCharsets.UTF_8.newDecoder().decode(bytes).toString();
    } catch (CharacterCodingException e) {
      throw refused("has a string that is not UTF-8");
    }
  }

  /** A two's complement integer of so many bytes. */
  long integer(int length) {
    if (length > 8) {
      throw refused("has an integer of more than 64 bits");
    }
    need(length);
    long value = 0;
    for (int i = 0; i < length; i++) {
      value |= (in.get() & 0xffL) << (8 * i);
    }
    int unused = 64 - 8 * length;
    return length == 0 ? 0 : value << unused >> unused;
  }

  String line() {
    int from = in.position();
    while (unsigned8() != '\n') {
      if (in.position() - from > MAX_LINE) {
        throw refused("has a name of more than " + MAX_LINE + " bytes");
      }
    }
    return new String(
        in.array(), from, in.position() - from - 1, StandardCharsets.ISO_8859_1);
  }

  private ByteBuffer need(int bytes) {
    if (in.remaining() < bytes) {
      throw refused("ends in the middle");
    }
    return in;
  }

  CheckpointException refused(String what) {
    return new CheckpointException(where + ": data.pkl " + what + " (byte " + start + ")");
  }
}
