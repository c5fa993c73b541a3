package dev.diptych.models.denoising;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import dev.diptych.core.weights.JsonMap;
import dev.diptych.testing.Golden;
import java.util.OptionalDouble;
import java.util.Random;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class NoiseTableTest {
  /** A model that always sees the same picture: it is found again behind every step. */
  @ParameterizedTest
  @ValueSource(strings = {"ddpm", "ddim", "flow"})
  void whatWasSeenAndSaidIsFoundBehindEveryStep(String scheduler) {
    SamplerConfig config =
        SamplerConfig.read(
            JsonMap.read(
                Golden.folder("transfusion/schedulers").resolve(scheduler + ".json"), 1 << 16));
    NoiseTable table = config.table(7, OptionalDouble.empty(), 4);
    Random random = new Random(5);
    float[] picture = {0.5f, -1.25f, 1.75f, 0};
    float[] x = new float[4];
    for (int i = 0; i < 4; i++) {
      x[i] = (float) random.nextGaussian();
    }
    for (NoiseTable.Step step : table.steps()) {
      float[] row = step.row();
      float[] noise = step.noisy() ? new float[4] : null;
      float[] next = new float[4];
      float[] said = new float[4];
      for (int i = 0; i < 4; i++) {
        double output = (picture[i] - row[0] * (double) x[i]) / row[1];
        said[i] = (float) output;
        next[i] =
            (float) (row[3] * (double) picture[i] + row[4] * (double) x[i] + row[5] * output);
        if (step.noisy()) {
          noise[i] = (float) random.nextGaussian();
          next[i] += row[6] * noise[i];
        }
      }
      float[] seen = step.picture(x, next, noise);
      for (int i = 0; i < 4; i++) {
        assertThat(seen[i]).as("at %s", step.time()).isCloseTo(picture[i], within(5e-3f));
      }
      float[] heard = step.said(x, next, noise);
      for (int i = 0; i < 4; i++) {
        assertThat(heard[i])
            .as("at %s", step.time())
            .isCloseTo(said[i], within(2e-3f * (1 + Math.abs(said[i]))));
      }
      x = next;
    }
    // The last step of DDIM leaves what the first step of training added.
    assertThat(x).containsExactly(picture, within(0.03f));
  }
}
