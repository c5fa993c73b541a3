package dev.diptych.tokenizers;

import dev.diptych.core.Image;
import java.io.ByteArrayOutputStream;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.Map;
import java.util.zip.CRC32;
import java.util.zip.Deflater;

/**
 * Writes an {@link Image} as an 8-bit RGB PNG: the same picture and text give the same bytes, for
 * nothing in the file tells of time, machine or map order.
 */
final class PngWriter {
  private static final int LEVEL = 6;
  private static final int FILTERS = 5;

  private final ByteArrayOutputStream file = new ByteArrayOutputStream();

  private PngWriter() {}

  static byte[] encode(Image image, Map<String, String> text) {
    PngWriter writer = new PngWriter();
    writer.file.writeBytes(PngImage.SIGNATURE);
    writer.header(image);
    for (PngText.Encoded chunk : PngText.encode(text)) {
      writer.chunk(chunk.type(), chunk.body(), chunk.body().length);
    }
    writer.pixels(image);
    writer.chunk("IEND", new byte[0], 0);
    return writer.file.toByteArray();
  }

  private void header(Image image) {
    ByteBuffer body = ByteBuffer.allocate(13);
    body.putInt(image.width()).putInt(image.height());
    // 8 bits a sample, RGB; deflate, adaptive filters and no interlacing are 0.
    body.put((byte) 8).put((byte) 2);
    chunk("IHDR", body.array(), 13);
  }

  private void pixels(Image image) {
    byte[] rgb = image.rgb();
    int stride = 3 * image.width();
    byte[] zeros = new byte[stride];
    byte[][] filtered = new byte[FILTERS][stride + 1];
    byte[] block = new byte[1 << 16];
    Deflater deflater = new Deflater(LEVEL);
    try {
      for (int y = 0; y < image.height(); y++) {
        byte[] above = y == 0 ? zeros : rgb;
        deflater.setInput(best(rgb, stride * y, above, y == 0 ? 0 : stride * (y - 1), filtered));
        if (y == image.height() - 1) {
          deflater.finish();
        }
        for (int n = deflater.deflate(block); n > 0; n = deflater.deflate(block)) {
          chunk("IDAT", block, n);
        }
      }
    } finally {
      deflater.end();
    }
  }

  /**
   * Chooses the filter of a row by the least sum of absolute values, as the specification advises.
   */
  private static byte[] best(byte[] row, int at, byte[] above, int aboveAt, byte[][] filtered) {
    int length = filtered[0].length - 1;
    long[] sums = new long[FILTERS];
    for (int i = 0; i < length; i++) {
      int value = row[at + i];
      int left = i < 3 ? 0 : row[at + i - 3] & 0xff;
      int up = above[aboveAt + i] & 0xff;
      int upLeft = i < 3 ? 0 : above[aboveAt + i - 3] & 0xff;
      sums[0] += put(filtered[0], i, value);
      sums[1] += put(filtered[1], i, value - left);
      sums[2] += put(filtered[2], i, value - up);
      sums[3] += put(filtered[3], i, value - (left + up) / 2);
      sums[4] += put(filtered[4], i, value - paeth(left, up, upLeft));
    }
    int best = 0;
    for (int filter = 0; filter < FILTERS; filter++) {
      filtered[filter][0] = (byte) filter;
      best = sums[filter] < sums[best] ? filter : best;
    }
    return filtered[best];
  }

  private static int put(byte[] target, int i, int value) {
    target[i + 1] = (byte) value;
    return Math.abs((byte) value);
  }

  private static int paeth(int left, int up, int upLeft) {
    int estimate = left + up - upLeft;
    int toLeft = Math.abs(estimate - left);
    int toUp = Math.abs(estimate - up);
    int toUpLeft = Math.abs(estimate - upLeft);
    if (toLeft <= toUp && toLeft <= toUpLeft) {
      return left;
    }
    return toUp <= toUpLeft ? up : upLeft;
  }

  private void chunk(String type, byte[] body, int length) {
    byte[] name = type.getBytes(StandardCharsets.ISO_8859_1);
    CRC32 crc = new CRC32();
    crc.update(name);
    crc.update(body, 0, length);
    file.writeBytes(ByteBuffer.allocate(4).putInt(length).array());
    file.writeBytes(name);
    file.write(body, 0, length);
    file.writeBytes(ByteBuffer.allocate(4).putInt((int) crc.getValue()).array());
  }
}
