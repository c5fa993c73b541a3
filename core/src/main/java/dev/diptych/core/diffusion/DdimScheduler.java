package dev.diptych.core.diffusion;

import dev.diptych.core.InvalidRequestException;
import dev.diptych.core.weights.JsonMap;
import java.util.ArrayList;
import java.util.List;

/**
 * Sampling without noise, or with as much as {@code eta} says. The caller counts the steps.
 *
 * <p>Reference: diffusers 0.42.1 {@code DDIMScheduler}. Deviations: timesteps are exactly as many
 * as were asked for; trailing ones can be one more there. As there, a step goes back by {@code T /
 * n} rounded down whatever the next timestep is.
 *
 * @see <a href="https://arxiv.org/abs/2010.02502">DDIM, eq. 12 and 16</a>
 */
public final class DdimScheduler {
  private final List<DiffusionStep> steps;

  private DdimScheduler(List<DiffusionStep> steps) {
    this.steps = List.copyOf(steps);
  }

  /**
   * Computes the steps of a drawing.
   *
   * @param setAlphaToOne whether nothing but the picture is left after the last step, and not what
   *     the first step of training left
   * @param eta 0 for no noise, 1 for as much as DDPM adds
   * @param steps n, 1 to T
   * @throws InvalidRequestException if eta is not from 0 to 1, or there are no such steps
   */
  public static DdimScheduler of(
      NoiseProcess process, boolean setAlphaToOne, double eta, int steps) {
    if (!(eta >= 0 && eta <= 1)) {
      throw new InvalidRequestException("eta is " + eta + "; expected 0 to 1");
    }
    int[] timesteps = process.timesteps(steps);
    double[] products = process.alphasCumprod();
    double last = setAlphaToOne ? 1 : products[0];
    List<DiffusionStep> table = new ArrayList<>();
    for (int timestep : timesteps) {
      int before = timestep - process.numTrainTimesteps() / steps;
      double previous = before >= 0 ? products[before] : last;
      table.add(step(process, eta, timestep, products[timestep], previous));
    }
    return new DdimScheduler(table);
  }

  /**
   * Reads a diffusers scheduler_config.json.
   *
   * @param eta 0 for no noise, 1 for as much as DDPM adds
   * @param steps n, 1 to T
   */
  public static DdimScheduler read(JsonMap config, double eta, int steps) {
    return of(
        NoiseProcess.read(config), config.boolOr("set_alpha_to_one", true), eta, steps);
  }

  /** {@return the steps, the noisiest first} */
  public List<DiffusionStep> steps() {
    return steps;
  }

  private static DiffusionStep step(
      NoiseProcess process, double eta, int timestep, double product, double previous) {
    TablePrecision p = process.precision();
    double bBar = p.round(1 - product);
    double bBarPrevious = p.round(1 - previous);
    double rootBBar = p.round(Math.sqrt(bBar));
    double rootABar = p.round(Math.sqrt(product));

    double lost = p.round(1 - p.round(product / previous));
    double variance = p.round(p.round(bBarPrevious / bBar) * lost);
    double deviation = p.round(eta * p.round(Math.sqrt(variance)));
    double rest = p.round(bBarPrevious - p.round(deviation * deviation));
    // Rounding may leave less than nothing where all noise is new.
    double direction = p.round(Math.sqrt(Math.max(rest, 0)));

    PredictionType type = process.predictionType();
    return new DiffusionStep(
        timestep,
        DdpmScheduler.pictureFromSample(type, rootABar),
        DdpmScheduler.pictureFromOutput(type, rootABar, rootBBar),
        process.clipSampleRange(),
        p.round(Math.sqrt(previous)),
        direction * noiseFromSample(type, rootBBar),
        direction * noiseFromOutput(type, rootABar, rootBBar),
        deviation,
        2 * Math.log(deviation),
        2 * Math.log(deviation));
  }

  private static double noiseFromSample(PredictionType type, double rootBBar) {
    return switch (type) {
      case EPSILON -> 0;
      case SAMPLE -> 1 / rootBBar;
      case V_PREDICTION -> rootBBar;
    };
  }

  private static double noiseFromOutput(PredictionType type, double rootABar, double rootBBar) {
    return switch (type) {
      case EPSILON -> 1;
      case SAMPLE -> -rootABar / rootBBar;
      case V_PREDICTION -> rootABar;
    };
  }
}
