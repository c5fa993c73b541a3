package dev.diptych.core.engine;

import dev.diptych.core.DType;
import java.util.List;
import java.util.Map;
import java.util.function.BiConsumer;
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
  // the dtypes' numbers in scripts
  private static final int INT8_CODE = 1;
  private static final int INT32_CODE = 3;
  private static final String WEIGHT = ".weight";
  // What the first layer loses goes through all others: of the layers of a small model it cost the
  // most in 4 bits, a third of the divergence from the model's own numbers in each of three families.
  // Heads, which stand outside the layers, choose between thousands of near answers.
  private static final Pattern IN_FOUR_BITS =
      Pattern.compile("(^|.*\\.)layers\\.(?!0\\.)\\d+\\..*");

  private final boolean int8;
  private final int group;

  private Quantiser(boolean int8, int group) {
    this.int8 = int8;
    this.group = group;
  }

  /**
   * {@return how a tensor is quantised; null if it is not}
   *
   * <p>Where 4 bits are asked for, the first layer keeps 8, and so does what is not in a layer.
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
    if (dtype == DType.INT8 || !IN_FOUR_BITS.matcher(name).matches()) {
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

  /** Rows of a matrix, some at a time. */
  interface Rows {
    /**
     * Reads them.
     *
     * @param each is given [R, K] and the number of the first of these rows
     */
    void read(BiConsumer<Value, Long> each);
  }

  /** Quantises one tensor after the other, in memory that all of them share. */
  static final class Work implements AutoCloseable {
    private final TorchDevice device;
    private final TorchScript script;
    private final Value like;
    private final boolean packs;
    private final long[] most = new long[2];
    private final Value[] scratch = new Value[2];

    /**
     * Starts.
     *
     * @param script the weight loader's
     * @param like a tensor of the CPU
     * @param mayPack false: 8 bits as for a processor that multiplies no bytes exactly
     * @param all everything that will be quantised
     */
    Work(
        TorchDevice device,
        TorchScript script,
        Value like,
        boolean mayPack,
        Map<Quantiser, WeightLoader.Slice> all) {
      this.device = device;
      this.script = script;
      this.like = like;
      this.packs = mayPack && !all.isEmpty() && packs(script, like);
      all.forEach((q, slice) -> most[q.form()] = Math.max(most[q.form()], slice.elements()));
    }

    /** Adds the integers and their scales. */
    void put(
        Quantiser quantiser,
        String name,
        WeightLoader.Slice slice,
        Rows rows,
        Map<String, Value> tensors,
        Scope held) {
      String form = quantiser.int8 ? "8" : "4";
      String base = name.substring(0, name.length() - WEIGHT.length());
      List<String> names = List.of(WEIGHT, ".scales_and_zeros");
      if (quantiser.int8) {
        names = packs ? List.of(WEIGHT, ".scales", ".shift") : List.of(WEIGHT, ".scales");
      }
      try (Scope scope = new Scope()) {
        Value n = scope.add(device.of(slice.shape().get(0)));
        Value k = scope.add(device.of(slice.shape().get(1)));
        long asked = packs ? 1 : 0;
        Value how = scope.add(device.of(quantiser.int8 ? asked : quantiser.group));
        Value begun = scope.add(script.call("begin" + form, n, k, how, scratch(quantiser)));
        rows.read(
            (x, first) -> {
              try (Value row = device.of(first)) {
                script.call("rows" + form, x, begun, row, how).close();
              }
            });
        Value parts = scope.add(script.call("end" + form, begun, how));
        for (int i = 0; i < names.size(); i++) {
          Value index = scope.add(device.of((long) i));
          tensors.put(base + names.get(i), held.add(script.call("item", parts, index)));
        }
      }
    }

    private Value scratch(Quantiser quantiser) {
      int form = quantiser.form();
      if (scratch[form] == null) {
        try (Value sides = device.ints(new long[] {most[form]});
            Value dtype = device.of((long) (quantiser.int8 ? INT8_CODE : INT32_CODE))) {
          scratch[form] = script.call("empty", sides, dtype, like);
        }
      }
      return scratch[form];
    }

    @Override
    public void close() {
      for (Value value : scratch) {
        if (value != null) {
          value.close();
        }
      }
    }
  }

  private int form() {
    return int8 ? 0 : 1;
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
}
