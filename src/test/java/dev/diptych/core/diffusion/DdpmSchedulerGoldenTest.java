package dev.diptych.core.diffusion;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.diptych.core.CheckpointException;
import dev.diptych.core.InvalidRequestException;
import dev.diptych.core.UnsupportedModelException;
import dev.diptych.core.weights.JsonMap;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/** DDPM against diffusers' own steps, and against guided-diffusion's tables. */
class DdpmSchedulerGoldenTest {
  static Stream<String> names() {
    return DiffusionGolden.names("ddpm");
  }

  @ParameterizedTest
  @MethodSource("names")
  void givesTheReferencesTables(String name) {
    try (DiffusionGolden golden = new DiffusionGolden("ddpm", name)) {
      NoiseProcess process = NoiseProcess.read(golden.config());
      List<DiffusionStep> steps = DdpmScheduler.read(golden.config(), golden.steps()).steps();

      float[] timesteps = new float[steps.size()];
      for (int i = 0; i < timesteps.length; i++) {
        timesteps[i] = steps.get(i).timestep();
      }
      double[] products = process.alphasCumprod();
      float[] rounded = new float[products.length];
      for (int i = 0; i < products.length; i++) {
        rounded[i] = (float) products[i];
      }

      assertThat(timesteps).containsExactly(golden.floats("timesteps"));
      DiffusionGolden.TABLE.check(name, rounded, golden.floats("alphas_cumprod"));
      DiffusionGolden.TABLE.check(
          name, DiffusionGolden.table(steps, steps.size()), golden.floats("table"));
    }
  }

