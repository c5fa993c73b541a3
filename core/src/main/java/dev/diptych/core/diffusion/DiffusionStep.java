package dev.diptych.core.diffusion;

import dev.diptych.core.InvalidRequestException;

/**
 * One step from more noise to less. With {@code x} the noisy picture and {@code o} what the model
 * says of it:
 *
 * <pre>
 * picture  = clamp(pictureFromSample x + pictureFromOutput o, -clip, clip)
 * previous = fromPicture picture + fromSample x + fromOutput o + noise n
 * </pre>
 *
 * <p>Where the model tells a variance {@code v} in [-1, 1] for each element, {@code noise} is
 * {@code exp((f maxLogVariance + (1 - f) minLogVariance) / 2)} with {@code f = (v + 1) / 2}
 * instead.
 *
 * @param timestep what the model is told, in [0, T)
 * @param pictureFromSample see above
 * @param pictureFromOutput see above
 * @param clip infinite where nothing is clipped
 * @param fromPicture see above
 * @param fromSample see above
 * @param fromOutput see above
 * @param noise standard deviation of the noise that is added, 0 where none is
 * @param minLogVariance logarithm of the least variance that the model can tell
 * @param maxLogVariance logarithm of the largest variance that the model can tell
 */
public record DiffusionStep(
    int timestep,
    double pictureFromSample,
    double pictureFromOutput,
    double clip,
    double fromPicture,
    double fromSample,
    double fromOutput,
    double noise,
    double minLogVariance,
    double maxLogVariance) {

  /** Columns of {@link #row}. */
  public static final int COLUMNS = 9;

  /**
   * {@return [9] float32, the components after the timestep in their order, for a script;
   * infinities as the largest float}
   */
  public float[] row() {
    double[] columns = {
      pictureFromSample,
      pictureFromOutput,
      Math.min(clip, Float.MAX_VALUE),
      fromPicture,
      fromSample,
      fromOutput,
      noise,
      minLogVariance,
      maxLogVariance
    };
    float[] row = new float[columns.length];
    for (int i = 0; i < row.length; i++) {
      row[i] = (float) columns[i];
    }
    return row;
  }

  /** {@return whether noise is added} */
  public boolean isNoisy() {
    return noise > 0;
  }

  /**
   * Takes the step with the variance of the table.
   *
   * @param output [...] float32, what the model says
   * @param sample [...] float32, the noisy picture
   * @param normal [...] float32, standard normal numbers; null where {@link #isNoisy} is false
   * @return [...] float32, less noisy
   * @throws InvalidRequestException if lengths differ or noise lacks
   */
  public float[] apply(float[] output, float[] sample, float[] normal) {
    return apply(output, null, sample, normal);
  }

  /**
   * Takes the step with the variance that the model tells.
   *
   * @param output [...] float32, what the model says
   * @param variance [...] float32, -1 for the least and 1 for the largest; null for the table's
   * @param sample [...] float32, the noisy picture
   * @param normal [...] float32, standard normal numbers; null where {@link #isNoisy} is false
   * @return [...] float32, less noisy
   * @throws InvalidRequestException if lengths differ or noise lacks
   */
  public float[] apply(float[] output, float[] variance, float[] sample, float[] normal) {
    check("output", output, sample);
    if (variance != null) {
      check("variance", variance, sample);
    }
    if (isNoisy()) {
      check("noise", normal, sample);
    }
    float[] previous = new float[sample.length];
    for (int i = 0; i < previous.length; i++) {
      double picture = pictureFromSample * sample[i] + pictureFromOutput * output[i];
      picture = Math.min(Math.max(picture, -clip), clip);
      double next = fromPicture * picture + fromSample * sample[i] + fromOutput * output[i];
      if (isNoisy()) {
        next += (variance == null ? noise : deviation(variance[i])) * normal[i];
      }
      previous[i] = (float) next;
    }
    return previous;
  }

  private double deviation(double variance) {
    double share = (variance + 1) / 2;
    return Math.exp((share * maxLogVariance + (1 - share) * minLogVariance) / 2);
  }

  private void check(String what, float[] found, float[] sample) {
    if (found == null || found.length != sample.length) {
      throw new InvalidRequestException(
          "Cannot take the step of timestep " + timestep + ": expected " + sample.length
              + " numbers of " + what + ", found "
              + (found == null ? "none" : String.valueOf(found.length)));
    }
  }
}
