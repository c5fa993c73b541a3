package dev.diptych.models.bagel;

import dev.diptych.core.Image;
import dev.diptych.tokenizers.ImageOps;
import dev.diptych.tokenizers.PillowResize;
import dev.diptych.tokenizers.PixelValues;
import dev.diptych.tokenizers.ResizeFilter;

/**
 * Turns a picture into what the VAE and what the vision tower read: sides to multiples of a stride
 * within bounds, the proportions kept about, bytes to numbers in [-1, 1]. The tower reads what the
 * VAE's sizes leave. Equal to Pillow and torchvision to the last bit, as the reference uses them.
 *
 * <p>Reference: ByteDance-Seed/Bagel@056b5fd, data/transforms.py, data/data_utils.py ({@code
 * pil_img2rgb}), inferencer.py. Deviations: a grey picture with opacity is laid on white as one in
 * colours, where the reference leaves its opacity out; a picture that is a mere line is refused.
 */
final class BagelImageProcessor {
  private static final double RESCALE = 1 / 255.0;
  private static final float[] HALF = {0.5f, 0.5f, 0.5f};
  private static final int CHANNELS = 3;
  private static final int OPAQUE = 255;

  /** Bounds of one way. */
  private record Bounds(int max, int min, int stride) {
    // 14 * 14 pixels a patch, 9 * 1024 patches: of both ways, whatever their strides
    private static final double MAX_PIXELS = 14 * 14 * 9 * 1024;

    /** {@return width and height; the last bit decides some, so the order is the reference's} */
    int[] resized(int width, int height) {
      double scale = Math.min((double) max / Math.max(width, height), 1.0);
      scale = Math.max(scale, (double) min / Math.min(width, height));
      int[] size = scaled(width, height, scale);
      if ((double) size[0] * size[1] > MAX_PIXELS) {
        // The reference scales sides by the ratio of areas.
        size = scaled(size[0], size[1], MAX_PIXELS / ((double) size[0] * size[1]));
      }
      int longest = Math.max(size[0], size[1]);
      return longest > max ? scaled(size[0], size[1], (double) max / longest) : size;
    }

    private int[] scaled(int width, int height, double scale) {
      return new int[] {divisible(width * scale), divisible(height * scale)};
    }

    /** Twice to the nearest, halves to the even. */
    private int divisible(double length) {
      return Math.max(stride, (int) Math.rint(Math.rint(length) / stride) * stride);
    }
  }

  /**
   * A prepared picture.
   *
   * @param pixelValues [3, Y, X] float32 in [-1, 1]
   * @param width X in pixels
   * @param height Y in pixels
   */
  record Prepared(float[] pixelValues, int width, int height) {}

  private final Bounds vae;
  private final Bounds vision;

  /** Bounds of a checkpoint's tables; those of the published one are the reference's figures. */
  BagelImageProcessor(BagelConfig config) {
    this(
        config.maxLatentSize(),
        config.cell(),
        config.maxVisionPatches(),
        config.vision().patchSize());
  }

  BagelImageProcessor(int maxLatentSize, int cell, int maxVisionPatches, int patchSize) {
    // 1024, 512 and 16 of a table of 64 x 64
    this.vae = new Bounds(maxLatentSize * cell, Math.max(1, maxLatentSize / 2) * cell, cell);
    // 980, 224 and 14 of a table of 70 x 70
    int least = Math.max(1, maxVisionPatches * 16 / 70);
    this.vision = new Bounds(maxVisionPatches * patchSize, least * patchSize, patchSize);
  }

  /** {@return width and height that the VAE reads} */
  int[] vaeSize(int width, int height) {
    return vae.resized(width, height);
  }

  /** {@return width and height that the vision tower reads of a picture of the VAE's sizes} */
  int[] visionSize(int width, int height) {
    return vision.resized(width, height);
  }

  /**
   * {@return a picture of a request as both ways take it: on white, of a size of the VAE's}
   *
   * @throws dev.diptych.core.InvalidImageException if it is a mere line
   */
  Image fit(Image image) {
    ImageOps.requireProportions(image.width(), image.height());
    Image opaque = overWhite(image);
    int[] size = vaeSize(image.width(), image.height());
    return PillowResize.resize(opaque, size[0], size[1], ResizeFilter.BICUBIC);
  }

  /** Prepares a fitting picture for the VAE. */
  Prepared forVae(Image fitting) {
    return prepare(fitting, vae);
  }

  /** Prepares a fitting picture for the vision tower. */
  Prepared forVision(Image fitting) {
    return prepare(fitting, vision);
  }

  private static Prepared prepare(Image fitting, Bounds bounds) {
    int[] size = bounds.resized(fitting.width(), fitting.height());
    Image resized = PillowResize.resize(fitting, size[0], size[1], ResizeFilter.BICUBIC);
    return new Prepared(
        PixelValues.toFloats(resized, RESCALE, HALF, HALF), size[0], size[1]);
  }

  /** Blends in whole numbers, rounded to the nearest, as Pillow's paste with a mask does. */
  static Image overWhite(Image image) {
    if (image.alpha().isEmpty()) {
      return image;
    }
    byte[] alpha = image.alpha().get();
    byte[] rgb = image.rgb();
    for (int i = 0; i < rgb.length; i++) {
      int opacity = alpha[i / CHANNELS] & 0xff;
      int sum = OPAQUE * (OPAQUE - opacity) + (rgb[i] & 0xff) * opacity + 128;
      rgb[i] = (byte) ((sum >> 8) + sum >> 8);
    }
    return Image.of(image.width(), image.height(), rgb);
  }
}