  @Test
  void givesTheReferencesDeviationWhereTheModelTellsIt() {
    try (DiffusionGolden golden = new DiffusionGolden("ddpm", "linear-20-learned")) {
      List<DiffusionStep> steps = DdpmScheduler.read(golden.config(), golden.steps()).steps();
      float[] found = new float[3 * steps.size()];
      for (int i = 0; i < steps.size(); i++) {
        float[] zeros = new float[3];
        float[] ones = {1, 1, 1};
        float[] told = {-1, 0.3f, 1};
        System.arraycopy(
            steps.get(i).apply(zeros, told, zeros, ones), 0, found, 3 * i, 3);
      }

      DiffusionGolden.TABLE.check("deviation", found, golden.floats("deviation"));
    }
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "cosine-250", "cosine-50-trailing", "cosine-clipped-50", "linear-20-learned", "sd-10-v",
        "linear-10-sample", "cosine-1"
      })
  void takesTheReferencesPath(String name) {
    try (DiffusionGolden golden = new DiffusionGolden("ddpm", name)) {
      List<DiffusionStep> steps = DdpmScheduler.read(golden.config(), golden.steps()).steps();
      boolean learned = name.endsWith("learned");
      float[][] seen = new float[steps.size()][];
      float[] x = golden.start();
      for (int i = 0; i < seen.length; i++) {
        float[] output = DiffusionGolden.model(x, steps.get(i).timestep());
        float[] variance = learned ? DiffusionGolden.variance(x) : null;
        x = steps.get(i).apply(output, variance, x, golden.noise(i));
        seen[i] = x;
      }

      golden.checkTrajectory(name, seen);
    }
  }

  @ParameterizedTest
  @CsvSource({"linear-20,LINEAR,LEARNED_RANGE", "cosine-250,SQUAREDCOS_CAP_V2,FIXED_SMALL"})
  void givesGuidedDiffusionsTables(
      String name, BetaSchedule schedule, DdpmScheduler.Variance variance) {
    try (DiffusionGolden golden = new DiffusionGolden("guided", name)) {
      NoiseProcess process = NoiseProcess.epsilon(schedule, TablePrecision.FLOAT64);
      List<DiffusionStep> steps = DdpmScheduler.of(process, variance, golden.steps()).steps();
      float[] expected = golden.floats("table");
      float[] found = new float[expected.length];
      for (int i = 0; i < steps.size(); i++) {
        DiffusionStep s = steps.get(i);
        assertThat(s.timestep()).isEqualTo((int) golden.floats("timesteps")[i]);
        double[] row = {
          s.pictureFromSample(),
          s.pictureFromOutput(),
          s.fromPicture(),
          s.fromSample(),
          s.noise(),
          // At the end, where no noise is added, the reference writes its neighbour's.
          i == steps.size() - 1 ? expected[7 * i + 5] : s.minLogVariance(),
          s.maxLogVariance()
        };
        for (int j = 0; j < row.length; j++) {
          found[7 * i + j] = (float) row[j];
        }
      }

      DiffusionGolden.TABLE.check(name, found, expected);
    }
  }

  @ParameterizedTest
  @ValueSource(ints = {0, -1, 1001, 1_000_000})
  void refusesStepsThatTrainingHasNot(int steps) {
    NoiseProcess process =
        NoiseProcess.epsilon(BetaSchedule.LINEAR, TablePrecision.FLOAT32);

    assertThatThrownBy(
            () -> DdpmScheduler.of(process, DdpmScheduler.Variance.FIXED_SMALL, steps))
        .isInstanceOf(InvalidRequestException.class)
        .hasMessageContaining("Cannot draw in " + steps + " steps")
        .hasMessageContaining("1 to 1000");
  }

  @Test
  void refusesToStepWithoutNoiseOrWithAnotherLength() {
    DiffusionStep step = DdpmScheduler.read(json("{}"), 10).steps().get(0);

    assertThatThrownBy(() -> step.apply(new float[4], new float[4], null))
        .isInstanceOf(InvalidRequestException.class)
        .hasMessageContaining("expected 4 numbers of noise, found none");
    assertThatThrownBy(() -> step.apply(new float[3], new float[4], new float[4]))
        .isInstanceOf(InvalidRequestException.class)
        .hasMessageContaining("expected 4 numbers of output, found 3");
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "{\"beta_schedule\": \"sigmoid\"}",
        "{\"prediction_type\": \"flow\"}",
        "{\"timestep_spacing\": \"karras\"}",
        "{\"variance_type\": \"learned\"}",
        "{\"thresholding\": true}",
        "{\"rescale_betas_zero_snr\": true}",
        "{\"trained_betas\": [0.1]}"
      })
  void refusesWhatItDoesNotDo(String config) {
    assertThatThrownBy(() -> DdpmScheduler.read(json(config), 10))
        .isInstanceOf(UnsupportedModelException.class);
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "{\"beta_start\": 0}",
        "{\"beta_end\": 1}",
        "{\"num_train_timesteps\": 0}",
        "{\"num_train_timesteps\": 1000000000}",
        "{\"clip_sample_range\": -1}",
        "{\"steps_offset\": 1000}"
      })
  void refusesNumbersOutOfRange(String config) {
    assertThatThrownBy(() -> DdpmScheduler.read(json(config), 10))
        .isInstanceOf(CheckpointException.class);
  }

  @Test
  void refusesAnOffsetThatLeavesTraining() {
    assertThatThrownBy(() -> DdpmScheduler.read(json("{\"steps_offset\": 1}"), 1000))
        .isInstanceOf(InvalidRequestException.class)
        .hasMessageContaining("timestep 1000");
  }

  @Test
  void writesItsRowsForScripts() {
    DiffusionStep step = DdpmScheduler.read(json("{\"clip_sample\": false}"), 10).steps().get(0);

    assertThat(step.row())
        .hasSize(DiffusionStep.COLUMNS)
        .startsWith((float) step.pictureFromSample(), (float) step.pictureFromOutput())
        .contains(Float.MAX_VALUE, (float) step.noise());
  }

  private static JsonMap json(String text) {
    return JsonMap.parse("scheduler_config.json", text.getBytes(StandardCharsets.UTF_8));
  }
}
