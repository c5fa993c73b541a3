package dev.diptych.tokenizers;

import dev.diptych.core.Image;
import dev.diptych.core.InvalidRequestException;
import java.util.Arrays;

/**
 * Turns the pixels of an {@link Image} into the normalised numbers that a vision tower reads, with
 * the reference's arithmetic step by step: one bit off here is one bit off in every golden behind
 * it.
 */
public final class PixelValues {
  private PixelValues() {}

  /**
   * Rescales and normalises: {@code (float(pixel x rescaleFactor) - mean) / std}, where the product
   * is a double and the rest float32.
   *
   * <p>The order of transformers' NumPy image processors and of deepseek-ai/Janus@1daa72f,
   * janus/models/image_processing_vlm.py. The torch processors fuse the factor into mean and std
   * and may differ in the last bit.
   *
   * @param image the picture, already resized and padded
   * @param rescaleFactor {@code rescale_factor} of the preprocessor config, usually 1/255
   * @param mean {@code image_mean}, three values
   * @param std {@code image_std}, three values other than 0
   * @return [3, Y, X] float32, red plane first
   * @throws InvalidRequestException if mean or std has not three finite values, or a std is 0
   */
  public static float[] toFloats(Image image, double rescaleFactor, float[] mean, float[] std) {
    checkThree("image_mean", mean, false);
    checkThree("image_std", std, true);
    byte[] rgb = image.rgb();
    int plane = image.width() * image.height();
    float[] values = new float[Math.multiplyExact(3, plane)];
    for (int channel = 0; channel < 3; channel++) {
      float[] table = table(rescaleFactor, mean[channel], std[channel]);
      int at = channel * plane;
      for (int i = channel; i < rgb.length; i += 3) {
        values[at++] = table[rgb[i] & 0xff];
      }
    }
    return values;
  }

  /**
   * Maps bytes onto [-1, 1]: {@code pixel / 255 x 2 - 1} in doubles, then rounded to float32.
   *
   * <p>The order of facebookresearch/chameleon@dbbe47f, chameleon/inference/image_tokenizer.py.
   *
   * @param image the picture, already resized and cut
   * @return [3, Y, X] float32 in [-1, 1], red plane first
   */
  public static float[] toSignedFloats(Image image) {
    float[] table = new float[256];
    for (int pixel = 0; pixel < 256; pixel++) {
      table[pixel] = (float) (pixel / 255.0 * 2 - 1);
    }
    byte[] rgb = image.rgb();
    float[] values = new float[rgb.length];
    int plane = rgb.length / 3;
    for (int i = 0; i < plane; i++) {
      for (int channel = 0; channel < 3; channel++) {
        values[channel * plane + i] = table[rgb[3 * i + channel] & 0xff];
      }
    }
    return values;
  }

  private static float[] table(double rescaleFactor, float mean, float std) {
    float[] table = new float[256];
    for (int pixel = 0; pixel < 256; pixel++) {
      table[pixel] = ((float) (pixel * rescaleFactor) - mean) / std;
    }
    return table;
  }

  private static void checkThree(String key, float[] values, boolean divides) {
    boolean good = values.length == 3;
    for (float value : values) {
      good &= Float.isFinite(value) && !(divides && value == 0);
    }
    if (!good) {
      throw new InvalidRequestException(
          "Cannot normalise pixels with "
              + key
              + "\n  expected three finite values"
              + (divides ? " other than 0" : "")
              + "\n  found    "
              + Arrays.toString(values));
    }
  }
}
