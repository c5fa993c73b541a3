package dev.diptych.core.diffusion;

import dev.diptych.core.CheckpointException;
import dev.diptych.core.InvalidRequestException;
import dev.diptych.core.UnsupportedModelException;
import dev.diptych.core.weights.JsonMap;
import java.util.Arrays;
import java.util.List;

/**
 * Euler's method along a rectified flow: a grid of times and, between two of them, {@code x +=
 * (next - time) v}. The caller counts the steps. Times fall from noise at 1 to the picture at 0 in
 * diffusers and BAGEL, and rise from noise at 0 to the picture at 1 in JanusFlow and OmniGen; the
 * sign of the model's {@code v} goes with them, so the step is the same.
 *
 * <p>Reference: diffusers 0.42.1 {@code FlowMatchEulerDiscreteScheduler}; {@code
 * deepseek-ai/Janus@1daa72f:demo/app_janusflow.py} for a grid that rises. Deviations: none.
 *
 * @see <a href="https://arxiv.org/abs/2403.03206">Esser et al., eq. 1 and 23</a>
 */
public final class FlowMatchEulerScheduler {
  private static final int MAX_STEPS = 100_000;

  private final double[] times;

  private FlowMatchEulerScheduler(double[] times) {
    this.times = times;
  }

  /**
   * What diffusers' scheduler_config.json says of a flow.
   *
   * @param numTrainTimesteps T, by which times are multiplied for the model
   * @param shift factor by which the ratio of noise to picture is raised; 1 leaves it
   * @param useDynamicShifting whether each picture brings a shift of its own, {@code mu}
   * @param exponential whether mu is the logarithm of that shift
   * @param baseShift mu of {@code baseImageSeqLen} positions
   * @param maxShift mu of {@code maxImageSeqLen} positions
   * @param baseImageSeqLen positions of a small picture
   * @param maxImageSeqLen positions of a large picture
   */
  public record Config(
      int numTrainTimesteps,
      double shift,
      boolean useDynamicShifting,
      boolean exponential,
      double baseShift,
      double maxShift,
      int baseImageSeqLen,
      int maxImageSeqLen) {

    /**
     * Reads a scheduler_config.json.
     *
     * @throws CheckpointException if a value is out of range
     * @throws UnsupportedModelException if it asks for what this scheduler does not do
     */
    public static Config read(JsonMap config) {
      for (String key :
          List.of(
              "invert_sigmas",
              "use_karras_sigmas",
              "use_exponential_sigmas",
              "use_beta_sigmas",
              "stochastic_sampling")) {
        if (config.boolOr(key, false)) {
          throw new UnsupportedModelException(
              "scheduler_config.json has " + key + ", which this library does not do");
        }
      }
      if (config.has("shift_terminal")) {
        throw new UnsupportedModelException(
            "scheduler_config.json has shift_terminal, which this library does not do");
      }
      String type = config.stringOr("time_shift_type", "exponential");
      if (!List.of("exponential", "linear").contains(type)) {
        throw new UnsupportedModelException(
            "time_shift_type is " + type + "; this library knows exponential and linear");
      }
      return new Config(
          config.integerOr("num_train_timesteps", 1000, 1, MAX_STEPS),
          config.numberOr("shift", 1, 1e-3, 1e3),
          config.boolOr("use_dynamic_shifting", false),
          type.equals("exponential"),
          config.numberOr("base_shift", 0.5, -100, 100),
          config.numberOr("max_shift", 1.15, -100, 100),
          config.integerOr("base_image_seq_len", 256, 1, 1 << 24),
          config.integerOr("max_image_seq_len", 4096, 1, 1 << 24));
    }

    /**
     * {@return mu of a picture, on the line through the two of the config}
     *
     * @param positions patches of the picture
     */
    public double mu(int positions) {
      double slope = (maxShift - baseShift) / (maxImageSeqLen - baseImageSeqLen);
      return positions * slope + (baseShift - slope * baseImageSeqLen);
    }
  }

