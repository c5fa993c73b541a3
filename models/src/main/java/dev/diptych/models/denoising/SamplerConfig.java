package dev.diptych.models.denoising;

import dev.diptych.core.UnsupportedModelException;
import dev.diptych.core.diffusion.BetaSchedule;
import dev.diptych.core.diffusion.DdimScheduler;
import dev.diptych.core.diffusion.DdpmScheduler;
import dev.diptych.core.diffusion.FlowMatchEulerScheduler;
import dev.diptych.core.diffusion.NoiseProcess;
import dev.diptych.core.diffusion.TablePrecision;
import dev.diptych.core.weights.JsonMap;
import java.util.OptionalDouble;

/** How a checkpoint's pictures are made of noise: what its scheduler_config.json says. */
public abstract sealed class SamplerConfig {
  private SamplerConfig() {}

  /**
   * Reads a diffusers scheduler_config.json; {@code _class_name} says of which algorithm.
   *
   * @throws dev.diptych.core.CheckpointException if a value is out of range
   * @throws UnsupportedModelException if it asks for what no scheduler here does
   */
  public static SamplerConfig read(JsonMap config) {
    String name = config.stringOr("_class_name", "none");
    return switch (name) {
      case "DDPMScheduler", "DDIMScheduler" -> new Diffusion(config, name.equals("DDIMScheduler"));
      case "FlowMatchEulerDiscreteScheduler" ->
          new Flow(FlowMatchEulerScheduler.Config.read(config));
      default ->
          throw new UnsupportedModelException(
              config + ": the scheduler is " + name + "; this library knows DDPMScheduler,"
                  + " DDIMScheduler and FlowMatchEulerDiscreteScheduler");
    };
  }

  /**
   * {@return Transfusion's own: DDPM over 1000 steps of the cosine schedule, the model tells the
   * noise, nothing is clipped} The paper (arXiv 2408.11039, §2.2, Noise Schedule) names the cosine of
   * Nichol and Dhariwal and says that the root of what is left of the picture largely follows {@code
   * cos(t / T * pi / 2)}, "with some adjustments" that it does not name; taken here as those of Nichol
   * and Dhariwal (arXiv 2102.09672, §3.2), the offset and the largest beta of diffusers'
   * squaredcos_cap_v2.
   */
  public static SamplerConfig cosine() {
    return new Diffusion(
        NoiseProcess.epsilon(BetaSchedule.SQUAREDCOS_CAP_V2, TablePrecision.FLOAT64));
  }

  /**
   * Computes the steps of a drawing.
   *
   * @param steps how many
   * @param shift factor by which the ratio of noise to picture is raised, in place of the file's;
   *     only of flows
   * @param positions patches of the picture, by which some flows shift
   * @throws dev.diptych.core.InvalidRequestException if there are no such steps
   */
  public abstract NoiseTable table(int steps, OptionalDouble shift, int positions);

  /** {@return how many steps are taken where nobody says} */
  public abstract int defaultSteps();

  /** {@return the shift that a request may change; empty where it may not} */
  public abstract OptionalDouble shift();

  private static final class Diffusion extends SamplerConfig {
    private final NoiseProcess process;
    private final DdpmScheduler.Variance variance;
    private final boolean ddim;
    private final boolean setAlphaToOne;

    Diffusion(NoiseProcess process) {
      this.process = process;
      this.variance = DdpmScheduler.Variance.FIXED_SMALL;
      this.ddim = false;
      this.setAlphaToOne = true;
    }

    Diffusion(JsonMap config, boolean ddim) {
      this.process = NoiseProcess.read(config);
      this.ddim = ddim;
      this.setAlphaToOne = config.boolOr("set_alpha_to_one", true);
      String type = config.stringOr("variance_type", "fixed_small");
      this.variance =
          switch (type) {
            case "fixed_small" -> DdpmScheduler.Variance.FIXED_SMALL;
            case "fixed_large" -> DdpmScheduler.Variance.FIXED_LARGE;
            default ->
                throw new UnsupportedModelException(
                    config + ": variance_type is " + type + "; this family knows fixed_small and"
                        + " fixed_large");
          };
    }

    @Override
    public NoiseTable table(int steps, OptionalDouble shift, int positions) {
      return ddim
          ? NoiseTable.of(DdimScheduler.of(process, setAlphaToOne, 0, steps))
          : NoiseTable.of(DdpmScheduler.of(process, variance, steps));
    }

    @Override
    public int defaultSteps() {
      return Math.min(ddim ? 50 : 250, process.numTrainTimesteps());
    }

    @Override
    public OptionalDouble shift() {
      return OptionalDouble.empty();
    }
  }

  private static final class Flow extends SamplerConfig {
    private final FlowMatchEulerScheduler.Config config;

    Flow(FlowMatchEulerScheduler.Config config) {
      this.config = config;
    }

    @Override
    public NoiseTable table(int steps, OptionalDouble shift, int positions) {
      FlowMatchEulerScheduler.Config used =
          new FlowMatchEulerScheduler.Config(
              config.numTrainTimesteps(),
              shift.orElse(config.shift()),
              config.useDynamicShifting(),
              config.exponential(),
              config.baseShift(),
              config.maxShift(),
              config.baseImageSeqLen(),
              config.maxImageSeqLen());
      double mu = config.useDynamicShifting() ? config.mu(positions) : 0;
      return NoiseTable.of(
          FlowMatchEulerScheduler.of(used, steps, mu), config.numTrainTimesteps());
    }

    @Override
    public int defaultSteps() {
      return 50;
    }

    @Override
    public OptionalDouble shift() {
      return config.useDynamicShifting()
          ? OptionalDouble.empty()
          : OptionalDouble.of(config.shift());
    }
  }
}
