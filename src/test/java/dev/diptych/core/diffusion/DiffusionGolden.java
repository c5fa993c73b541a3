package dev.diptych.core.diffusion;

import com.google.gson.JsonObject;
import dev.diptych.core.weights.JsonMap;
import dev.diptych.testing.Golden;
import dev.diptych.testing.Tolerance;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.stream.Stream;

/** What the references computed of one scheduler, and the made-up model of its trajectory. */
final class DiffusionGolden implements AutoCloseable {
  /** Of tables: float32, each entry a few operations that are rounded alike. */
  static final Tolerance TABLE = new Tolerance(1e-6, 1e-6);

  /**
   * Of trajectories: the reference rounds every operation to float32, this library once a step. Up
   * to 250 steps, of which the first ones of a cosine divide by roots of 2e-9, stay within 40 units
   * of the last place of numbers about 1.
   */
  static final Tolerance TRAJECTORY = new Tolerance(1e-5, 1e-5);

  static final int WIDTH = 8;

  final Golden tensors = Golden.open("diffusion");
  final JsonObject facts;
  private final String key;

  DiffusionGolden(String kind, String name) {
    this.key = kind + "." + name + ".";
    this.facts = Golden.facts("diffusion").getAsJsonObject(kind).getAsJsonObject(name);
  }

  static Stream<String> names(String kind) {
    return Golden.facts("diffusion").getAsJsonObject(kind).keySet().stream();
  }

  int steps() {
    return facts.get("steps").getAsInt();
  }

  JsonMap config() {
    return JsonMap.parse(
        "scheduler_config.json", facts.get("config").toString().getBytes(StandardCharsets.UTF_8));
  }

  float[] floats(String name) {
    return tensors.floats(key + name);
  }

  float[] start() {
    return tensors.floats("start");
  }

  float[] noise(int step) {
    return Arrays.copyOfRange(tensors.floats("noise"), step * WIDTH, (step + 1) * WIDTH);
  }

  /** What the made-up model says: two float32 operations. */
  static float[] model(float[] x, double timestep) {
    float[] out = new float[x.length];
    for (int i = 0; i < x.length; i++) {
      out[i] = x[i] * (float) (timestep / 1000) + 0.125f;
    }
    return out;
  }

  /** What the made-up model says of its variance. */
  static float[] variance(float[] x) {
    float[] out = new float[x.length];
    for (int i = 0; i < x.length; i++) {
      out[i] = Math.min(Math.max(x[i] * 0.25f, -1), 1);
    }
    return out;
  }

  /** The table as the reference's step shows it. */
  static float[] table(Iterable<DiffusionStep> steps, int n) {
    float[] rows = new float[5 * n];
    int at = 0;
    for (DiffusionStep s : steps) {
      rows[at++] = (float) s.pictureFromSample();
      rows[at++] = (float) s.pictureFromOutput();
      rows[at++] = (float) (s.fromPicture() * s.pictureFromSample() + s.fromSample());
      rows[at++] = (float) (s.fromPicture() * s.pictureFromOutput() + s.fromOutput());
      rows[at++] = (float) s.noise();
    }
    return rows;
  }

  /** Compares the last samples, those that the reference wrote down. */
  void checkTrajectory(String what, float[][] seen) {
    float[] expected = floats("trajectory");
    float[] found = new float[expected.length];
    int kept = expected.length / WIDTH;
    for (int i = 0; i < kept; i++) {
      System.arraycopy(seen[seen.length - kept + i], 0, found, i * WIDTH, WIDTH);
    }
    TRAJECTORY.check(what, found, expected);
  }

  @Override
  public void close() {
    tensors.close();
  }
}
