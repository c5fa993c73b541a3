package dev.diptych.core;

import java.awt.image.BufferedImage;
import java.util.Arrays;
import java.util.Objects;
import java.util.Optional;

/**
 * A picture as the models see it: 8-bit sRGB, rows from the top, three bytes a pixel, and how
 * opaque each pixel is where a file says so. Colours are those that the file holds, blended with
 * nothing; a model that looks at opacity blends by its own rule, most look at the colours alone.
 * Immutable. Files are read and written by {@code dev.diptych.tokenizers.ImageFile}, which turns
 * them upright by EXIF and, as the references do, drops colour profiles; opacity is not written.
 */
public final class Image {
  private final int width;
  private final int height;
  private final byte[] rgb;

  /** [height, width], 255 opaque; null where every pixel is. */
  private final byte[] alpha;

  private Image(int width, int height, byte[] rgb, byte[] alpha) {
    this.width = width;
    this.height = height;
    this.rgb = rgb;
    this.alpha = alpha;
  }

  /**
   * Copies raw pixels.
   *
   * @param width columns, at least 1
   * @param height rows, at least 1
   * @param rgb [height, width, 3] bytes, red first
   * @throws InvalidImageException if a side is below 1 or the array has another length
   */
  public static Image of(int width, int height, byte[] rgb) {
    Objects.requireNonNull(rgb, "rgb");
    if (width < 1 || height < 1 || rgb.length != 3L * width * height) {
      throw new InvalidImageException(
          "Cannot make a picture of "
              + width
              + "x"
              + height
              + " pixels\n  expected sides of at least 1 and "
              + 3L * width * height
              + " bytes (3 x width x height)\n  found    "
              + rgb.length
              + " bytes");
    }
    return new Image(width, height, rgb.clone(), null);
  }

  /**
   * {@return the picture with another opacity}
   *
   * @param alpha [height, width] bytes, 0 transparent to 255 opaque
   * @throws InvalidImageException if the array has another length
   */
  public Image withAlpha(byte[] alpha) {
    if (alpha.length != width * height) {
      throw new InvalidImageException(
          "Cannot make a picture of " + width + "x" + height + " pixels\n  expected "
              + width * height + " bytes of alpha\n  found    " + alpha.length);
    }
    for (byte opacity : alpha) {
      if (opacity != (byte) 255) {
        return new Image(width, height, rgb, alpha.clone());
      }
    }
    return new Image(width, height, rgb, null);
  }

  /**
   * Converts from AWT. Alpha is dropped, not blended: colours are taken as they stand.
   *
   * @param image any type; converted to sRGB by AWT
   */
  public static Image of(BufferedImage image) {
    int width = image.getWidth();
    int height = image.getHeight();
    byte[] rgb = new byte[Math.multiplyExact(3, Math.multiplyExact(width, height))];
    int[] row = new int[width];
    int at = 0;
    for (int y = 0; y < height; y++) {
      image.getRGB(0, y, width, 1, row, 0, width);
      for (int x = 0; x < width; x++) {
        rgb[at++] = (byte) (row[x] >> 16);
        rgb[at++] = (byte) (row[x] >> 8);
        rgb[at++] = (byte) row[x];
      }
    }
    return new Image(width, height, rgb, null);
  }

  /** {@return the picture as {@link BufferedImage#TYPE_INT_RGB}} */
  public BufferedImage toBufferedImage() {
    BufferedImage image = new BufferedImage(width, height, BufferedImage.TYPE_INT_RGB);
    int[] row = new int[width];
    for (int y = 0; y < height; y++) {
      for (int x = 0; x < width; x++) {
        row[x] = (red(x, y) << 16) | (green(x, y) << 8) | blue(x, y);
      }
      image.setRGB(0, y, width, 1, row, 0, width);
    }
    return image;
  }

  /** {@return columns} */
  public int width() {
    return width;
  }

  /** {@return rows} */
  public int height() {
    return height;
  }

  /** {@return a copy of the pixels, [height, width, 3], red first} */
  public byte[] rgb() {
    return rgb.clone();
  }

  /** {@return a copy of the opacity, [height, width], 255 opaque; empty where every pixel is} */
  public Optional<byte[]> alpha() {
    return alpha == null ? Optional.empty() : Optional.of(alpha.clone());
  }

  /** {@return the red of a pixel, 0 to 255} */
  public int red(int x, int y) {
    return rgb[index(x, y)] & 0xff;
  }

  /** {@return the green of a pixel, 0 to 255} */
  public int green(int x, int y) {
    return rgb[index(x, y) + 1] & 0xff;
  }

  /** {@return the blue of a pixel, 0 to 255} */
  public int blue(int x, int y) {
    return rgb[index(x, y) + 2] & 0xff;
  }

  private int index(int x, int y) {
    Objects.checkIndex(x, width);
    Objects.checkIndex(y, height);
    return 3 * (y * width + x);
  }

  /** Equal when size, every pixel and its opacity are. */
  @Override
  public boolean equals(Object other) {
    return other instanceof Image that
        && width == that.width
        && height == that.height
        && Arrays.equals(rgb, that.rgb)
        && Arrays.equals(alpha, that.alpha);
  }

  @Override
  public int hashCode() {
    return 31 * (31 * width + height) + Arrays.hashCode(rgb);
  }

  @Override
  public String toString() {
    return "Image[" + width + "x" + height + "]";
  }
}
