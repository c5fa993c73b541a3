package dev.diptych.models.deepseek;

import dev.diptych.core.CheckpointException;
import dev.diptych.core.Image;
import dev.diptych.core.UnsupportedModelException;
import dev.diptych.core.weights.JsonMap;
import dev.diptych.tokenizers.ImageOps;
import dev.diptych.tokenizers.PillowResize;
import dev.diptych.tokenizers.PixelValues;
import dev.diptych.tokenizers.ResizeFilter;
import java.util.Arrays;
import java.util.List;

/**
 * Turns a picture into the vision tower's input: longest side to the tower's side, centred on a
 * square of the mean colour, rescaled and normalised. Equal to Pillow and numpy to the last bit, as
 * {@code VLMImageProcessor} (deepseek-ai/Janus@1daa72f) and {@code JanusImageProcessorPil}
 * (huggingface/transformers v5.18.0) use them; the two round the shorter side differently.
 */
public final class ChatImageProcessor {
  private final int side;
  private final int minSize;
  private final boolean truncates;
  private final ResizeFilter filter;
  private final int[] background;
  private final double rescaleFactor;
  private final float[] mean;
  private final float[] std;

  private ChatImageProcessor(
      int side,
      int minSize,
      boolean truncates,
      ResizeFilter filter,
      int[] background,
      double rescaleFactor,
      float[] mean,
      float[] std) {
    this.side = side;
    this.minSize = minSize;
    this.truncates = truncates;
    this.filter = filter;
    this.background = background;
    this.rescaleFactor = rescaleFactor;
    this.mean = mean;
    this.std = std;
  }

  /**
   * Reads preprocessor_config.json.
   *
   * @param side pixels across what the vision tower reads
   * @param template whose processor it is
   * @throws CheckpointException if it does not fit the vision tower
   */
  public static ChatImageProcessor read(JsonMap json, int side, ChatPrompt.Template template) {
    boolean original = template == ChatPrompt.Template.ORIGINAL;
    int asked =
        json.has("size") && json.kind("size") == JsonMap.Kind.OBJECT
            ? json.object("size").integerOr("height", side, 1, 1 << 16)
            : json.integerOr("image_size", side, 1, 1 << 16);
    if (asked != side) {
      throw json.refuse(
          json.has("size") ? "size" : "image_size", side + ", the vision tower's image_size");
    }
    List<Double> mean = numbers(json, "image_mean", 0);
    List<Double> std = numbers(json, "image_std", 1e-6);
    int[] background = new int[3];
    for (int c = 0; c < 3; c++) {
      background[c] = (int) (mean.get(c) * 255);
    }
    if (!original && json.has("background_color")) {
      List<Long> colour = json.integers("background_color", 0, 255);
      if (colour.size() != 3) {
        throw json.refuse("background_color", "three numbers");
      }
      Arrays.setAll(background, c -> Math.toIntExact(colour.get(c)));
    }
    return new ChatImageProcessor(
        side,
        // A longer side than the tower's could not be padded to it.
        json.integerOr("min_size", Math.min(14, side), 1, side),
        original,
        filter(json),
        background,
        json.numberOr("rescale_factor", 1 / 255.0, 1e-9, 1e9),
        floats(mean),
        floats(std));
  }

  private static float[] floats(List<Double> values) {
    float[] floats = new float[values.size()];
    for (int i = 0; i < floats.length; i++) {
      floats[i] = values.get(i).floatValue();
    }
    return floats;
  }

  private static ResizeFilter filter(JsonMap json) {
    // Pillow's numbers
    int number = json.integerOr("resample", 3, 0, 5);
    return switch (number) {
      case 1 -> ResizeFilter.LANCZOS;
      case 2 -> ResizeFilter.BILINEAR;
      case 3 -> ResizeFilter.BICUBIC;
      case 4 -> ResizeFilter.BOX;
      default ->
          throw new UnsupportedModelException(
              json + ": resample is " + number + "; this library runs 1, 2, 3 and 4");
    };
  }

  private static List<Double> numbers(JsonMap json, String key, double least) {
    if (!json.has(key)) {
      return List.of(0.5, 0.5, 0.5);
    }
    List<Double> values = json.numbers(key, least, 1);
    if (values.size() != 3) {
      throw json.refuse(key, "three numbers");
    }
    return values;
  }

  /** {@return the picture's width and height before it is padded} */
  public static int[] resized(int width, int height, int side, int minSize, boolean truncates) {
    int longest = Math.max(width, height);
    return new int[] {
      shorten(width, longest, side, minSize, truncates),
      shorten(height, longest, side, minSize, truncates)
    };
  }

  /** In doubles and in each reference's own order: the last bit decides some sizes. */
  private static int shorten(
      int length, int longest, int side, int minSize, boolean truncates) {
    double exact =
        truncates ? (double) length / longest * side : length * ((double) side / longest);
    return Math.max((int) (truncates ? exact : Math.rint(exact)), minSize);
  }

  /** {@return the resized and padded picture, a square of the tower's side} */
  public Image canvas(Image image) {
    int[] size = resized(image.width(), image.height(), side, minSize, truncates);
    Image small = PillowResize.resize(image, size[0], size[1], filter);
    return ImageOps.padToSquare(small, background[0], background[1], background[2]);
  }

  /**
   * Prepares pictures.
   *
   * @return [N, 3, Y, X] float32, normalised
   */
  public float[] pixelValues(List<Image> images) {
    int each = 3 * side * side;
    float[] values = new float[Math.multiplyExact(images.size(), each)];
    for (int n = 0; n < images.size(); n++) {
      float[] one = PixelValues.toFloats(canvas(images.get(n)), rescaleFactor, mean, std);
      System.arraycopy(one, 0, values, n * each, each);
    }
    return values;
  }
}
