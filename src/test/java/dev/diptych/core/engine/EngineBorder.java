package dev.diptych.core.engine;

import dev.diptych.core.DeviceChoice;
import dev.diptych.core.EngineException;
import java.nio.ByteBuffer;
import java.util.List;

/** Main of {@link EngineBorderTest}'s children, and the class beside its script. */
final class EngineBorder {
  private EngineBorder() {}

  public static void main(String[] args) {
    try (TorchDevice device = TorchDevice.open(DeviceChoice.CPU)) {
      if (args[0].equals("dtypes")) {
        dtypes(device);
      }
    } catch (EngineException e) {
      System.out.println(e.getMessage());
      System.exit(3);
    }
  }

  private static void dtypes(TorchDevice device) {
    try (TorchScript script = TorchScript.load(device, EngineBorder.class, List.of());
        Value one = device.floats(new float[] {1, 2}, 2)) {
      // 15 bfloat16, 2 int16, 5 float16, 7 float64, 9 complex64
      for (int dtype : new int[] {15, 2, 5, 7, 9}) {
        try (Value code = device.of(dtype);
            Value converted = script.call("convert", one, code)) {
          refused("reading dtype " + dtype + " as float32", converted::toFloats);
          refused("reading dtype " + dtype + " as int64", converted::toLongs);
        }
      }
      refused("too few numbers", () -> device.floats(new float[3], 2, 2));
      refused("a negative side", () -> device.longs(new long[1], -1, -1));
      refused("an overflowing shape", () -> device.longs(new long[0], 1L << 62, 4));
      refused("a heap buffer", () -> device.bytes(ByteBuffer.allocate(4), 4));
    }
    System.out.println("all refused");
  }

  private static void refused(String what, Runnable call) {
    try {
      call.run();
    } catch (EngineException | IllegalArgumentException | ArithmeticException e) {
      return;
    }
    throw new AssertionError(what + " was not refused");
  }
}
