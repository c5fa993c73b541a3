package dev.diptych.decoders;

import dev.diptych.core.vae.VaeConfig;
import java.nio.FloatBuffer;
import java.util.ArrayList;
import java.util.List;

/**
 * A picture that is decoded in tiles. Each shares a quarter of its side with the one before, and
 * where they meet one turns evenly into the other.
 *
 * <p>Reference: diffusers 0.42.1 {@code AutoencoderKL.tiled_decode}.
 */
final class TiledPicture {
  private static final int RGB = 3;

  /** Tiles share one of so many parts of their side. */
  private static final int SHARED = 4;

  private final int channels;
  private final int rows;
  private final int columns;
  private final int tile;
  private final int patch;

  /** Decodes latents [C, rows, columns] to pixels [3, Y, X]. */
  interface Decoder {
    FloatBuffer decode(float[] z, int rows, int columns);
  }

  /** Pixels [3, height, width] of one tile. */
  private record Tile(float[] pixels, int height, int width) {}

  /**
   * Lays out tiles.
   *
   * @param tile latents across a tile, a multiple of 4
   */
  TiledPicture(VaeConfig config, int rows, int columns, int tile) {
    this.channels = config.latentChannels();
    this.patch = config.patchSize();
    this.rows = rows;
    this.columns = columns;
    this.tile = tile;
  }

  /**
   * Decodes tile by tile; two rows of tiles are held at once.
   *
   * @param z [C, y, x] float32
   * @return [3, Y, X] float32
   */
  float[] decode(float[] z, Decoder decoder) {
    int stride = tile - tile / SHARED;
    float[] picture = new float[RGB * rows * patch * columns * patch];
    List<Tile> above = List.of();
    for (int y = 0; y < rows; y += stride) {
      List<Tile> row = new ArrayList<>();
      for (int x = 0; x < columns; x += stride) {
        Tile one = decode(z, y, x, decoder);
        if (y > 0) {
          blendDown(above.get(row.size()), one);
        }
        if (x > 0) {
          blendRight(row.get(row.size() - 1), one);
        }
        row.add(one);
        put(one, y * patch, x * patch, stride * patch, picture);
      }
      above = row;
    }
    return picture;
  }

  private Tile decode(float[] z, int y, int x, Decoder decoder) {
    int height = Math.min(tile, rows - y);
    int width = Math.min(tile, columns - x);
    float[] part = new float[channels * height * width];
    for (int c = 0; c < channels; c++) {
      for (int i = 0; i < height; i++) {
        System.arraycopy(
            z, (c * rows + y + i) * columns + x, part, (c * height + i) * width, width);
      }
    }
    FloatBuffer drawn = decoder.decode(part, height, width);
    float[] pixels = new float[drawn.remaining()];
    drawn.get(pixels);
    return new Tile(pixels, height * patch, width * patch);
  }

  /** Turns the lower end of one tile into the upper end of the one below. */
  private void blendDown(Tile from, Tile to) {
    int extent = Math.min(Math.min(from.height, to.height), tile * patch / SHARED);
    for (int c = 0; c < RGB; c++) {
      for (int y = 0; y < extent; y++) {
        float share = (float) y / extent;
        int a = (c * from.height + from.height - extent + y) * from.width;
        int b = (c * to.height + y) * to.width;
        for (int x = 0; x < to.width; x++) {
          to.pixels[b + x] = from.pixels[a + x] * (1 - share) + to.pixels[b + x] * share;
        }
      }
    }
  }

  /** Turns the right end of one tile into the left end of the next. */
  private void blendRight(Tile from, Tile to) {
    int extent = Math.min(Math.min(from.width, to.width), tile * patch / SHARED);
    for (int line = 0; line < RGB * to.height; line++) {
      int a = line * from.width + from.width - extent;
      int b = line * to.width;
      for (int x = 0; x < extent; x++) {
        float share = (float) x / extent;
        to.pixels[b + x] = from.pixels[a + x] * (1 - share) + to.pixels[b + x] * share;
      }
    }
  }

  private void put(Tile from, int top, int left, int most, float[] picture) {
    int height = rows * patch;
    int width = columns * patch;
    for (int c = 0; c < RGB; c++) {
      for (int y = 0; y < Math.min(most, from.height); y++) {
        System.arraycopy(
            from.pixels,
            (c * from.height + y) * from.width,
            picture,
            (c * height + top + y) * width + left,
            Math.min(most, from.width));
      }
    }
  }
}
