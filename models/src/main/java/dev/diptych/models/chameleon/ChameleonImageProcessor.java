package dev.diptych.models.chameleon;

import dev.diptych.core.CheckpointException;
import dev.diptych.core.Image;
import dev.diptych.core.UnsupportedModelException;
import dev.diptych.core.weights.JsonMap;
import dev.diptych.tokenizers.ImageOps;
import dev.diptych.tokenizers.PillowResize;
import dev.diptych.tokenizers.PixelValues;
import dev.diptych.tokenizers.ResizeFilter;
import java.util.List;

/**
 * Turns a picture into the coder's input: laid on white where it is transparent, shorter side to
 * the coder's, the middle square cut out, bytes to numbers. Equal to Pillow and NumPy to the last
 * bit, as the authors' {@code ImageTokenizer} (facebookresearch/chameleon@dbbe47f) and {@code
 * ChameleonImageProcessorPil} (huggingface/transformers v5.18.0) use them. The two differ: the
 * longer side is rounded or truncated, and 255 becomes 1 or, with the published {@code
 * rescale_factor} of 0.0078, 0.989; so a few codes of the same picture differ, too.
 */
final class ChameleonImageProcessor {
  private static final int MAX_SIDE = 1 << 14;

  private final int shortestEdge;
  private final int side;
  private final ResizeFilter filter;
  private final Normalization normalization;

  /** transformers' numbers; the authors' own rules have none. */
  private record Normalization(double rescaleFactor, float[] mean, float[] std) {}

  private ChameleonImageProcessor(
      int shortestEdge, int side, ResizeFilter filter, Normalization normalization) {
    this.shortestEdge = shortestEdge;
    this.side = side;
    this.filter = filter;
    this.normalization = normalization;
  }

  /**
   * The authors' rules, for checkpoints without preprocessor_config.json.
   *
   * @param side rows and columns of pixels of the coder's picture
   */
  static ChameleonImageProcessor meta(int side) {
    return new ChameleonImageProcessor(side, side, ResizeFilter.LANCZOS, null);
  }

  /**
   * Reads preprocessor_config.json: transformers' rules.
   *
   * @param side rows and columns of pixels of the coder's picture
   * @throws CheckpointException if the file does not give such pictures
   * @throws UnsupportedModelException if it leaves a step out, or names an unknown filter
   */
  static ChameleonImageProcessor read(JsonMap json, int side) {
    for (String step : List.of("do_resize", "do_center_crop", "do_rescale", "do_normalize")) {
      if (!json.boolOr(step, true)) {
        throw new UnsupportedModelException(
            json + ": " + step + " is false; this library takes every step");
      }
    }
    int height = cropSide(json, "height");
    int width = cropSide(json, "width");
    if (height != side || width != side) {
      throw json.refuse("crop_size", side + ", the side of the coder's picture");
    }
    int shortestEdge = shortestEdge(json);
    if (shortestEdge < side) {
      throw json.refuse("size", "a shortest_edge of at least crop_size, " + side);
    }
    return new ChameleonImageProcessor(
        shortestEdge,
        side,
        ResizeFilter.read(json, ResizeFilter.LANCZOS),
        new Normalization(
            json.numberOr("rescale_factor", 0.0078, 1e-9, 1e9),
            floats(json, "image_mean", -1e6),
            floats(json, "image_std", 1e-6)));
  }

  private static int shortestEdge(JsonMap json) {
    if (json.has("size") && json.kind("size") == JsonMap.Kind.OBJECT) {
      return json.object("size").integer("shortest_edge", 1, MAX_SIDE);
    }
    return json.integerOr("size", 512, 1, MAX_SIDE);
  }

  private static int cropSide(JsonMap json, String which) {
    if (json.has("crop_size") && json.kind("crop_size") == JsonMap.Kind.OBJECT) {
      return json.object("crop_size").integer(which, 1, MAX_SIDE);
    }
    return json.integerOr("crop_size", 512, 1, MAX_SIDE);
  }

  private static float[] floats(JsonMap json, String key, double least) {
    if (!json.has(key)) {
      return new float[] {1, 1, 1};
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
   * {@return the picture's width and height before the middle is cut out}
   *
   * @throws dev.diptych.core.InvalidImageException if one side is over 200 times the other
   */
  int[] resized(int width, int height) {
    ImageOps.requireProportions(width, height);
    return new int[] {lengthen(width, height), lengthen(height, width)};
  }

  /** In each reference's own order: the last bit decides some sizes. */
  private int lengthen(int length, int other) {
    int shorter = Math.min(length, other);
    if (normalization == null) {
      // Python rounds halves to even, as rint does.
      return (int) Math.rint((double) shortestEdge / shorter * length);
    }
    return (int) ((double) ((long) shortestEdge * length) / shorter);
  }

  /** {@return the resized and cut picture, a square of the coder's side} */
  Image square(Image image) {
    int[] size = resized(image.width(), image.height());
    Image small = PillowResize.resize(ImageOps.overWhite(image), size[0], size[1], filter);
    return ImageOps.centerCrop(small, side, side);
  }

  /**
   * Prepares a picture.
   *
   * @return [3, Y, X] float32
   */
  float[] pixelValues(Image image) {
    Image square = square(image);
    return normalization == null
        ? PixelValues.toSignedFloats(square)
        : PixelValues.toFloats(
            square, normalization.rescaleFactor, normalization.mean, normalization.std);
  }

  /** {@return rows and columns of pixels of what comes out} */
  int side() {
    return side;
  }
}
