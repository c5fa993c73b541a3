package dev.diptych.core.diffusion;

import dev.diptych.core.UnsupportedModelException;
import dev.diptych.core.weights.JsonMap;
import java.util.ArrayList;
import java.util.List;

/**
 * Ancestral sampling over some of the steps of training ("respaced"): every step but the last adds
 * noise. The caller counts the steps.
 *
 * <p>Reference: diffusers 0.42.1 {@code DDPMScheduler}; with {@link TablePrecision#FLOAT64} {@code
 * openai/guided-diffusion@22e0df8}, respace.py and gaussian_diffusion.py. Deviations: timesteps are
 * exactly as many as were asked for; trailing ones can be one more in diffusers.
 *
 * @see <a href="https://arxiv.org/abs/2006.11239">DDPM, eq. 6, 7 and 15, algorithm 2</a>
 * @see <a href="https://arxiv.org/abs/2102.09672">Improved DDPM, eq. 15 and §4</a>
 */
public final class DdpmScheduler {
  /** Least variance, so that its logarithm is finite. */
  private static final double MIN_VARIANCE = 1e-20;

  private final List<DiffusionStep> steps;

  /** How much noise a step adds. */
  public enum Variance {
    /** That of the posterior, beta tilde: the least. */
    FIXED_SMALL,

    /** Beta: the largest. */
    FIXED_LARGE,

    /** Between the two, in logarithms, where the model says. */
    LEARNED_RANGE
  }

  private DdpmScheduler(List<DiffusionStep> steps) {
    this.steps = List.copyOf(steps);
  }

  /**
   * Computes the steps of a drawing.
   *
   * @param steps n, 1 to T
   * @throws dev.diptych.core.InvalidRequestException if there are no such steps
   */
  public static DdpmScheduler of(NoiseProcess process, Variance variance, int steps) {
    int[] timesteps = process.timesteps(steps);
    double[] products = process.alphasCumprod();
    List<DiffusionStep> table = new ArrayList<>();
    for (int i = 0; i < steps; i++) {
      double previous = i + 1 < steps ? products[timesteps[i + 1]] : 1;
      table.add(step(process, variance, timesteps[i], products[timesteps[i]], previous));
    }
    return new DdpmScheduler(table);
  }

  /**
   * Reads a diffusers scheduler_config.json.
   *
   * @param steps n, 1 to T
   * @throws UnsupportedModelException if it asks for what this scheduler does not do
   */
  public static DdpmScheduler read(JsonMap config, int steps) {
    String type = config.stringOr("variance_type", "fixed_small");
    Variance variance =
        switch (type) {
          case "fixed_small" -> Variance.FIXED_SMALL;
          case "fixed_large" -> Variance.FIXED_LARGE;
          case "learned_range" -> Variance.LEARNED_RANGE;
          default ->
              throw new UnsupportedModelException(
                  "variance_type is " + type + "; this library knows fixed_small, fixed_large and"
                      + " learned_range");
        };
    return of(NoiseProcess.read(config), variance, steps);
  }

  /** {@return the steps, the noisiest first} */
  public List<DiffusionStep> steps() {
    return steps;
  }

  private static DiffusionStep step(
      NoiseProcess process, Variance variance, int timestep, double product, double previous) {
    // The names of eq. 7: a for alpha, b for beta, "bar" for the running product.
    TablePrecision p = process.precision();
    double bBar = p.round(1 - product);
    double bBarPrevious = p.round(1 - previous);
    double a = p.round(product / previous);
    double b = p.round(1 - a);
    double rootBBar = p.round(Math.sqrt(bBar));
    double rootABar = p.round(Math.sqrt(product));

    double fromPicture = p.round(p.round(p.round(Math.sqrt(previous)) * b) / bBar);
    double fromSample = p.round(p.round(p.round(Math.sqrt(a)) * bBarPrevious) / bBar);

    double small = Math.max(p.round(p.round(bBarPrevious / bBar) * b), MIN_VARIANCE);
    double fixed = variance == Variance.FIXED_LARGE ? b : small;
    return new DiffusionStep(
        timestep,
        pictureFromSample(process.predictionType(), rootABar),
        pictureFromOutput(process.predictionType(), rootABar, rootBBar),
        process.clipSampleRange(),
        fromPicture,
        fromSample,
        0,
        timestep > 0 ? p.round(Math.sqrt(fixed)) : 0,
        p.round(Math.log(small)),
        p.round(Math.log(b)));
  }

  /** {@return what of the noisy picture is in the estimate of the picture} */
  static double pictureFromSample(PredictionType type, double rootABar) {
    return switch (type) {
      case EPSILON -> 1 / rootABar;
      case SAMPLE -> 0;
      case V_PREDICTION -> rootABar;
    };
  }

  /** {@return what of the model's output is in the estimate of the picture} */
  static double pictureFromOutput(PredictionType type, double rootABar, double rootBBar) {
    return switch (type) {
      case EPSILON -> -rootBBar / rootABar;
      case SAMPLE -> 1;
      case V_PREDICTION -> -rootBBar;
    };
  }
}
