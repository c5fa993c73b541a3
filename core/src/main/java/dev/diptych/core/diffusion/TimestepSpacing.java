package dev.diptych.core.diffusion;

import dev.diptych.core.InvalidRequestException;
import dev.diptych.core.UnsupportedModelException;
import java.util.Arrays;

/**
 * Which of the T steps of training are taken when drawing, by the names of diffusers' {@code
 * timestep_spacing}.
 *
 * @see <a href="https://arxiv.org/abs/2305.08891">Common diffusion noise schedules and sample steps
 *     are flawed, table 2</a>
 */
public enum TimestepSpacing {
  /** Every T/n-th, from the first on. */
  LEADING("leading"),

  /** Every T/n-th, from the last back. */
  TRAILING("trailing"),

  /** The first, the last, and evenly between: also guided-diffusion's respacing. */
  LINSPACE("linspace");

  private final String key;

  TimestepSpacing(String key) {
    this.key = key;
  }

  /** {@return the spacing of a scheduler_config.json} */
  static TimestepSpacing of(String key) {
    return Arrays.stream(values())
        .filter(spacing -> spacing.key.equals(key))
        .findFirst()
        .orElseThrow(
            () ->
                new UnsupportedModelException(
                    "timestep_spacing is " + key + "; this library knows leading, trailing and"
                        + " linspace"));
  }

  /**
   * Chooses timesteps.
   *
   * @param trained T
   * @param steps n, 1 to T
   * @param offset added to each where they lead
   * @return [n] timesteps in [0, T), falling
   * @throws InvalidRequestException if there are no such steps
   */
  int[] timesteps(int trained, int steps, int offset) {
    if (steps < 1 || steps > trained) {
      throw new InvalidRequestException(
          "Cannot draw in " + steps + " steps; expected 1 to " + trained
              + ", the steps of training");
    }
    int[] timesteps = new int[steps];
    for (int i = 0; i < steps; i++) {
      int fromEnd = steps - 1 - i;
      timesteps[i] =
          switch (this) {
            case LEADING -> fromEnd * (trained / steps) + offset;
            case TRAILING -> {
              // numpy's arange multiplies the difference of its first two numbers
              double down = trained - (double) trained / steps - trained;
              yield (int) Math.rint(trained + i * down) - 1;
            }
            case LINSPACE ->
                steps == 1 ? 0 : (int) Math.rint(fromEnd * ((trained - 1.0) / (steps - 1)));
          };
    }
    if (timesteps[0] >= trained) {
      throw new InvalidRequestException(
          "Cannot draw in " + steps + " steps: the first would be timestep " + timesteps[0]
              + ", expected 0 to " + (trained - 1) + " (steps_offset is " + offset + ")");
    }
    return timesteps;
  }
}