  /**
   * diffusers' grid of n steps: falling, ended by 0.
   *
   * @param mu the picture's shift, read only where the config shifts dynamically
   * @throws InvalidRequestException if there are no such steps
   */
  public static FlowMatchEulerScheduler of(Config config, int steps, double mu) {
    check(steps, config.numTrainTimesteps);
    // The least time is shifted here and, with all others, once more below, as in the reference.
    float least = 1f / config.numTrainTimesteps;
    if (!config.useDynamicShifting) {
      least = (float) shifted(least, config.shift);
    }
    double[] times = new double[steps];
    double down = steps == 1 ? 0 : (least - 1.0) / (steps - 1);
    for (int i = 0; i < steps; i++) {
      times[i] = i == steps - 1 && steps > 1 ? least : 1 + i * down;
    }
    return of(config, times, mu);
  }

  /**
   * diffusers' grid through times that a pipeline chose, before they are shifted: ended by 0.
   *
   * @param times [n] falling, in (0, 1]
   * @param mu the picture's shift, read only where the config shifts dynamically
   */
  public static FlowMatchEulerScheduler of(Config config, double[] times, double mu) {
    check(times.length, MAX_STEPS);
    double factor = config.shift;
    if (config.useDynamicShifting) {
      factor = config.exponential ? Math.exp(mu) : mu;
    }
    double[] grid = new double[times.length + 1];
    for (int i = 0; i < times.length; i++) {
      if (!(times[i] > 0 && times[i] <= 1)) {
        throw new InvalidRequestException(
            "Time " + i + " of the flow is " + times[i] + "; expected more than 0, at most 1");
      }
      grid[i] = (float) shifted(times[i], factor);
    }
    return new FlowMatchEulerScheduler(grid);
  }

  /**
   * Times rising evenly from 0 to 1 in n steps, then shifted towards the noise: JanusFlow and
   * OmniGen with a shift of 1.
   *
   * @param steps n
   * @param shift factor by which the ratio of noise to picture is raised; 1 leaves it
   */
  public static FlowMatchEulerScheduler rising(int steps, double shift) {
    check(steps, MAX_STEPS);
    double[] grid = new double[steps + 1];
    for (int i = 0; i <= steps; i++) {
      grid[i] = 1 - shifted(1 - (double) i / steps, shift);
    }
    return new FlowMatchEulerScheduler(grid);
  }

  /**
   * Times falling evenly from 1 to 0 in n steps, then shifted towards the noise: BAGEL, whose "50
   * timesteps" are 49 steps, with a shift of 3.
   *
   * @param steps n
   * @param shift factor by which the ratio of noise to picture is raised; 1 leaves it
   */
  public static FlowMatchEulerScheduler falling(int steps, double shift) {
    check(steps, MAX_STEPS);
    double[] grid = new double[steps + 1];
    for (int i = 0; i <= steps; i++) {
      grid[i] = shifted(1 - (double) i / steps, shift);
    }
    return new FlowMatchEulerScheduler(grid);
  }

  /** {@return n, the number of steps} */
  public int steps() {
    return times.length - 1;
  }

  /** {@return [n + 1] the times, from noise to picture} */
  public double[] times() {
    return times.clone();
  }

  /** {@return [n] what x moves by at each step, in units of v} */
  public double[] differences() {
    double[] differences = new double[steps()];
    Arrays.setAll(differences, i -> times[i + 1] - times[i]);
    return differences;
  }

  /**
   * Takes a step.
   *
   * @param step index, 0 to n - 1
   * @param velocity [...] float32, what the model says at {@code times()[step]}
   * @param sample [...] float32
   * @return [...] float32, nearer to the picture
   * @throws InvalidRequestException if there is no such step or lengths differ
   */
  public float[] step(int step, float[] velocity, float[] sample) {
    if (step < 0 || step >= steps()) {
      throw new InvalidRequestException(
          "There is no step " + step + "; expected 0 to " + (steps() - 1));
    }
    if (velocity.length != sample.length) {
      throw new InvalidRequestException(
          "Cannot take step " + step + ": expected " + sample.length
              + " numbers of velocity, found " + velocity.length);
    }
    double difference = times[step + 1] - times[step];
    float[] next = new float[sample.length];
    for (int i = 0; i < next.length; i++) {
      next[i] = (float) (sample[i] + difference * velocity[i]);
    }
    return next;
  }

  private static double shifted(double time, double factor) {
    return factor * time / (1 + (factor - 1) * time);
  }

  private static void check(int steps, int most) {
    if (steps < 1 || steps > most) {
      throw new InvalidRequestException(
          "Cannot draw in " + steps + " steps; expected 1 to " + most);
    }
  }
}
