package dev.diptych.models.emu3;

import dev.diptych.core.CheckpointException;
import dev.diptych.core.Image;
import dev.diptych.core.InvalidRequestException;
import dev.diptych.core.UnsupportedModelException;
import dev.diptych.core.weights.JsonMap;
import dev.diptych.tokenizers.PillowResize;
import dev.diptych.tokenizers.PixelValues;
import dev.diptych.tokenizers.ResizeFilter;
import java.util.List;

/**
 * Turns a picture into the coder's input: sides to multiples of the coder's factor, as many pixels
 * as the checkpoint allows, bytes to numbers. Equal to Pillow and NumPy to the last bit, as {@code
 * Emu3ImageProcessor} (huggingface/transformers v5.18.0) uses them.
 *
 * <p>Deviation: transformers pads the pictures of one prompt to the largest before it encodes them,
 * so that a picture's codes depend on its neighbours; here each is prepared alone, as a single one
 * is there.
 */
final class Emu3ImageProcessor {
  private static final int MAX_RATIO = 200;
  private static final int MAX_PIXELS = 1 << 28;
  private static final float[] CLIP_MEAN = {0.48145466f, 0.4578275f, 0.40821073f};
  private static final float[] CLIP_STD = {0.26862954f, 0.26130258f, 0.27577711f};

  private final int factor;
  private final int minPixels;
  private final int maxPixels;
  private final ResizeFilter filter;
  private final double rescaleFactor;
  private final float[] mean;
  private final float[] std;

  /**
   * A prepared picture.
   *
   * @param pixelValues [3, Y, X] float32, normalised
   * @param width X in pixels
   * @param height Y in pixels
   */
  record Prepared(float[] pixelValues, int width, int height) {}

  private Emu3ImageProcessor(
      int factor,
      int minPixels,
      int maxPixels,
      ResizeFilter filter,
      double rescaleFactor,
      float[] mean,
      float[] std) {
    this.factor = factor;
    this.minPixels = minPixels;
    this.maxPixels = maxPixels;
    this.filter = filter;
    this.rescaleFactor = rescaleFactor;
    this.mean = mean;
    this.std = std;
  }

  /**
   * Reads preprocessor_config.json.
   *
   * @param patchSize pixels across one code of the coder
   * @throws CheckpointException if the file gives pictures that the coder cannot read
   * @throws UnsupportedModelException if it leaves a step out, or names an unknown filter
   */
  static Emu3ImageProcessor read(JsonMap json, int patchSize) {
    for (String step : List.of("do_resize", "do_rescale", "do_normalize")) {
      if (!json.boolOr(step, true)) {
        throw new UnsupportedModelException(
            json + ": " + step + " is false; this library takes every step");
      }
    }
    int factor = json.integerOr("spatial_factor", 8, 1, 1 << 14);
    if (factor % patchSize != 0) {
      throw json.refuse(
          "spatial_factor", "a multiple of " + patchSize + ", the pixels across one code");
    }
    int minPixels = json.integerOr("min_pixels", 512 * 512, 1, MAX_PIXELS);
    int maxPixels = json.integerOr("max_pixels", 1024 * 1024, 1, MAX_PIXELS);
    if (maxPixels < minPixels) {
      throw json.refuse("max_pixels", "at least min_pixels, " + minPixels);
    }
    return new Emu3ImageProcessor(
        factor,
        minPixels,
        maxPixels,
        ResizeFilter.read(json, ResizeFilter.BICUBIC),
        json.numberOr("rescale_factor", 1 / 255.0, 1e-9, 1e9),
        floats(json, "image_mean", -1e6, CLIP_MEAN),
        floats(json, "image_std", 1e-6, CLIP_STD));
  }

  private static float[] floats(JsonMap json, String key, double least, float[] orElse) {
    if (!json.has(key)) {
      return orElse;
    }
    List<Double> values = json.numbers(key, least, 1e6);
    if (values.size() != 3) {
      throw json.refuse(key, "three numbers");
    }
    return new float[] {
      values.get(0).floatValue(), values.get(1).floatValue(), values.get(2).floatValue()
    };
  }

  /**
   * {@return width and height that the coder reads}
   *
   * @throws InvalidRequestException if one side is over 200 times the other
   */
  int[] resized(int width, int height) {
    if ((double) Math.max(width, height) / Math.min(width, height) > MAX_RATIO) {
      throw new InvalidRequestException(
          "Cannot read a picture of " + width + "x" + height
              + " pixels\n  expected one side at most " + MAX_RATIO + " times the other");
    }
    // In the reference's order: the last bit decides some sizes. Halves are rounded to even.
    double w = Math.rint((double) width / factor) * factor;
    double h = Math.rint((double) height / factor) * factor;
    double area = (double) height * width;
    if (h * w > maxPixels) {
      double beta = Math.sqrt(area / maxPixels);
      h = Math.max(factor, Math.floor(height / beta / factor) * factor);
      w = Math.max(factor, Math.floor(width / beta / factor) * factor);
    } else if (h * w < minPixels) {
      double beta = Math.sqrt(minPixels / area);
      h = Math.ceil(height * beta / factor) * factor;
      w = Math.ceil(width * beta / factor) * factor;
    }
    return new int[] {(int) w, (int) h};
  }

  /** Prepares a picture. */
  Prepared prepare(Image image) {
    int[] size = resized(image.width(), image.height());
    Image fitting = PillowResize.resize(image, size[0], size[1], filter);
    return new Prepared(
        PixelValues.toFloats(fitting, rescaleFactor, mean, std), size[0], size[1]);
  }
}
