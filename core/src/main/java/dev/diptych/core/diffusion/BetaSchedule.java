package dev.diptych.core.diffusion;

import dev.diptych.core.UnsupportedModelException;
import java.util.Arrays;

/**
 * How much noise each step of training added, by the names of diffusers' {@code beta_schedule}.
 *
 * @see <a href="https://arxiv.org/abs/2006.11239">DDPM, §4, the linear one</a>
 * @see <a href="https://arxiv.org/abs/2102.09672">Improved DDPM, eq. 17, the cosine one</a>
 */
public enum BetaSchedule {
  /** Betas grow evenly. */
  LINEAR("linear"),

  /** Roots of betas grow evenly: Stable Diffusion. */
  SCALED_LINEAR("scaled_linear"),

  /** The share of the picture falls as a squared cosine, betas are at most 0.999. */
  SQUAREDCOS_CAP_V2("squaredcos_cap_v2");

  private static final double MAX_BETA = 0.999;

  /** Keeps the first betas from vanishing. */
  private static final double COSINE_OFFSET = 0.008;

  private final String key;

  BetaSchedule(String key) {
    this.key = key;
  }

  /** {@return the schedule of a scheduler_config.json} */
  static BetaSchedule of(String key) {
    return Arrays.stream(values())
        .filter(schedule -> schedule.key.equals(key))
        .findFirst()
        .orElseThrow(
            () ->
                new UnsupportedModelException(
                    "beta_schedule is " + key + "; this library knows linear, scaled_linear and"
                        + " squaredcos_cap_v2"));
  }

  /** {@return [T] betas; first and last are not read by the cosine} */
  double[] betas(int steps, double first, double last, TablePrecision precision) {
    return switch (this) {
      case LINEAR -> even(first, last, steps, precision);
      case SCALED_LINEAR -> {
        double[] roots = even(Math.sqrt(first), Math.sqrt(last), steps, precision);
        yield Arrays.stream(roots).map(r -> precision.round(r * r)).toArray();
      }
      case SQUAREDCOS_CAP_V2 -> {
        double[] betas = new double[steps];
        for (int i = 0; i < steps; i++) {
          double kept = share((double) (i + 1) / steps) / share((double) i / steps);
          betas[i] = precision.round(Math.min(1 - kept, MAX_BETA));
        }
        yield betas;
      }
    };
  }

  private static double share(double time) {
    double root = StrictMath.cos((time + COSINE_OFFSET) / (1 + COSINE_OFFSET) * Math.PI / 2);
    return root * root;
  }

  private static double[] even(double first, double last, int n, TablePrecision precision) {
    double[] numbers = new double[n];
    if (precision == TablePrecision.FLOAT64) {
      double step = n == 1 ? 0 : (last - first) / (n - 1);
      for (int i = 0; i < n; i++) {
        numbers[i] = i == n - 1 && n > 1 ? last : first + i * step;
      }
      return numbers;
    }
    // As torch.linspace on a CPU: from both ends to the middle, multiplied and added in one.
    float from = (float) first;
    float to = (float) last;
    float step = n == 1 ? 0 : (to - from) / (n - 1);
    for (int i = 0; i < n; i++) {
      numbers[i] = i < n / 2 ? Math.fma(step, i, from) : Math.fma(-step, n - 1 - i, to);
    }
    if (n == 1) {
      numbers[0] = from;
    }
    return numbers;
  }
}
