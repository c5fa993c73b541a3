package dev.diptych.core;

/**
 * The times of denoising at which guidance weighs the prompt; at others the prompt alone counts.
 * Times run down from 1, pure noise, to 0, the picture, and are those that the model is told: after
 * the timestep shift. ByteDance-Seed/BAGEL (modeling/bagel/bagel.py) has it as {@code cfg_interval}.
 *
 * @param from lower end, itself outside, 0 or more
 * @param to upper end, itself inside, above from to 1
 */
public record GuidanceInterval(double from, double to) {
  /** Checks the ends. */
  public GuidanceInterval {
    // Written so that NaN is refused.
    if (!(from >= 0 && from < to && to <= 1)) {
      throw new InvalidRequestException(
          "guidanceInterval is " + from + " to " + to + "; expected 0 <= from < to <= 1");
    }
  }

  /** {@return whether guidance weighs the prompt at a time in [0, 1]} */
  public boolean contains(double time) {
    return time > from && time <= to;
  }
}
