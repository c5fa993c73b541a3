package dev.diptych.tokenizers;

import dev.diptych.core.Image;
import dev.diptych.core.InvalidRequestException;
import dev.diptych.core.ResourceLimitException;
import java.util.Arrays;
import java.util.Objects;

/**
 * Resizes as Pillow's {@code Image.resize} does, equal to the last bit: the published vision towers
 * saw pictures that went through it, and their goldens can be met exactly only with the same
 * pixels.
 *
 * <p>Pillow convolves across and down in two passes, with 8-bit results between them and weights in
 * fixed point (python-pillow/Pillow@4e5f09f53, src/libImaging/Resample.c). The order of the passes
 * is that of Pillow 13; earlier releases differ from it, by a few levels, in pictures that lose
 * more than twice as many rows as columns (a photograph over twice as high as wide, for example).
 */
public final class PillowResize {
  /** Fraction bits of a weight: 32 less 8 for the pixel and 2 for sums below 0 and above 1. */
  private static final int PRECISION_BITS = 32 - 8 - 2;

  private static final int HALF = 1 << (PRECISION_BITS - 1);

  /** An array's length limit in every JVM we know. */
  private static final long MAX_BYTES = Integer.MAX_VALUE - 8L;

  /** 256 MB of weights; a picture of any usual shape needs a thousandth. */
  private static final long MAX_WEIGHTS = 1L << 26;

  private PillowResize() {}

  /**
   * Resizes to exactly the given size; the proportions are the caller's business.
   *
   * @param image the source
   * @param width columns of the result, at least 1
   * @param height rows of the result, at least 1
   * @param filter the convolution filter
   * @return the source itself if it has that size already
   * @throws InvalidRequestException if a side is below 1 or the result has over 2^31 bytes
   * @throws ResourceLimitException if the source is so long that its weights alone fill the memory
   */
  public static Image resize(Image image, int width, int height, ResizeFilter filter) {
    Objects.requireNonNull(image, "image");
    Objects.requireNonNull(filter, "filter");
    if (width < 1 || height < 1 || largestStep(image, width, height) > MAX_BYTES) {
      throw new InvalidRequestException(
          "Cannot resize a picture of "
              + image.width()
              + "x"
              + image.height()
              + " pixels\n  expected sides of at least 1 and at most "
              + MAX_BYTES
              + " bytes after either pass\n  found    "
              + width
              + "x"
              + height);
    }
    boolean columnsChange = width != image.width();
    boolean rowsChange = height != image.height();
    if (!columnsChange && !rowsChange) {
      return image;
    }
    Weights across = columnsChange ? Weights.of(image.width(), width, filter) : null;
    Weights down = rowsChange ? Weights.of(image.height(), height, filter) : null;
    byte[] pixels = image.rgb();
    if (columnsChange && rowsChange && downIsFirst(image, width, height)) {
      pixels = resizeDown(pixels, image.width(), down);
      pixels = resizeAcross(pixels, image.width(), 0, height, across);
    } else if (columnsChange) {
      // Rows that no pixel of the second pass looks at are left out.
      int first = rowsChange ? down.first(0) : 0;
      int end = rowsChange ? down.end(height - 1) : height;
      pixels = resizeAcross(pixels, image.width(), first, end, across);
      if (rowsChange) {
        pixels = resizeDown(pixels, width, down.shiftedBy(first));
      }
    } else {
      pixels = resizeDown(pixels, width, down);
    }
    return Image.of(width, height, pixels);
  }

  /**
   * Pillow 13's order of the passes, which matters because each rounds to 8 bits: down first if
   * that removes more than twice as many rows as the other pass removes columns. Found by comparing
   * Pillow 13.0.0 with its own single passes. Releases up to 12.1 always went across first; 12.2
   * and 12.3 went down first only in pictures over 100 times as high as wide.
   */
  private static boolean downIsFirst(Image image, int width, int height) {
    long rowsRemoved = (long) image.height() - height;
    long columnsRemoved = (long) image.width() - width;
    return rowsRemoved > 0 && rowsRemoved > 2 * columnsRemoved;
  }

  private static long largestStep(Image image, int width, int height) {
    boolean downFirst = downIsFirst(image, width, height);
    long between = downFirst ? (long) image.width() * height : (long) width * image.height();
    return 3L * Math.max(between, (long) width * height);
  }

