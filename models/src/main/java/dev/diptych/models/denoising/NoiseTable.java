package dev.diptych.models.denoising;

import dev.diptych.core.diffusion.DdimScheduler;
import dev.diptych.core.diffusion.DdpmScheduler;
import dev.diptych.core.diffusion.DiffusionStep;
import dev.diptych.core.diffusion.FlowMatchEulerScheduler;
import java.util.ArrayList;
import java.util.List;

/**
 * The steps from noise to a picture, whatever algorithm they are of: what the model is told at each,
 * and the coefficients that {@code core.nn.diffusion.step} takes.
 *
 * @param steps the noisiest first
 */
public record NoiseTable(List<Step> steps) {
  /**
   * One step.
   *
   * @param time what the model is told
   * @param row [9] as of {@link DiffusionStep#row}
   * @param noisy whether noise is added
   */
  public record Step(double time, float[] row, boolean noisy) {}

  /** Copies the list. */
  public NoiseTable {
    steps = List.copyOf(steps);
  }

  /** {@return the steps of DDPM} */
  public static NoiseTable of(DdpmScheduler scheduler) {
    return diffusion(scheduler.steps());
  }

  /** {@return the steps of DDIM} */
  public static NoiseTable of(DdimScheduler scheduler) {
    return diffusion(scheduler.steps());
  }

  private static NoiseTable diffusion(List<DiffusionStep> steps) {
    return new NoiseTable(
        steps.stream().map(s -> new Step(s.timestep(), s.row(), s.isNoisy())).toList());
  }

  /**
   * {@return the steps along a flow}
   *
   * @param scale by which times are multiplied for the model
   */
  public static NoiseTable of(FlowMatchEulerScheduler scheduler, double scale) {
    double[] times = scheduler.times();
    double[] differences = scheduler.differences();
    List<Step> steps = new ArrayList<>();
    for (int i = 0; i < differences.length; i++) {
      float[] row = new float[DiffusionStep.COLUMNS];
      row[2] = Float.MAX_VALUE;
      row[4] = 1;
      row[5] = (float) differences[i];
      steps.add(new Step(times[i] * scale, row, false));
    }
    return new NoiseTable(steps);
  }

  /** {@return how many steps} */
  public int size() {
    return steps.size();
  }
}
