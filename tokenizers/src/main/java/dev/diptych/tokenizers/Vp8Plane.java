package dev.diptych.tokenizers;

import java.util.Arrays;

/**
 * One plane of samples, whole macroblocks wide and high, with the border that prediction reads
 * beyond the picture: 127 above, 129 to the left (RFC 6386, section 12.2).
 */
final class Vp8Plane {
  /** Samples left of the picture; one is read. */
  private static final int LEFT = 1;

  /** Samples right of the top border that 4x4 prediction reads. */
  private static final int RIGHT = 4;

  final byte[] samples;
  final int stride;

  Vp8Plane(int width, int height) {
    stride = LEFT + width + RIGHT;
    samples = new byte[Math.multiplyExact(stride, height + 1)];
    Arrays.fill(samples, 0, stride, (byte) 127);
    for (int y = 0; y < height; y++) {
      samples[at(-1, y)] = (byte) 129;
    }
  }

  /** {@return the index of a sample; -1 is the border} */
  int at(int x, int y) {
    return (y + 1) * stride + LEFT + x;
  }

  int get(int index) {
    return samples[index] & 0xff;
  }

  void set(int index, int value) {
    samples[index] = (byte) (value < 0 ? 0 : Math.min(value, 255));
  }
}
