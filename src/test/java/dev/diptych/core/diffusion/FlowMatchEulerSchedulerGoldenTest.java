package dev.diptych.core.diffusion;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.diptych.core.InvalidRequestException;
import dev.diptych.core.UnsupportedModelException;
import dev.diptych.core.diffusion.FlowMatchEulerScheduler.Config;
import dev.diptych.core.weights.JsonMap;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Flow matching against diffusers' own steps, and the grids of models that bring their own. */
class FlowMatchEulerSchedulerGoldenTest {
  static Stream<String> names() {
    return DiffusionGolden.names("flow");
  }

  @ParameterizedTest
  @MethodSource("names")
  void givesTheReferencesGrid(String name) {
    try (DiffusionGolden golden = new DiffusionGolden("flow", name)) {
      FlowMatchEulerScheduler scheduler = scheduler(golden);

      DiffusionGolden.TABLE.check(name, floats(scheduler.times()), golden.floats("sigmas"));
      assertThat(scheduler.steps()).isEqualTo(golden.floats("timesteps").length);
    }
  }

  @ParameterizedTest
  @MethodSource("names")
  void takesTheReferencesPath(String name) {
    try (DiffusionGolden golden = new DiffusionGolden("flow", name)) {
      FlowMatchEulerScheduler scheduler = scheduler(golden);
      float[][] seen = new float[scheduler.steps()][];
      float[] x = golden.start();
      for (int i = 0; i < seen.length; i++) {
        x = scheduler.step(i, DiffusionGolden.model(x, 1000 * scheduler.times()[i]), x);
        seen[i] = x;
      }

      golden.checkTrajectory(name, seen);
    }
  }

  @Test
  void givesTheGridOfAPipelinesTimes() {
    try (DiffusionGolden golden = new DiffusionGolden("flow", "flux-50")) {
      Config config = Config.read(json("{\"use_dynamic_shifting\": true}"));
      double[] times = new double[28];
      for (int i = 0; i < times.length; i++) {
        times[i] = 1 + i * (1 / 28.0 - 1) / 27;
      }

      FlowMatchEulerScheduler scheduler = FlowMatchEulerScheduler.of(config, times, 1.15);

      DiffusionGolden.TABLE.check(
          "chosen", floats(scheduler.times()), golden.tensors.floats("flow.chosen.sigmas"));
      // flux/sampling.py: 256 positions have 0.5, 4096 have 1.15
      assertThat(config.mu(256)).isCloseTo(0.5, within(1e-12));
      assertThat(config.mu(4096)).isCloseTo(1.15, within(1e-12));
    }
  }

  @Test
  void risesEvenlyForJanusFlowAndShiftedForOmniGen() {
    FlowMatchEulerScheduler even = FlowMatchEulerScheduler.rising(30, 1);
    FlowMatchEulerScheduler shifted = FlowMatchEulerScheduler.rising(4, 3);

    assertThat(even.times()[29]).isCloseTo(29 / 30.0, within(1e-12));
    double[] thirtieths = new double[30];
    Arrays.fill(thirtieths, 1 / 30.0);
    assertThat(even.differences()).containsExactly(thirtieths, within(1e-12));
    // t / (t + s - s t) at 0, 1/4, 1/2, 3/4, 1
    assertThat(shifted.times())
        .containsExactly(new double[] {0, 0.1, 0.25, 0.5, 1}, within(1e-12));
  }

  @Test
  void fallsShiftedForBagel() {
    FlowMatchEulerScheduler scheduler = FlowMatchEulerScheduler.falling(4, 3);

    // s t / (1 + (s - 1) t) at 1, 3/4, 1/2, 1/4, 0
    assertThat(scheduler.times())
        .containsExactly(new double[] {1, 0.9, 0.75, 0.5, 0}, within(1e-12));
    assertThat(scheduler.step(3, new float[] {2}, new float[] {1})).containsExactly(0f);
  }

  @ParameterizedTest
  @ValueSource(ints = {0, -3, 1_000_000})
  void refusesStepsThatAreNone(int steps) {
    Config config = Config.read(json("{}"));

    assertThatThrownBy(() -> FlowMatchEulerScheduler.of(config, steps, 0))
        .isInstanceOf(InvalidRequestException.class);
    assertThatThrownBy(() -> FlowMatchEulerScheduler.rising(steps, 1))
        .isInstanceOf(InvalidRequestException.class);
    assertThatThrownBy(() -> FlowMatchEulerScheduler.falling(steps, 1))
        .isInstanceOf(InvalidRequestException.class);
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "{\"invert_sigmas\": true}",
        "{\"use_karras_sigmas\": true}",
        "{\"stochastic_sampling\": true}",
        "{\"shift_terminal\": 0.1}",
        "{\"time_shift_type\": \"quadratic\"}"
      })
  void refusesWhatItDoesNotDo(String config) {
    assertThatThrownBy(() -> Config.read(json(config)))
        .isInstanceOf(UnsupportedModelException.class);
  }

  @Test
  void refusesAStepBeyondTheEndAndAnotherLength() {
    FlowMatchEulerScheduler scheduler = FlowMatchEulerScheduler.rising(2, 1);

    assertThatThrownBy(() -> scheduler.step(2, new float[1], new float[1]))
        .isInstanceOf(InvalidRequestException.class)
        .hasMessageContaining("expected 0 to 1");
    assertThatThrownBy(() -> scheduler.step(0, new float[2], new float[1]))
        .isInstanceOf(InvalidRequestException.class);
    assertThatThrownBy(
            () ->
                FlowMatchEulerScheduler.of(
                    Config.read(json("{}")), new double[] {1, Double.NaN}, 0))
        .isInstanceOf(InvalidRequestException.class)
        .hasMessageContaining("Time 1");
  }

  private static FlowMatchEulerScheduler scheduler(DiffusionGolden golden) {
    double mu = golden.facts.get("mu").isJsonNull() ? 0 : golden.facts.get("mu").getAsDouble();
    return FlowMatchEulerScheduler.of(Config.read(golden.config()), golden.steps(), mu);
  }

  private static float[] floats(double[] numbers) {
    float[] floats = new float[numbers.length];
    for (int i = 0; i < floats.length; i++) {
      floats[i] = (float) numbers[i];
    }
    return floats;
  }

  private static JsonMap json(String text) {
    return JsonMap.parse("scheduler_config.json", text.getBytes(StandardCharsets.UTF_8));
  }
}
