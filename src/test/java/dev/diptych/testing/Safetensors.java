package dev.diptych.testing;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;

/** Writes safetensors files byte by byte, right ones and wrong ones. */
public final class Safetensors {
  private Safetensors() {}

  /** Bytes that count up. */
  public static Path write(Path file, String header, int dataBytes) {
    byte[] data = new byte[dataBytes];
    for (int i = 0; i < dataBytes; i++) {
      data[i] = (byte) i;
    }
    return write(file, header, data);
  }

  /** A header and what it describes. */
  public static Path write(Path file, String header, byte[] data) {
    byte[] utf8 = header.getBytes(StandardCharsets.UTF_8);
    return write(file, utf8.length, utf8, data);
  }

  /** Numbers as a file has them. */
  public static byte[] floats(float... numbers) {
    ByteBuffer data = ByteBuffer.allocate(4 * numbers.length).order(ByteOrder.LITTLE_ENDIAN);
    for (float number : numbers) {
      data.putFloat(number);
    }
    return data.array();
  }

  /** Numbers of 16 bits as a file has them. */
  public static byte[] shorts(short... numbers) {
    ByteBuffer data = ByteBuffer.allocate(2 * numbers.length).order(ByteOrder.LITTLE_ENDIAN);
    for (short number : numbers) {
      data.putShort(number);
    }
    return data.array();
  }

  /** A header that may lie about its length. */
  public static Path write(Path file, long headerLength, byte[] header, byte[] data) {
    ByteBuffer all =
        ByteBuffer.allocate(8 + header.length + data.length).order(ByteOrder.LITTLE_ENDIAN);
    all.putLong(headerLength).put(header).put(data);
    return write(file, all.array());
  }

  /** Bytes as they are. */
  public static Path write(Path file, byte[] bytes) {
    try {
      return Files.write(file, bytes);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** One entry of a header, with quotes where the pieces are not JSON themselves. */
  public static String entry(String name, String dtype, String shape, String offsets) {
    return "\"" + name + "\":{\"dtype\":\"" + dtype + "\",\"shape\":" + shape
        + ",\"data_offsets\":" + offsets + "}";
  }
}
