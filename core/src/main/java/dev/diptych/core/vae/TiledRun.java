package dev.diptych.core.vae;

import java.nio.FloatBuffer;
import java.util.ArrayList;
import java.util.List;

/**
 * A picture that is encoded or decoded in tiles. Each shares a quarter of its side with the one
 * before, and where they meet one turns evenly into the other.
 *
 * <p>Reference: diffusers 0.42.1 {@code AutoencoderKL.tiled_decode} and its twin for encoding.
 */
public final class TiledRun {
  /** Tiles share one of so many parts of their side. */
  private static final int SHARED = 4;

  private final Side from;
  private final Side to;
  private final int rows;
  private final int columns;
  private final int tile;

  /**
   * What goes in, or what comes out.
   *
   * @param channels C
   * @param scale how many numbers across stand for one latent: 1 for latents, for pixels as many as
   *     there are across a latent
   */
  public record Side(int channels, int scale) {}

  /** Runs the coder on one tile. */
  public interface Coder {
    /**
     * Encodes or decodes.
     *
     * @param values [C, rows * scale, columns * scale] as of what goes in
     * @param rows latents down
     * @param columns latents across
     * @return [C, rows * scale, columns * scale] as of what comes out
     */
    FloatBuffer run(float[] values, int rows, int columns);
  }

  /** Numbers [C, height, width] that came of one tile. */
  private record Tile(float[] values, int height, int width) {}

  /**
   * Lays out tiles.
   *
   * @param rows latents down the picture
   * @param columns latents across it
   * @param tile latents across a tile, a multiple of 4
   */
  public TiledRun(Side from, Side to, int rows, int columns, int tile) {
    this.from = from;
    this.to = to;
    this.rows = rows;
    this.columns = columns;
    this.tile = tile;
  }

  /**
   * Goes tile by tile; two rows of tiles are held at once.
   *
   * @param whole [C, y, x] float32 of what goes in
   * @return [C, y, x] float32 of what comes out
   */
  public float[] run(float[] whole, Coder coder) {
    int stride = tile - tile / SHARED;
    int scale = to.scale;
    float[] found = new float[to.channels * rows * scale * columns * scale];
    List<Tile> above = List.of();
    for (int y = 0; y < rows; y += stride) {
      List<Tile> row = new ArrayList<>();
      for (int x = 0; x < columns; x += stride) {
        Tile one = run(whole, y, x, coder);
        if (y > 0) {
          blendDown(above.get(row.size()), one);
        }
        if (x > 0) {
          blendRight(row.get(row.size() - 1), one);
        }
        row.add(one);
        put(one, y * scale, x * scale, stride * scale, found);
      }
      above = row;
    }
    return found;
  }

  private Tile run(float[] whole, int y, int x, Coder coder) {
    int down = Math.min(tile, rows - y);
    int across = Math.min(tile, columns - x);
    int scale = from.scale;
    int height = down * scale;
    int width = across * scale;
    float[] part = new float[from.channels * height * width];
    for (int c = 0; c < from.channels; c++) {
      for (int i = 0; i < height; i++) {
        int line = (c * rows + y) * scale + i;
        System.arraycopy(
            whole, (line * columns + x) * scale, part, (c * height + i) * width, width);
      }
    }
    FloatBuffer made = coder.run(part, down, across);
    float[] values = new float[made.remaining()];
    made.get(values);
    return new Tile(values, down * to.scale, across * to.scale);
  }

  /** Turns the lower end of one tile into the upper end of the one below. */
  private void blendDown(Tile upper, Tile lower) {
    int extent = Math.min(Math.min(upper.height, lower.height), tile * to.scale / SHARED);
    for (int c = 0; c < to.channels; c++) {
      for (int y = 0; y < extent; y++) {
        float share = (float) y / extent;
        int a = (c * upper.height + upper.height - extent + y) * upper.width;
        int b = (c * lower.height + y) * lower.width;
        for (int x = 0; x < lower.width; x++) {
          lower.values[b + x] = upper.values[a + x] * (1 - share) + lower.values[b + x] * share;
        }
      }
    }
  }

  /** Turns the right end of one tile into the left end of the next. */
  private void blendRight(Tile left, Tile right) {
    int extent = Math.min(Math.min(left.width, right.width), tile * to.scale / SHARED);
    for (int line = 0; line < to.channels * right.height; line++) {
      int a = line * left.width + left.width - extent;
      int b = line * right.width;
      for (int x = 0; x < extent; x++) {
        float share = (float) x / extent;
        right.values[b + x] = left.values[a + x] * (1 - share) + right.values[b + x] * share;
      }
    }
  }

  private void put(Tile one, int top, int left, int most, float[] found) {
    int height = rows * to.scale;
    int width = columns * to.scale;
    for (int c = 0; c < to.channels; c++) {
      for (int y = 0; y < Math.min(most, one.height); y++) {
        System.arraycopy(
            one.values,
            (c * one.height + y) * one.width,
            found,
            (c * height + top + y) * width + left,
            Math.min(most, one.width));
      }
    }
  }
}
