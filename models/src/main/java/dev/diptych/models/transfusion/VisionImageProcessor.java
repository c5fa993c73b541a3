package dev.diptych.models.transfusion;

import dev.diptych.core.Image;
import dev.diptych.core.UnsupportedModelException;
import dev.diptych.core.weights.JsonMap;
import dev.diptych.tokenizers.ImageOps;
import dev.diptych.tokenizers.PillowResize;
import dev.diptych.tokenizers.PixelValues;
import dev.diptych.tokenizers.ResizeFilter;
import java.util.List;

/**
 * Prepares a picture for CLIP's tower: laid on white where it is transparent, shorter side to the
 * tower's, the middle square cut out, normalised. Equal to Pillow and NumPy as {@code
 * CLIPImageProcessorPil} (huggingface/transformers v5.18.0) uses them; keys and defaults are its own.
 *
 * @param shortestEdge pixels of the shorter side before the middle is cut out
 * @param side pixels across of what is cut out
 * @param filter how it is resized
 * @param rescaleFactor by which a byte is multiplied
 * @param mean [3] taken from every colour then
 * @param std [3] by which it is divided
 */
record VisionImageProcessor(
    int shortestEdge,
    int side,
    ResizeFilter filter,
    double rescaleFactor,
    float[] mean,
    float[] std) {

  private static final int MAX_SIDE = 1 << 13;

  /**
   * Reads preprocessor_config.json.
   *
   * @param json may be empty
   * @param side pixels across the tower's picture
   * @throws dev.diptych.core.CheckpointException if the file does not give such pictures
   * @throws UnsupportedModelException if it leaves a step out
   */
  static VisionImageProcessor read(JsonMap json, int side) {
    for (String step : List.of("do_resize", "do_center_crop", "do_rescale", "do_normalize")) {
      if (!json.boolOr(step, true)) {
        throw new UnsupportedModelException(
            json + ": " + step + " is false; this library takes every step");
      }
    }
    if (json.kind("crop_size") == JsonMap.Kind.OBJECT) {
      JsonMap crop = json.object("crop_size");
      for (String edge : List.of("height", "width")) {
        if (crop.integer(edge, 1, MAX_SIDE) != side) {
          throw crop.refuse(edge, side + ", image_size of vision_config");
        }
      }
    } else if (json.integerOr("crop_size", side, 1, MAX_SIDE) != side) {
      throw json.refuse("crop_size", side + ", image_size of vision_config");
    }
    int shortest =
        json.kind("size") == JsonMap.Kind.OBJECT
            ? json.object("size").integer("shortest_edge", 1, MAX_SIDE)
            : json.integerOr("size", side, 1, MAX_SIDE);
    if (shortest < side) {
      throw json.refuse("size", "a shortest_edge of at least " + side + ", what is cut out");
    }
    return new VisionImageProcessor(
        shortest,
        side,
        ResizeFilter.read(json, ResizeFilter.BICUBIC),
        json.numberOr("rescale_factor", 1 / 255.0, 1e-9, 1e9),
        colours(json, "image_mean", new float[] {0.48145466f, 0.4578275f, 0.40821073f}, -1e6),
        colours(json, "image_std", new float[] {0.26862954f, 0.26130258f, 0.27577711f}, 1e-6));
  }

  private static float[] colours(JsonMap json, String key, float[] orElse, double least) {
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
   * Prepares a picture.
   *
   * @return [3, side, side] float32
   * @throws dev.diptych.core.InvalidImageException if one side is over 200 times the other
   */
  float[] pixelValues(Image image) {
    ImageOps.requireProportions(image.width(), image.height());
    Image opaque = ImageOps.overWhite(image);
    int shorter = Math.min(opaque.width(), opaque.height());
    // The reference divides what it multiplied, and truncates.
    int width = (int) ((double) ((long) shortestEdge * opaque.width()) / shorter);
    int height = (int) ((double) ((long) shortestEdge * opaque.height()) / shorter);
    Image small = PillowResize.resize(opaque, width, height, filter);
    return PixelValues.toFloats(
        ImageOps.centerCrop(small, side, side), rescaleFactor, mean, std);
  }
}
