package dev.diptych.models.chameleon;

import dev.diptych.core.CheckpointException;
import dev.diptych.core.Image;
import dev.diptych.tokenizers.ImageOps;
import dev.diptych.tokenizers.PillowResize;
import dev.diptych.tokenizers.PixelValues;
import dev.diptych.tokenizers.ResizeFilter;
import java.util.ArrayList;
import java.util.List;

/**
 * Turns a picture into the coder's input without making it square: of the sizes that hold about as
 * many pixels as the target, the one of the nearest proportions. Equal to Pillow and NumPy to the
 * last bit, as Alpha-VLLM/Lumina-mGPT@104abe4, lumina_mgpt/data/item_processor.py, uses them.
 * Deviations: theirs cuts at a random place, ours in the middle, so that the same picture gives the
 * same codes; ours lays a transparent picture on white before it is resized and theirs after, which
 * tells along the edges of what is opaque.
 */
final class LuminaImageProcessor {
  /** Pixels across one unit of the published sizes; two codes. */
  static final int UNIT = 32;

  private static final double MAX_RATIO = 4;

  private final List<Size> sizes;

  /**
   * A size that pictures may have.
   *
   * @param width columns of pixels
   * @param height rows of pixels
   */
  record Size(int width, int height) {}

  /**
   * A prepared picture.
   *
   * @param pixelValues [3, Y, X] float32 in [-1, 1]
   * @param size X and Y
   */
  record Prepared(float[] pixelValues, Size size) {}

  private LuminaImageProcessor(List<Size> sizes) {
    this.sizes = sizes;
  }

  /**
   * Lists the sizes.
   *
   * @param targetSize the side of a square picture: 512, 768 or 1024, by the checkpoint
   * @param unit pixels that every side is a multiple of: {@value #UNIT}, by the published coder
   */
  static LuminaImageProcessor of(int targetSize, int unit) {
    if (targetSize < unit || targetSize > 1 << 12 || targetSize % unit != 0) {
      throw new CheckpointException(
          "Cannot list picture sizes around " + targetSize + " pixels; expected a multiple of "
              + unit + " up to " + (1 << 12));
    }
    int units = targetSize / unit * (targetSize / unit);
    List<Size> sizes = new ArrayList<>();
    int rows = 1;
    for (int columns = units; columns > 0; ) {
      if ((double) Math.max(columns, rows) / Math.min(columns, rows) <= MAX_RATIO) {
        sizes.add(new Size(columns * unit, rows * unit));
      }
      if ((rows + 1) * columns <= units) {
        rows++;
      } else {
        columns--;
      }
    }
    return new LuminaImageProcessor(List.copyOf(sizes));
  }

  /** {@return the sizes that pictures may have, widest first} */
  List<Size> sizes() {
    return sizes;
  }

  /**
   * {@return the size of nearest proportions; of equally near ones the widest, then highest}
   *
   * @throws dev.diptych.core.InvalidImageException if one side is over 200 times the other
   */
  Size choose(int width, int height) {
    ImageOps.requireProportions(width, height);
    Size best = null;
    double bestFit = -1;
    for (Size size : sizes) {
      double across = (double) size.width / width;
      double down = (double) size.height / height;
      double fit = Math.min(across, down) / Math.max(across, down);
      boolean larger =
          best != null
              && (size.width > best.width
                  || size.width == best.width && size.height > best.height);
      if (fit > bestFit || fit == bestFit && larger) {
        best = size;
        bestFit = fit;
      }
    }
    return best;
  }

  /** {@return the picture reduced and cut to the size that fits it} */
  Image cut(Image image) {
    Size size = choose(image.width(), image.height());
    Image reduced = ImageOps.overWhite(image);
    while (reduced.width() >= 2 * size.width && reduced.height() >= 2 * size.height) {
      reduced =
          PillowResize.resize(
              reduced, reduced.width() / 2, reduced.height() / 2, ResizeFilter.BOX);
    }
    double scale =
        Math.max(
            (double) size.width / reduced.width(), (double) size.height / reduced.height());
    // Python rounds halves to even, as rint does.
    int width = (int) Math.rint(reduced.width() * scale);
    int height = (int) Math.rint(reduced.height() * scale);
    Image covering = PillowResize.resize(reduced, width, height, ResizeFilter.BICUBIC);
    return ImageOps.centerCrop(covering, size.width, size.height);
  }

  /** Prepares a picture. */
  Prepared prepare(Image image) {
    Image cut = cut(image);
    return new Prepared(
        PixelValues.toSignedFloats(cut), new Size(cut.width(), cut.height()));
  }
}
