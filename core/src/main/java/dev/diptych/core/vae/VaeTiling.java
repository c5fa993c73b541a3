package dev.diptych.core.vae;

import dev.diptych.core.InvalidRequestException;
import dev.diptych.core.ResourceLimitException;

/**
 * When pictures are encoded or decoded in tiles, and how large those are.
 *
 * @param maxActivationBytes the most that the features of one run may take, by {@link
 *     #activationBytes}
 * @param maxTileSize latents across a tile, a multiple of 4; the largest tile that memory allows is
 *     taken up to this
 */
public record VaeTiling(long maxActivationBytes, int maxTileSize) {
  /** No tiles. */
  public static final int WHOLE = 0;

  /** As a picture of 1024 x 1024 pixels takes with the decoder of SDXL. */
  private static final long DEFAULT_BYTES = 4L << 30;

  /** Tiles share a quarter with their neighbours, so a quarter is a whole number of latents. */
  private static final int STEP = 4;

  private static final int MIN_TILE = 8;
  private static final int MAX_TILE = 1 << 14;

  /** Features of a residual block that are held at once: around it, before, within and after. */
  private static final int LIVE = 4;

  /** Tables of all positions by all positions that attention holds at once. */
  private static final int LIVE_SCORES = 3;

  /**
   * Checks both numbers.
   *
   * @throws InvalidRequestException if one is out of range
   */
  public VaeTiling {
    if (maxActivationBytes < 1) {
      throw new InvalidRequestException(
          "maxActivationBytes is " + maxActivationBytes + "; expected at least 1");
    }
    if (maxTileSize < MIN_TILE || maxTileSize > MAX_TILE || maxTileSize % STEP != 0) {
      throw new InvalidRequestException(
          "maxTileSize is " + maxTileSize + " latents; expected a multiple of " + STEP + " from "
              + MIN_TILE + " to " + MAX_TILE);
    }
  }

  /**
   * {@return whole pictures up to 4 GiB of features, else tiles of the size of training at most}
   */
  public static VaeTiling of(VaeConfig config) {
    return of(config, DEFAULT_BYTES);
  }

  /** {@return whole pictures up to a limit, else tiles of the size of training at most} */
  public static VaeTiling of(VaeConfig config, long maxActivationBytes) {
    int trained = config.sampleSize() / config.patchSize() / STEP * STEP;
    return new VaeTiling(maxActivationBytes, Math.min(Math.max(trained, MIN_TILE), MAX_TILE));
  }

  /**
   * Estimates what decoding takes beside the weights: the larger of a residual block at the largest
   * level and of attention at the smallest. An encoder has the same levels and takes no more.
   *
   * @param rows y
   * @param columns x
   * @return bytes
   */
  public static long activationBytes(VaeConfig config, int rows, int columns) {
    long positions = (long) rows * columns;
    long most =
        config.midBlockAddAttention() ? LIVE_SCORES * Float.BYTES * positions * positions : 0;
    for (int level = config.levels() - 1; level >= 0; level--) {
      int above = Math.min(level + 1, config.levels() - 1);
      long channels = Math.max(config.channels(level), config.channels(above));
      long pixels = positions << 2 * (config.levels() - 1 - level);
      most = Math.max(most, LIVE * Float.BYTES * channels * pixels);
    }
    return most;
  }

  /**
   * {@return latents across a tile, or {@link #WHOLE} where the picture needs none}
   *
   * @throws ResourceLimitException if the smallest takes more than is allowed
   */
  public int tileSize(VaeConfig config, int rows, int columns) {
    if (activationBytes(config, rows, columns) <= maxActivationBytes) {
      return WHOLE;
    }
    int tile = maxTileSize;
    while (tile > MIN_TILE && activationBytes(config, tile, tile) > maxActivationBytes) {
      tile -= STEP;
    }
    long least =
        activationBytes(config, Math.min(rows, tile), Math.min(columns, tile));
    if (least > maxActivationBytes) {
      throw new ResourceLimitException(
          "No memory for a picture of " + rows + " x " + columns + " latents: a tile of " + tile
              + " x " + tile + " takes " + least + " bytes, of which " + maxActivationBytes
              + " are allowed\n  Raise maxActivationBytes",
          least,
          maxActivationBytes);
    }
    return tile;
  }
}
