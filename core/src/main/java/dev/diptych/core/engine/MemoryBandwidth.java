package dev.diptych.core.engine;

import dev.diptych.core.DeviceChoice;
import java.util.List;

/** How fast this machine reads memory with all its threads: the bound of every decode step. */
public final class MemoryBandwidth {
  private static final int ROUNDS = 8;

  private MemoryBandwidth() {}

  /**
   * Measures: the best of several sums over one large tensor, whose every byte is read once.
   *
   * @param bytes size of the tensor; several times the processor's caches
   * @return bytes a second
   */
  public static double measure(DeviceChoice choice, long bytes) {
    try (Scope scope = new Scope()) {
      TorchDevice device = scope.add(TorchDevice.open(choice));
      TorchScript script =
          scope.add(TorchScript.load(device, MemoryBandwidth.class, List.of()));
      Value like = scope.add(device.floats(new float[1], 1));
      Value length = scope.add(device.of(bytes / 4));
      Value tensor = scope.add(script.call("allocate", length, like));
      double best = 0;
      for (int i = 0; i < ROUNDS; i++) {
        long begin = System.nanoTime();
        try (Value sum = script.call("read", tensor)) {
          sum.toFloats();
        }
        best = Math.max(best, bytes / ((System.nanoTime() - begin) / 1e9));
      }
      return best;
    }
  }
}
