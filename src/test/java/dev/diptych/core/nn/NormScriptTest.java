package dev.diptych.core.nn;

import static org.assertj.core.api.Assertions.assertThat;

import dev.diptych.core.DeviceChoice;
import dev.diptych.core.engine.Scope;
import dev.diptych.core.engine.TorchDevice;
import dev.diptych.core.engine.TorchScript;
import dev.diptych.core.engine.Value;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class NormScriptTest {
  private static final int FLOAT32 = 6;
  private static final int BFLOAT16 = 15;

  /** 600 rows of 512 numbers are normalised in parts, 2 rows at once. */
  @ParameterizedTest
  @CsvSource({"300, " + FLOAT32, "300, " + BFLOAT16, "1, " + FLOAT32, "1, " + BFLOAT16})
  void howManyRowsThereAreChangesNoBitAndWhatIsReadStaysAsItWas(int rows, int dtype) {
    try (TorchDevice device = TorchDevice.open(DeviceChoice.CPU);
        Scope scope = new Scope()) {
      TorchScript script =
          scope.add(TorchScript.load(device, ManyRows.class, List.of("core/nn/norm")));
      Value x = scope.add(normal(device, 2, rows, 512));
      Value weight = scope.add(normal(device, 512));
      Value type = scope.add(device.of(dtype));

      assertThat(scope.add(script.call("differing", x, weight, type)).toLongs()).containsExactly(0);
    }
  }

  private static Value normal(TorchDevice device, long... shape) {
    Random random = new Random(5);
    int count = 1;
    for (long side : shape) {
      count *= (int) side;
    }
    float[] values = new float[count];
    for (int i = 0; i < count; i++) {
      values[i] = (float) random.nextGaussian();
    }
    return device.floats(values, shape);
  }
}
