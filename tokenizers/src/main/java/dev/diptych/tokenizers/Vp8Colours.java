package dev.diptych.tokenizers;

/** From planes to RGB as libwebp does it (src/dsp/upsampling.c and yuv.h). */
final class Vp8Colours {
  private Vp8Colours() {}

  /**
   * Interpolates chroma and converts, both in libwebp's integers.
   *
   * @return [height, width, 3] bytes, red first
   */
  static byte[] toRgb(Vp8Plane luma, Vp8Plane u, Vp8Plane v, int width, int height) {
    byte[] rgb = new byte[Math.multiplyExact(3, Math.multiplyExact(width, height))];
    int lastX = (width - 1) / 2;
    int lastY = (height - 1) / 2;
    int at = 0;
    for (int y = 0; y < height; y++) {
      int near = y / 2;
      int far = Math.max(0, Math.min(near + ((y & 1) == 0 ? -1 : 1), lastY));
      for (int x = 0; x < width; x++) {
        int beside = Math.max(0, Math.min(x / 2 + ((x & 1) == 0 ? -1 : 1), lastX));
        int luminance = multiplyHigh(luma.get(luma.at(x, y)), 19077);
        int cb = interpolate(u, x / 2, beside, near, far);
        int cr = interpolate(v, x / 2, beside, near, far);
        rgb[at++] = clip(luminance + multiplyHigh(cr, 26149) - 14234);
        rgb[at++] = clip(luminance - multiplyHigh(cb, 6419) - multiplyHigh(cr, 13320) + 8708);
        rgb[at++] = clip(luminance + multiplyHigh(cb, 33050) - 17685);
      }
    }
    return rgb;
  }

  /** Weighs the four samples around by 9, 3, 3 and 1 sixteenths. */
  private static int interpolate(Vp8Plane plane, int x, int beside, int y, int far) {
    int nearest = plane.get(plane.at(x, y));
    int next = plane.get(plane.at(beside, y)) + plane.get(plane.at(x, far));
    return (9 * nearest + 3 * next + plane.get(plane.at(beside, far)) + 8) >> 4;
  }

  private static int multiplyHigh(int value, int factor) {
    return (value * factor) >> 8;
  }

  /** Six fraction bits are left. */
  private static byte clip(int value) {
    return (byte) Math.max(0, Math.min(value >> 6, 255));
  }
}
