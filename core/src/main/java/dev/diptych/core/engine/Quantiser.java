package dev.diptych.core.engine;

import dev.diptych.core.DType;
import java.util.List;
import java.util.Map;
import java.util.function.Predicate;
import java.util.regex.Pattern;

/**
 * Turns a matrix into integers with scales, in the forms of the kernels that {@code core/nn/linear}
 * calls. The kernels read beyond a matrix, or at an odd address, without a
 * word where its shape does not suit them: what {@link #of} refuses stays in bfloat16.
 */
final class Quantiser {
  // The int8 kernel reads 16 numbers of a row at once and has no end for a shorter rest.
  private static final int INT8_STEP = 16;
  // The int4 kernel packs 16 rows together.
  private static final int INT4_ROWS = 16;
  private static final int[] INT4_GROUPS = {64, 32};
  private static final String WEIGHT = ".weight";
  // What the first layer loses goes through all others: of the layers of a small model it cost the
  // most in 4 bits, a third of the divergence from the model's own numbers in each of three families.
  private static final Pattern FIRST_LAYER = Pattern.compile("(^|.*\\.)layers\\.0\\..*");

  private final boolean int8;
  private final int group;

  private Quantiser(boolean int8, int group) {
    this.int8 = int8;
    this.group = group;
  }

  /**
   * {@return how a tensor is quantised; null if it is not}
   *
   * <p>Where 4 bits are asked for, the first layer keeps 8.
   */
  static Quantiser of(
      DType dtype, String name, WeightLoader.Slice slice, Predicate<String> quantised) {
    if (!dtype.quantised()
        || !name.endsWith(WEIGHT)
        || slice.shape().size() != 2
        || !quantised.test(name)) {
      return null;
    }
    long rows = slice.shape().get(0);
    long columns = slice.shape().get(1);
    if (dtype == DType.INT8 || FIRST_LAYER.matcher(name).matches()) {
      return columns % INT8_STEP == 0 ? new Quantiser(true, 0) : null;
    }
    for (int group : INT4_GROUPS) {
      if (columns % group == 0 && rows % INT4_ROWS == 0) {
        return new Quantiser(false, group);
      }
    }
    return null;
  }

  /** {@return bytes of integers and scales} */
  long bytes(WeightLoader.Slice slice) {
    long rows = slice.shape().get(0);
    return int8
        ? slice.elements() + 12 * rows // a scale, a shift, and what the packing adds
        : slice.elements() / 2 + 4 * (slice.elements() / group);
  }

  /**
   * {@return whether 8 bits are packed for oneDNN, which multiplies them exactly on most processors of
   * the last years} Elsewhere the weight-only kernel of libtorch reads them.
   *
   * @param script the weight loader's
   * @param like a tensor of the CPU
   */
  static boolean packs(TorchScript script, Value like) {
    if (!CpuFeatures.x86()) {
      return false;
    }
    try (Value exact = script.call("packs8", like)) {
      return exact.toFloats()[0] != 0;
    }
  }

  /** Adds the integers and their scales; the tensor is the caller's to close. */
  void put(
      TorchDevice device,
      TorchScript script,
      Value tensor,
      boolean packs,
      String name,
      Map<String, Value> tensors,
      Scope scope) {
    String base = name.substring(0, name.length() - WEIGHT.length());
    List<String> names = List.of(WEIGHT, ".scales_and_zeros");
    if (int8) {
      names = packs ? List.of(WEIGHT, ".scales", ".shift") : List.of(WEIGHT, ".scales");
    }
    try (Value how = int8 ? device.of(packs) : device.of((long) group);
        Value parts = script.call(int8 ? "quantise8" : "quantise4", tensor, how)) {
      for (int i = 0; i < names.size(); i++) {
        try (Value index = device.of((long) i)) {
          tensors.put(base + names.get(i), scope.add(script.call("item", parts, index)));
        }
      }
    }
  }
}
