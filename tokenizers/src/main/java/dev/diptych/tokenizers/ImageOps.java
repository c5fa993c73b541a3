package dev.diptych.tokenizers;

import dev.diptych.core.Image;
import dev.diptych.core.InvalidImageException;
import dev.diptych.core.InvalidRequestException;

/** Cutting and framing, pixel for pixel as the references' Pillow calls do it. */
public final class ImageOps {
  /** One side over the other; what is longer grows past memory when its shorter side is enlarged. */
  private static final int MAX_RATIO = 200;

  private ImageOps() {}

  /**
   * Refuses a picture that is a mere line.
   *
   * @throws InvalidImageException if one side is over 200 times the other
   */
  public static void requireProportions(int width, int height) {
    if (Math.max(width, height) > (long) MAX_RATIO * Math.min(width, height)) {
      throw new InvalidImageException(
          "Cannot read a picture of " + width + "x" + height
              + " pixels\n  expected one side at most " + MAX_RATIO + " times the other");
    }
  }

  /**
   * Cuts a rectangle out.
   *
   * @param x first column kept, pixels from the left
   * @param y first row kept, pixels from the top
   * @param width columns kept, at least 1
   * @param height rows kept, at least 1
   * @throws InvalidRequestException if the rectangle leaves the picture
   */
  public static Image crop(Image image, int x, int y, int width, int height) {
    boolean inside = x >= 0 && y >= 0 && width >= 1 && height >= 1;
    if (!inside || (long) x + width > image.width() || (long) y + height > image.height()) {
      throw new InvalidRequestException(
          "Cannot crop\n  expected a rectangle inside "
              + image.width()
              + "x"
              + image.height()
              + " pixels\n  found    "
              + width
              + "x"
              + height
              + " at ("
              + x
              + ", "
              + y
              + ")");
    }
    byte[] source = image.rgb();
    byte[] target = new byte[3 * width * height];
    for (int row = 0; row < height; row++) {
      int from = 3 * ((y + row) * image.width() + x);
      System.arraycopy(source, from, target, 3 * width * row, 3 * width);
    }
    return Image.of(width, height, target);
  }

  /**
   * Lays a picture on white, where it has opacity: {@code (1 - a) x 255 + a x colour} in doubles,
   * then truncated.
   *
   * <p>The arithmetic of facebookresearch/chameleon@dbbe47f, inference/image_tokenizer.py, and of
   * transformers 5.18 {@code ChameleonImageProcessorPil}. A PNG whose single transparent
   * colour stands in a chunk of its own is laid on white as in the latter; the former leaves it.
   *
   * @return the source itself if every pixel is opaque
   */
  public static Image overWhite(Image image) {
    if (image.alpha().isEmpty()) {
      return image;
    }
    byte[] alpha = image.alpha().get();
    byte[] rgb = image.rgb();
    for (int i = 0; i < rgb.length; i++) {
      double opacity = (alpha[i / 3] & 0xff) / 255.0;
      rgb[i] = (byte) ((1 - opacity) * 255 + opacity * (rgb[i] & 0xff));
    }
    return Image.of(image.width(), image.height(), rgb);
  }

  /**
   * Cuts the middle out; with an odd number of pixels left over, the cut lies nearer the top left,
   * as in torchvision's and transformers' centre crop of pictures that are large enough.
   *
   * @throws InvalidRequestException if the picture is smaller than the cut
   */
  public static Image centerCrop(Image image, int width, int height) {
    int x = Math.floorDiv(image.width() - width, 2);
    int y = Math.floorDiv(image.height() - height, 2);
    return crop(image, x, y, width, height);
  }

  /**
   * Pastes the picture into the middle of a larger one of a single colour; with an odd number of
   * pixels left over, the picture lies nearer the top left ({@code (outer - inner) // 2}).
   *
   * @param red of the frame, 0 to 255
   * @param green of the frame, 0 to 255
   * @param blue of the frame, 0 to 255
   * @throws InvalidRequestException if the picture does not fit, or a colour is out of range
   */
  public static Image pad(Image image, int width, int height, int red, int green, int blue) {
    boolean colours = ((red | green | blue) & ~0xff) == 0;
    if (!colours || width < image.width() || height < image.height()) {
      throw new InvalidRequestException(
          "Cannot pad to "
              + width
              + "x"
              + height
              + " pixels\n  expected at least "
              + image.width()
              + "x"
              + image.height()
              + " and a colour of 0 to 255\n  found    the colour "
              + red
              + ", "
              + green
              + ", "
              + blue);
    }
    if (width == image.width() && height == image.height()) {
      return image;
    }
    byte[] target = new byte[Math.multiplyExact(3, Math.multiplyExact(width, height))];
    for (int i = 0; i < target.length; i += 3) {
      target[i] = (byte) red;
      target[i + 1] = (byte) green;
      target[i + 2] = (byte) blue;
    }
    byte[] source = image.rgb();
    int left = (width - image.width()) / 2;
    int top = (height - image.height()) / 2;
    int bytes = 3 * image.width();
    for (int row = 0; row < image.height(); row++) {
      System.arraycopy(source, bytes * row, target, 3 * ((top + row) * width + left), bytes);
    }
    return Image.of(width, height, target);
  }

  /**
   * Pads to a square of the longer side; a square picture comes back as it is.
   *
   * @see #pad
   */
  public static Image padToSquare(Image image, int red, int green, int blue) {
    int side = Math.max(image.width(), image.height());
    return pad(image, side, side, red, green, blue);
  }
}
