package dev.diptych.models.bagel;

/**
 * Latents as the coder has them, channel by channel, and as the decoder has them, cell by cell: a
 * cell is a square of them in the order row, column, channel (ByteDance-Seed/Bagel@056b5fd,
 * modeling/bagel/bagel.py and inferencer.py, {@code chpwq->hwpqc} and back).
 */
final class BagelPatches {
  private BagelPatches() {}

  /**
   * {@return [rows, columns, p * p * C] float32}
   *
   * @param latents [C, rows * p, columns * p] float32
   */
  static float[] cells(float[] latents, int channels, int rows, int columns, int p) {
    float[] cells = new float[latents.length];
    for (int i = 0; i < cells.length; i++) {
      cells[i] = latents[place(i, channels, rows, columns, p)];
    }
    return cells;
  }

  /**
   * {@return [C, rows * p, columns * p] float32}
   *
   * @param cells [rows, columns, p * p * C] float32
   */
  static float[] latents(float[] cells, int channels, int rows, int columns, int p) {
    float[] latents = new float[cells.length];
    for (int i = 0; i < cells.length; i++) {
      latents[place(i, channels, rows, columns, p)] = cells[i];
    }
    return latents;
  }

  /** Where a number of a cell lies among the latents. */
  private static int place(int i, int channels, int rows, int columns, int p) {
    int channel = i % channels;
    int across = i / channels % p;
    int down = i / channels / p % p;
    int cell = i / channels / p / p;
    int y = cell / columns * p + down;
    int x = cell % columns * p + across;
    return (channel * rows * p + y) * columns * p + x;
  }
}
