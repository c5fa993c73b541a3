package dev.diptych.core;

/**
 * Standard normal numbers without state: each is a function of a seed, of the picture, of the draw
 * and of the element's index, so one seed gives one picture whatever is drawn beside it, in any
 * order and on any machine. Other libraries' generators give other numbers for the same seed.
 *
 * <p>Four elements come from one Philox block (see {@link CounterRandom}), in pairs by Box and
 * Muller's method on 32-bit uniform numbers; the largest is 6.8. Logarithm and angle functions are
 * those of {@link StrictMath}, which are the same everywhere.
 */
public final class NormalNoise {
  private static final int PER_BLOCK = 4;

  private final CounterRandom random;

  /**
   * Keys the generator.
   *
   * @param seed any value
   */
  public NormalNoise(long seed) {
    this.random = new CounterRandom(seed);
  }

  /**
   * Draws noise.
   *
   * @param picture index of the picture or answer
   * @param draw what it is for: 0 for the noise that a picture begins as, i + 1 for what step i
   *     adds
   * @param count elements, at least 0
   * @return [count] float32; a longer draw begins with a shorter one
   */
  public float[] draw(int picture, int draw, int count) {
    if (draw < 0 || count < 0) {
      throw new InvalidRequestException(
          "draw is " + draw + " and count is " + count + "; expected at least 0");
    }
    float[] numbers = new float[count];
    for (int i = 0; i < count; i += PER_BLOCK) {
      // The second counter is 0 where tokens are sampled, so the two never meet.
      int[] words = random.block(picture, draw + 1, i / PER_BLOCK, 0);
      for (int pair = 0; pair < PER_BLOCK && i + pair < count; pair += 2) {
        double radius = StrictMath.sqrt(-2 * StrictMath.log(uniform(words[pair])));
        double angle = 2 * Math.PI * uniform(words[pair + 1]);
        numbers[i + pair] = (float) (radius * StrictMath.cos(angle));
        if (i + pair + 1 < count) {
          numbers[i + pair + 1] = (float) (radius * StrictMath.sin(angle));
        }
      }
    }
    return numbers;
  }

  /** {@return the middle of one of 2^32 intervals, never 0 or 1} */
  private static double uniform(int word) {
    return ((word & 0xffffffffL) + 0.5) * 0x1p-32;
  }
}
