package dev.diptych.core;

/**
 * Random numbers without state: each is a function of a seed and of where it is used, so an answer
 * does not depend on what else runs, nor on the size of the batch it is part of.
 *
 * <p>Philox-4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011, section
 * 3.3).
 */
public final class CounterRandom {
  private static final int ROUNDS = 10;
  private static final long MULTIPLIER_0 = 0xD2511F53L;
  private static final long MULTIPLIER_1 = 0xCD9E8D57L;
  private static final int WEYL_0 = 0x9E3779B9;
  private static final int WEYL_1 = 0xBB67AE85;

  private final int key0;
  private final int key1;

  /**
   * Keys the generator.
   *
   * @param seed any value
   */
  public CounterRandom(long seed) {
    this.key0 = (int) seed;
    this.key1 = (int) (seed >>> 32);
  }

  /**
   * {@return 53 uniform bits, 0 to 2^53 - 1}
   *
   * @param picture index of the picture or answer
   * @param position index of the token or step
   */
  public long bits(int picture, long position) {
    int[] words = block(picture, 0, (int) position, (int) (position >>> 32));
    return ((words[0] & 0xffffffffL) << 21) | ((words[1] & 0xffffffffL) >>> 11);
  }

  /** Four 32-bit words of one counter. */
  int[] block(int c0, int c1, int c2, int c3) {
    int k0 = key0;
    int k1 = key1;
    for (int round = 0; round < ROUNDS; round++) {
      long p0 = MULTIPLIER_0 * (c0 & 0xffffffffL);
      long p1 = MULTIPLIER_1 * (c2 & 0xffffffffL);
      c0 = (int) (p1 >>> 32) ^ c1 ^ k0;
      c1 = (int) p1;
      c2 = (int) (p0 >>> 32) ^ c3 ^ k1;
      c3 = (int) p0;
      k0 += WEYL_0;
      k1 += WEYL_1;
    }
    return new int[] {c0, c1, c2, c3};
  }
}
