package dev.diptych.testing;

import static org.assertj.core.api.Assertions.assertThat;

/**
 * How far from the reference a number may lie: {@code |found - expected| <= atol + rtol *
 * |expected|}.
 *
 * @param rtol relative part
 * @param atol absolute part
 */
public record Tolerance(double rtol, double atol) {
  /** One or a few float32 operations: a few units in the last place, and sums in another order. */
  public static final Tolerance FP32 = new Tolerance(1e-5, 1e-5);

  /** Through a whole tower in float32: rounding grows with depth. */
  public static final Tolerance FP32_DEEP = new Tolerance(1e-4, 1e-4);

  /** Compares element by element and shows the worst. */
  public void check(String what, float[] found, float[] expected) {
    assertThat(found).as("%s: how many numbers", what).hasSameSizeAs(expected);
    int worst = -1;
    double worstExcess = 0;
    for (int i = 0; i < found.length; i++) {
      double difference = Math.abs((double) found[i] - expected[i]);
      double excess = difference - (atol + rtol * Math.abs(expected[i]));
      // a NaN is never within a bound
      if (!(excess <= 0) && (worst < 0 || !(excess <= worstExcess))) {
        worst = i;
        worstExcess = excess;
      }
    }
    if (worst >= 0) {
      throw new AssertionError(
          String.format(
              java.util.Locale.ROOT,
              "%s%n  at         %d of %d%n  expected   %.9g%n  found      %.9g%n  difference %.3g%n"
                  + "  bound      %.3g",
              what,
              worst,
              found.length,
              expected[worst],
              found[worst],
              Math.abs((double) found[worst] - expected[worst]),
              atol + rtol * Math.abs(expected[worst])));
    }
  }

  /** {@return the largest absolute difference} */
  public static double largest(float[] found, float[] expected) {
    double largest = 0;
    for (int i = 0; i < found.length; i++) {
      largest = Math.max(largest, Math.abs((double) found[i] - expected[i]));
    }
    return largest;
  }
}
