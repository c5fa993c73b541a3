package dev.diptych.core.nn;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import dev.diptych.core.DeviceChoice;
import dev.diptych.core.engine.Scope;
import dev.diptych.core.engine.TorchDevice;
import dev.diptych.core.engine.TorchScript;
import dev.diptych.core.engine.Value;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class CachedAttentionScriptTest {
  private static final int B = 2;
  private static final int T = 13;
  private static final int K = 8;

  @ParameterizedTest
  @CsvSource({"4, 4, false", "4, 4, true", "6, 2, false", "6, 2, true"})
  void readingPieceByPieceIsReadingAtOnce(int heads, int keyHeads, boolean turned) {
    try (TorchDevice device = TorchDevice.open(DeviceChoice.CPU);
        Scope scope = new Scope()) {
      TorchScript script =
          scope.add(
              TorchScript.load(device, CachedAttention.class, List.of("core/nn/mask", "core/nn/attention")));
      Random random = new Random(7);
      Value q = scope.add(normal(device, random, heads));
      Value k = scope.add(normal(device, random, keyHeads));
      Value v = scope.add(normal(device, random, keyHeads));

      float[] whole = scope.add(script.call("whole", q, k, v)).toFloats();
      for (long[] sizes : new long[][] {{13}, {1, 1, 4, 1, 6}, {5, 1, 1, 1, 4, 1}}) {
        Value pieces = scope.add(device.ints(sizes));
        Value layout = scope.add(device.of(turned));
        float[] cached = scope.add(script.call("cached", q, k, v, pieces, layout)).toFloats();

        assertThat(cached).hasSameSizeAs(whole);
        for (int i = 0; i < whole.length; i++) {
          // the greatest difference that was seen is 3.6e-7
          assertThat(cached[i]).as("number %d", i).isCloseTo(whole[i], within(5e-6f));
        }
      }
    }
  }

  private static Value normal(TorchDevice device, Random random, int heads) {
    float[] values = new float[B * heads * T * K];
    for (int i = 0; i < values.length; i++) {
      values[i] = (float) random.nextGaussian();
    }
    return device.floats(values, B, heads, T, K);
  }
}
