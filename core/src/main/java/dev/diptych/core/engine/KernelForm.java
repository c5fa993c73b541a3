package dev.diptych.core.engine;

import dev.diptych.core.DType;
import dev.diptych.core.WeightMemory;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.function.BiConsumer;
import java.util.function.Predicate;
import java.util.regex.Pattern;

/**
 * The forms in which kernels of {@code core/nn/linear} take a weight, other than as the file has it:
 * integers with scales, and bfloat16 in oneDNN's own order. The kernels for integers read beyond a
 * matrix, or at an odd address, without a word where its shape does not suit them: what {@link #of}
 * refuses stays as it is.
 */
final class KernelForm {
  // The int8 kernel reads 16 numbers of a row at once and has no end for a shorter rest.
  private static final int INT8_STEP = 16;
  // So many products of a byte and a byte are the most that 32 bits hold.
  private static final int INT8_COLUMNS = Integer.MAX_VALUE / (255 * 127);
  // The int4 kernel packs 16 rows together.
  private static final int INT4_ROWS = 16;
  // Numbers with a scale of their own. With 64 the codes of small models lie a quarter to half as far
  // again from those of float32, and a step takes hardly less.
  private static final int INT4_GROUP = 32;
  private static final String WEIGHT = ".weight";
  // What the first layer loses goes through all others: of the layers of a small model it cost the
  // most in 4 bits, a third of the divergence from the model's own numbers in each of three families.
  // Heads, which stand outside the layers, choose between thousands of near answers.
  private static final Pattern IN_FOUR_BITS =
      Pattern.compile("(^|.*\\.)layers\\.(?!0\\.)\\d+\\..*");

  private enum Kind {
    INT8("8", 1),
    INT4("4", 3),
    BFLOAT16("16", 15);

    // of the steps in the weight loader's script
    final String steps;
    // the dtype, as a script has it, of what is not packed yet
    final int code;

    Kind(String steps, int code) {
      this.steps = steps;
      this.code = code;
    }
  }

  private final Kind kind;

  private KernelForm(Kind kind) {
    this.kind = kind;
  }

  /**
   * {@return the form of a tensor; null if it stays as it is}
   *
   * <p>Where 4 bits are asked for, the first layer keeps 8, and so does what is not in a layer.
   *
   * @param linear which tensors {@code core/nn/linear} reads
   */
  static KernelForm of(
      DType dtype,
      WeightMemory memory,
      String name,
      WeightLoader.Slice slice,
      Predicate<String> linear) {
    if (!name.endsWith(WEIGHT) || slice.shape().size() != 2 || !linear.test(name)) {
      return null;
    }
    if (dtype == DType.BFLOAT16 && memory == WeightMemory.PACKED) {
      return CpuFeatures.x86() && CpuFeatures.bfloat16() && slice.elements() > 0
          ? new KernelForm(Kind.BFLOAT16)
          : null;
    }
    if (!dtype.quantised()) {
      return null;
    }
    long rows = slice.shape().get(0);
    long columns = slice.shape().get(1);
    if (dtype == DType.INT8 || !IN_FOUR_BITS.matcher(name).matches()) {
      return columns % INT8_STEP == 0 && columns <= INT8_COLUMNS
          ? new KernelForm(Kind.INT8)
          : null;
    }
    return columns % INT4_GROUP == 0 && rows % INT4_ROWS == 0 ? new KernelForm(Kind.INT4) : null;
  }

  /** {@return bytes of the numbers and their scales} */
  long bytes(WeightLoader.Slice slice) {
    return switch (kind) {
      // a scale, a shift, and what the packing adds
      case INT8 -> slice.elements() + 12 * slice.shape().get(0);
      case INT4 -> slice.elements() / 2 + 4 * (slice.elements() / INT4_GROUP);
      case BFLOAT16 -> 2 * slice.elements();
    };
  }

  /**
   * {@return whether 8 bits are packed for oneDNN, which multiplies them exactly on most processors of
   * the last years} Elsewhere the weight-only kernel of libtorch reads them.
   *
   * @param script the weight loader's
   * @param like a tensor of the CPU
   */
  static boolean packs8(TorchScript script, Value like) {
    if (!CpuFeatures.x86()) {
      return false;
    }
    try (Value exact = script.call("packs8", like)) {
      return exact.toFloats()[0] != 0;
    }
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

  /** Brings one tensor after the other into its form, in memory that all of them share. */
  static final class Work implements AutoCloseable {
    private final TorchDevice device;
    private final TorchScript script;
    private final Value like;
    private final boolean packs8;
    private final Map<Kind, Long> most = new EnumMap<>(Kind.class);
    private final Map<Kind, Value> scratch = new EnumMap<>(Kind.class);

    /**
     * Starts.
     *
     * @param script the weight loader's
     * @param like a tensor of the CPU
     * @param mayPack8 false: 8 bits as for a processor that multiplies no bytes exactly
     * @param all everything that will be brought into a form
     */
    Work(
        TorchDevice device,
        TorchScript script,
        Value like,
        boolean mayPack8,
        Map<KernelForm, WeightLoader.Slice> all) {
      this.device = device;
      this.script = script;
      this.like = like;
      all.forEach((form, slice) -> most.merge(form.kind, slice.elements(), Math::max));
      this.packs8 = mayPack8 && most.containsKey(Kind.INT8) && packs8(script, like);
    }

    /** Adds what a kernel wants, by the names that it knows. */
    void put(
        KernelForm form,
        String name,
        WeightLoader.Slice slice,
        Rows rows,
        Map<String, Value> tensors,
        Scope held) {
      String steps = form.kind.steps;
      String base = name.substring(0, name.length() - WEIGHT.length());
      List<String> names =
          switch (form.kind) {
            case INT8 ->
                packs8 ? List.of(WEIGHT, ".scales", ".shift") : List.of(WEIGHT, ".scales");
            case INT4 -> List.of(WEIGHT, ".scales_and_zeros");
            case BFLOAT16 -> List.of(WEIGHT);
          };
      long packed = packs8 ? 1 : 0;
      try (Scope scope = new Scope()) {
        Value n = scope.add(device.of(slice.shape().get(0)));
        Value k = scope.add(device.of(slice.shape().get(1)));
        Value how = scope.add(device.of(form.kind == Kind.INT8 ? packed : INT4_GROUP));
        Value begun = scope.add(script.call("begin" + steps, n, k, how, scratch(form.kind)));
        rows.read(
            (x, first) -> {
              try (Value row = device.of(first)) {
                script.call("rows" + steps, x, begun, row, how).close();
              }
            });
        Value parts = scope.add(script.call("end" + steps, begun, how));
        for (int i = 0; i < names.size(); i++) {
          Value index = scope.add(device.of((long) i));
          tensors.put(base + names.get(i), held.add(script.call("item", parts, index)));
        }
      }
    }

    private Value scratch(Kind kind) {
      return scratch.computeIfAbsent(
          kind,
          wanted -> {
            try (Value sides = device.ints(new long[] {most.get(wanted)});
                Value dtype = device.of((long) wanted.code)) {
              return script.call("empty", sides, dtype, like);
            }
          });
    }

    @Override
    public void close() {
      scratch.values().forEach(Value::close);
    }
  }
}
