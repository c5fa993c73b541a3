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
  public record Step(double time, float[] row, boolean noisy) {
    /**
     * Finds the picture that the model saw in the noise, from what the step made of it.
     *
     * @param x [...] before the step
     * @param next [...] after it
     * @param noise [...] that it added; null where it added none
     * @return [...] float32
     */
    float[] picture(float[] x, float[] next, float[] noise) {
      float[] picture = new float[x.length];
      // next = row[3] picture + row[4] x + row[5] output + row[6] noise
      boolean direct = row[5] == 0 && row[3] != 0;
      double ofOutput = row[3] * (double) row[1] + row[5];
      for (int i = 0; i < x.length; i++) {
        double rest = next[i] - row[4] * (double) x[i];
        if (noise != null) {
          rest -= row[6] * (double) noise[i];
        }
        double seen =
            direct
                ? rest / row[3]
                : row[0] * (double) x[i]
                    + row[1] * (rest - row[3] * (double) row[0] * x[i]) / ofOutput;
        picture[i] = (float) Math.min(Math.max(seen, -row[2]), row[2]);
      }
      return picture;
    }

    /**
     * Finds what the model said of the noise, from what the step made of it; see {@link
     * dev.diptych.core.Probe#denoised} for what that includes.
     *
     * @param x [...] before the step
     * @param next [...] after it
     * @param noise [...] that it added; null where it added none
     * @return [...] float32
     */
    float[] said(float[] x, float[] next, float[] noise) {
      float[] said = new float[x.length];
      // next = row[3] picture + row[4] x + row[5] output + row[6] noise,
      // picture = row[0] x + row[1] output
      double ofOutput = row[3] * (double) row[1] + row[5];
      for (int i = 0; i < x.length; i++) {
        double rest = next[i] - row[4] * (double) x[i] - row[3] * (double) row[0] * x[i];
        if (noise != null) {
          rest -= row[6] * (double) noise[i];
        }
        said[i] = (float) (rest / ofOutput);
      }
      return said;
    }
  }

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
      // The picture at the flow's end; the step itself does not read it.
      row[0] = 1;
      row[1] = (float) (times[differences.length] - times[i]);
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
