package dev.diptych.core.diffusion;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.diptych.core.InvalidRequestException;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/** DDIM against diffusers' own steps. */
class DdimSchedulerGoldenTest {
  static Stream<String> names() {
    return DiffusionGolden.names("ddim");
  }

  @ParameterizedTest
  @MethodSource("names")
  void givesTheReferencesTables(String name) {
    try (DiffusionGolden golden = new DiffusionGolden("ddim", name)) {
      List<DiffusionStep> steps = steps(golden);

      float[] timesteps = new float[steps.size()];
      for (int i = 0; i < timesteps.length; i++) {
        timesteps[i] = steps.get(i).timestep();
      }
      assertThat(timesteps).containsExactly(golden.floats("timesteps"));
      DiffusionGolden.TABLE.check(
          name, DiffusionGolden.table(steps, steps.size()), golden.floats("table"));
    }
  }

  @ParameterizedTest
  @MethodSource("names")
  void takesTheReferencesPath(String name) {
    try (DiffusionGolden golden = new DiffusionGolden("ddim", name)) {
      List<DiffusionStep> steps = steps(golden);
      float[][] seen = new float[steps.size()][];
      float[] x = golden.start();
      for (int i = 0; i < seen.length; i++) {
        float[] output = DiffusionGolden.model(x, steps.get(i).timestep());
        x = steps.get(i).apply(output, x, golden.noise(i));
        seen[i] = x;
      }

      golden.checkTrajectory(name, seen);
    }
  }

  @ParameterizedTest
  @ValueSource(doubles = {-0.1, 1.5, Double.NaN})
  void refusesAnEtaThatIsNoShare(double eta) {
    NoiseProcess process = NoiseProcess.epsilon(BetaSchedule.LINEAR, TablePrecision.FLOAT32);

    assertThatThrownBy(() -> DdimScheduler.of(process, true, eta, 10))
        .isInstanceOf(InvalidRequestException.class)
        .hasMessageContaining("eta is " + eta);
  }

  @ParameterizedTest
  @ValueSource(ints = {0, 1_000_000})
  void refusesStepsThatTrainingHasNot(int steps) {
    NoiseProcess process = NoiseProcess.epsilon(BetaSchedule.LINEAR, TablePrecision.FLOAT32);

    assertThatThrownBy(() -> DdimScheduler.of(process, true, 0, steps))
        .isInstanceOf(InvalidRequestException.class);
  }

  private static List<DiffusionStep> steps(DiffusionGolden golden) {
    double eta = golden.facts.get("eta").getAsDouble();
    return DdimScheduler.read(golden.config(), eta, golden.steps()).steps();
  }
}
