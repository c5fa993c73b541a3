package dev.diptych.models.transfusion;

import dev.diptych.core.Image;
import dev.diptych.tokenizers.ImageOps;
import dev.diptych.tokenizers.PillowResize;
import dev.diptych.tokenizers.PixelValues;
import dev.diptych.tokenizers.ResizeFilter;

/**
 * Brings a picture to the size of training: the shorter side is resized to it, the middle is cut
 * out, as in the paper ({@code arXiv 2408.11039}, §4.1), and pixels are mapped onto [-1, 1]. A
 * picture of that size is taken as it is. Transparent ones are laid on white.
 *
 * @param side pixels across
 */
record TransfusionImageProcessor(int side) {
  /**
   * Prepares a picture.
   *
   * @return [3, side, side] float32 in [-1, 1]
   * @throws dev.diptych.core.InvalidImageException if one side is over 200 times the other
   */
  float[] pixelValues(Image image) {
    Image opaque = ImageOps.overWhite(image);
    if (opaque.width() != side || opaque.height() != side) {
      ImageOps.requireProportions(opaque.width(), opaque.height());
      int shorter = Math.min(opaque.width(), opaque.height());
      int width = (int) Math.rint((double) side / shorter * opaque.width());
      int height = (int) Math.rint((double) side / shorter * opaque.height());
      opaque = PillowResize.resize(opaque, width, height, ResizeFilter.BICUBIC);
      opaque = ImageOps.centerCrop(opaque, side, side);
    }
    return PixelValues.toSignedFloats(opaque);
  }
}
