package dev.diptych.core.nn;

import static org.assertj.core.api.Assertions.assertThat;

import dev.diptych.core.DeviceChoice;
import dev.diptych.core.engine.Scope;
import dev.diptych.core.engine.TorchDevice;
import dev.diptych.core.engine.TorchScript;
import dev.diptych.core.engine.Value;
import dev.diptych.testing.Tolerance;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;

/** The block of SigLIP against the same written out; the whole tower has the goldens of Janus. */
class SiglipScriptTest {
  private static final int D = 12;
  private static final int F = 20;
  private static final int HEAD_DIM = 4;

  @Test
  void aBlockIsWhatThePaperDrawsWithEitherGelu() {
    float[] erf = bothWays(false);
    float[] tanh = bothWays(true);

    // The two differ by 5e-4 at most, a hundred times the tolerance.
    assertThat(erf).isNotEqualTo(tanh);
  }

  private static float[] bothWays(boolean tanh) {
    try (TorchDevice device = TorchDevice.open(DeviceChoice.CPU);
        Scope scope = new Scope()) {
      TorchScript script =
          scope.add(
              TorchScript.load(
                  device,
                  SiglipTower.class,
                  List.of("core/nn/norm", "core/nn/attention", "core/nn/siglip")));
      Random random = new Random(11);
      int numbers = 4 * D * D + 2 * D * F + 9 * D + F;
      Value[] arguments = {
        scope.add(normal(device, random, 2, 2, 5, D)),
        scope.add(device.of(D)),
        scope.add(device.of(F)),
        scope.add(device.of(HEAD_DIM)),
        scope.add(device.of(1e-6)),
        scope.add(device.of(tanh)),
        scope.add(normal(device, random, 0.5, numbers))
      };
      float[] found = scope.add(script.call("shared", arguments)).toFloats();
      float[] expected = scope.add(script.call("by_hand", arguments)).toFloats();

      Tolerance.FP32.check("block", found, expected);
      return found;
    }
  }

  private static Value normal(TorchDevice device, Random random, double scale, long... shape) {
    int count = 1;
    for (long side : shape) {
      count *= (int) side;
    }
    float[] values = new float[count];
    for (int i = 0; i < count; i++) {
      values[i] = (float) (scale * random.nextGaussian());
    }
    return device.floats(values, shape);
  }
}
