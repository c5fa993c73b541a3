package dev.diptych.core.diffusion;

import dev.diptych.core.CheckpointException;
import dev.diptych.core.UnsupportedModelException;
import dev.diptych.core.weights.JsonMap;
import java.util.Objects;

/**
 * How noise was added in training and what the model learned to say of it: what DDPM and DDIM
 * share. Keys and defaults are those that diffusers' {@code DDPMScheduler} and {@code
 * DDIMScheduler} have in common.
 *
 * @param numTrainTimesteps T, at least 1
 * @param betaStart the first beta, in (0, 1)
 * @param betaEnd the last beta, in (0, 1)
 * @param betaSchedule what lies between
 * @param predictionType what the model says
 * @param clipSampleRange the picture is held within plus and minus this; infinite where it is not
 * @param timestepSpacing which steps are taken
 * @param stepsOffset added to leading timesteps
 * @param precision in which numbers the tables are computed
 */
public record NoiseProcess(
    int numTrainTimesteps,
    double betaStart,
    double betaEnd,
    BetaSchedule betaSchedule,
    PredictionType predictionType,
    double clipSampleRange,
    TimestepSpacing timestepSpacing,
    int stepsOffset,
    TablePrecision precision) {

  private static final int MAX_TIMESTEPS = 100_000;

  /**
   * Checks the numbers.
   *
   * @throws CheckpointException if one is out of range
   */
  public NoiseProcess {
    Objects.requireNonNull(betaSchedule, "betaSchedule");
    Objects.requireNonNull(predictionType, "predictionType");
    Objects.requireNonNull(timestepSpacing, "timestepSpacing");
    Objects.requireNonNull(precision, "precision");
    if (numTrainTimesteps < 1 || numTrainTimesteps > MAX_TIMESTEPS) {
      throw new CheckpointException(
          "num_train_timesteps is " + numTrainTimesteps + "; expected 1 to " + MAX_TIMESTEPS);
    }
    if (!(betaStart > 0 && betaStart < 1 && betaEnd > 0 && betaEnd < 1)) {
      throw new CheckpointException(
          "beta_start is " + betaStart + " and beta_end is " + betaEnd
              + "; expected numbers between 0 and 1");
    }
    if (!(clipSampleRange > 0)) {
      throw new CheckpointException(
          "clip_sample_range is " + clipSampleRange + "; expected more than 0");
    }
    if (stepsOffset < 0 || stepsOffset >= numTrainTimesteps) {
      throw new CheckpointException(
          "steps_offset is " + stepsOffset + "; expected 0 to " + (numTrainTimesteps - 1));
    }
  }

  /**
   * {@return a process of 1000 steps whose model tells the noise, not clipped, evenly spaced from
   * the first step to the last}
   */
  public static NoiseProcess epsilon(BetaSchedule schedule, TablePrecision precision) {
    return new NoiseProcess(
        1000,
        0.0001,
        0.02,
        schedule,
        PredictionType.EPSILON,
        Double.POSITIVE_INFINITY,
        TimestepSpacing.LINSPACE,
        0,
        precision);
  }

  /**
   * Reads a diffusers scheduler_config.json.
   *
   * @throws CheckpointException if a value is out of range
   * @throws UnsupportedModelException if it asks for what neither scheduler here does
   */
  public static NoiseProcess read(JsonMap config) {
    refuse(config, "thresholding");
    refuse(config, "rescale_betas_zero_snr");
    if (config.has("trained_betas")) {
      throw new UnsupportedModelException(
          "scheduler_config.json has trained_betas; this library computes betas from"
              + " beta_schedule");
    }
    double range = config.numberOr("clip_sample_range", 1, 1e-6, 1e6);
    return new NoiseProcess(
        config.integerOr("num_train_timesteps", 1000, 1, MAX_TIMESTEPS),
        config.numberOr("beta_start", 0.0001, 0, 1),
        config.numberOr("beta_end", 0.02, 0, 1),
        BetaSchedule.of(config.stringOr("beta_schedule", "linear")),
        PredictionType.of(config.stringOr("prediction_type", "epsilon")),
        config.boolOr("clip_sample", true) ? range : Double.POSITIVE_INFINITY,
        TimestepSpacing.of(config.stringOr("timestep_spacing", "leading")),
        config.integerOr("steps_offset", 0, 0, MAX_TIMESTEPS),
        TablePrecision.FLOAT32);
  }

  /**
   * {@return [T] the share of the picture's variance that is left after each step of training, a
   * running product of one minus beta}
   */
  public double[] alphasCumprod() {
    double[] betas = betaSchedule.betas(numTrainTimesteps, betaStart, betaEnd, precision);
    double[] products = new double[betas.length];
    double product = 1;
    for (int i = 0; i < betas.length; i++) {
      product *= precision.round(1 - betas[i]);
      products[i] = precision.round(product);
    }
    return products;
  }

  /**
   * {@return [n] the timesteps of a drawing, falling}
   *
   * @param steps n, 1 to T
   * @throws dev.diptych.core.InvalidRequestException if it is not
   */
  public int[] timesteps(int steps) {
    return timestepSpacing.timesteps(numTrainTimesteps, steps, stepsOffset);
  }

  private static void refuse(JsonMap config, String key) {
    if (config.boolOr(key, false)) {
      throw new UnsupportedModelException(
          "scheduler_config.json has " + key + ", which this library does not do");
    }
  }
}