  private static byte[] resizeAcross(
      byte[] source, int sourceWidth, int first, int end, Weights w) {
    int width = w.size();
    byte[] target = new byte[3 * width * (end - first)];
    int at = 0;
    for (int y = first; y < end; y++) {
      int row = 3 * sourceWidth * y;
      for (int x = 0; x < width; x++) {
        int red = HALF;
        int green = HALF;
        int blue = HALF;
        int pixel = row + 3 * w.first(x);
        int k = w.offset(x);
        for (int n = w.count(x); n > 0; n--, k++, pixel += 3) {
          int weight = w.fixed[k];
          red += (source[pixel] & 0xff) * weight;
          green += (source[pixel + 1] & 0xff) * weight;
          blue += (source[pixel + 2] & 0xff) * weight;
        }
        target[at++] = clip(red);
        target[at++] = clip(green);
        target[at++] = clip(blue);
      }
    }
    return target;
  }

  private static byte[] resizeDown(byte[] source, int width, Weights w) {
    int stride = 3 * width;
    byte[] target = new byte[stride * w.size()];
    int[] sums = new int[stride];
    for (int y = 0; y < w.size(); y++) {
      Arrays.fill(sums, HALF);
      int k = w.offset(y);
      int row = stride * w.first(y);
      for (int n = w.count(y); n > 0; n--, k++, row += stride) {
        int weight = w.fixed[k];
        for (int i = 0; i < stride; i++) {
          sums[i] += (source[row + i] & 0xff) * weight;
        }
      }
      int at = stride * y;
      for (int i = 0; i < stride; i++) {
        target[at + i] = clip(sums[i]);
      }
    }
    return target;
  }

  private static byte clip(int sum) {
    int value = sum >> PRECISION_BITS;
    return (byte) (value < 0 ? 0 : Math.min(value, 255));
  }

  /** For every pixel of the result, the run of source pixels that it sees and their weights. */
  private static final class Weights {
    private final int[] firsts;
    private final int[] counts;
    private final int stride;
    private final int[] fixed;

    private Weights(int[] firsts, int[] counts, int stride, int[] fixed) {
      this.firsts = firsts;
      this.counts = counts;
      this.stride = stride;
      this.fixed = fixed;
    }

    static Weights of(int sourceSize, int size, ResizeFilter filter) {
      double scale = (double) (float) sourceSize / size;
      double stretch = Math.max(scale, 1.0);
      double support = filter.support() * stretch;
      int stride = Math.min((int) Math.ceil(support) * 2 + 1, sourceSize);
      if ((long) size * stride > MAX_WEIGHTS) {
        throw new ResourceLimitException(
            "Cannot resize "
                + sourceSize
                + " pixels to "
                + size
                + "\n  expected at most "
                + MAX_WEIGHTS
                + " filter weights\n  found    "
                + (long) size * stride
                + "\n  Is the picture one long line?",
            (long) size * stride,
            MAX_WEIGHTS);
      }
      int[] firsts = new int[size];
      int[] counts = new int[size];
      int[] fixed = new int[size * stride];
      double[] weights = new double[stride];
      double inverseStretch = 1.0 / stretch;
      for (int i = 0; i < size; i++) {
        double center = (i + 0.5) * scale;
        int first = Math.max((int) (center - support + 0.5), 0);
        int count = Math.min((int) (center + support + 0.5), sourceSize) - first;
        double sum = 0.0;
        for (int n = 0; n < count; n++) {
          weights[n] = filter.weight((n + first - center + 0.5) * inverseStretch);
          sum += weights[n];
        }
        for (int n = 0; n < count; n++) {
          fixed[i * stride + n] = toFixed(sum == 0.0 ? weights[n] : weights[n] / sum);
        }
        firsts[i] = first;
        counts[i] = count;
      }
      return new Weights(firsts, counts, stride, fixed);
    }

    private static int toFixed(double weight) {
      double scaled = weight * (1 << PRECISION_BITS);
      return (int) (weight < 0 ? scaled - 0.5 : scaled + 0.5);
    }

    Weights shiftedBy(int rows) {
      int[] shifted = firsts.clone();
      for (int i = 0; i < shifted.length; i++) {
        shifted[i] -= rows;
      }
      return new Weights(shifted, counts, stride, fixed);
    }

    int size() {
      return firsts.length;
    }

    int first(int i) {
      return firsts[i];
    }

    int count(int i) {
      return counts[i];
    }

    int end(int i) {
      return firsts[i] + counts[i];
    }

    int offset(int i) {
      return i * stride;
    }
  }
}
