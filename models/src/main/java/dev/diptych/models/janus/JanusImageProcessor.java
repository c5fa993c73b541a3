package dev.diptych.models.janus;

import dev.diptych.core.CheckpointException;
import dev.diptych.core.Image;
import dev.diptych.core.UnsupportedModelException;
import dev.diptych.core.weights.JsonMap;
import dev.diptych.tokenizers.PillowResize;
import dev.diptych.tokenizers.ResizeFilter;
import java.util.List;

/**
 * Turns a picture into the vision tower's input: longest side to the tower's side, centred on a
 * square of the mean colour, rescaled and normalised. Equal to Pillow and numpy to the last bit, as
 * {@code VLMImageProcessor} (deepseek-ai/Janus@1daa72f) and {@code JanusImageProcessorPil}
 * (huggingface/transformers v5.18.0) use them; the two round the shorter side differently.
 */
final class JanusImageProcessor {
  private final int side;
  private final int minSize;
  private final boolean truncates;
  private final ResizeFilter filter;
  private final byte[] background;
  private final float[][] table;

  private JanusImageProcessor(
      int side,
      int minSize,
      boolean truncates,
      ResizeFilter filter,
      byte[] background,
      float[][] table) {
    this.side = side;
    this.minSize = minSize;
    this.truncates = truncates;
    this.filter = filter;
    this.background = background;
    this.table = table;
  }

  /**
   * Reads preprocessor_config.json.
   *
   * @throws CheckpointException if it does not fit the vision tower
   */
  static JanusImageProcessor read(JsonMap json, JanusConfig config) {
    boolean original = config.layout() == JanusConfig.Layout.ORIGINAL;
    int side = config.vision().imageSize();
    int asked =
        json.has("size") && json.kind("size") == JsonMap.Kind.OBJECT
            ? json.object("size").integerOr("height", side, 1, 1 << 16)
            : json.integerOr("image_size", side, 1, 1 << 16);
    if (asked != side) {
      throw json.refuse(
          json.has("size") ? "size" : "image_size", side + ", the vision tower's image_size");
    }
    List<Double> mean = numbers(json, "image_mean", 0.5);
    List<Double> std = numbers(json, "image_std", 0.5);
    byte[] background = new byte[3];
    for (int c = 0; c < 3; c++) {
      background[c] = (byte) (int) (mean.get(c) * 255);
    }
    if (!original && json.has("background_color")) {
      List<Long> colour = json.integers("background_color", 0, 255);
      for (int c = 0; c < 3; c++) {
        background[c] = (byte) (long) colour.get(Math.min(c, colour.size() - 1));
      }
    }
    return new JanusImageProcessor(
        side,
        json.integerOr("min_size", 14, 1, 1 << 16),
        original,
        filter(json),
        background,
        table(json.numberOr("rescale_factor", 1 / 255.0, 1e-9, 1e9), mean, std));
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

  private static List<Double> numbers(JsonMap json, String key, double orElse) {
    if (!json.has(key)) {
      return List.of(orElse, orElse, orElse);
    }
    List<Double> values = json.numbers(key, 0, 1);
    if (values.size() != 3) {
      throw json.refuse(key, "three numbers");
    }
    return values;
  }

  /** Rescaled in float64 and rounded, then normalised in float32: the order of the reference. */
  private static float[][] table(double rescale, List<Double> mean, List<Double> std) {
    float[][] table = new float[3][256];
    for (int c = 0; c < 3; c++) {
      for (int v = 0; v < 256; v++) {
        float scaled = (float) (v * rescale);
        table[c][v] = (scaled - mean.get(c).floatValue()) / std.get(c).floatValue();
      }
    }
    return table;
  }

  /** {@return the picture's width and height before it is padded} */
  static int[] resized(int width, int height, int side, int minSize, boolean truncates) {
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
  Image canvas(Image image) {
    int[] size = resized(image.width(), image.height(), side, minSize, truncates);
    Image small = PillowResize.resize(image, size[0], size[1], filter);
    int square = Math.max(size[0], size[1]);
    if (size[0] == size[1]) {
      return small;
    }
    byte[] pixels = new byte[3 * square * square];
    for (int i = 0; i < pixels.length; i++) {
      pixels[i] = background[i % 3];
    }
    byte[] rgb = small.rgb();
    int left = (square - size[0]) / 2;
    int top = (square - size[1]) / 2;
    for (int y = 0; y < size[1]; y++) {
      System.arraycopy(
          rgb, 3 * y * size[0], pixels, 3 * ((y + top) * square + left), 3 * size[0]);
    }
    return Image.of(square, square, pixels);
  }

  /**
   * Prepares pictures.
   *
   * @return [N, 3, Y, X] float32, normalised
   */
  float[] pixelValues(List<Image> images) {
    int plane = side * side;
    float[] values = new float[Math.multiplyExact(images.size(), 3 * plane)];
    for (int n = 0; n < images.size(); n++) {
      byte[] rgb = canvas(images.get(n)).rgb();
      for (int i = 0; i < plane; i++) {
        for (int c = 0; c < 3; c++) {
          values[(3 * n + c) * plane + i] = table[c][rgb[3 * i + c] & 0xff];
        }
      }
    }
    return values;
  }
}
