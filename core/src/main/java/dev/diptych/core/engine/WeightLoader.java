package dev.diptych.core.engine;

import dev.diptych.core.CheckpointException;
import dev.diptych.core.DType;
import dev.diptych.core.weights.Checkpoint;
import dev.diptych.core.weights.StoredType;
import dev.diptych.core.weights.TensorSpec;
import java.nio.ByteBuffer;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * Brings a checkpoint's tensors into libtorch, in the dtype that the model computes in.
 *
 * <p>A float32 tensor for a float32 model on the CPU is not copied: the model reads the mapped
 * file. Everything else is copied once, through a small buffer that is read from the file, so that
 * neither the heap limit nor a file that shrinks meanwhile can hurt.
 */
public final class WeightLoader {
  private static final int CHUNK = 8 << 20;

  private WeightLoader() {}

  /**
   * A tensor of the checkpoint, or some of its rows.
   *
   * @param tensor its name in the file
   * @param firstRow first row of dimension 0
   * @param shape what the model sees; the first side is the number of rows taken
   */
  public record Slice(String tensor, long firstRow, List<Long> shape) {
    /** {@return a whole tensor} */
    public static Slice of(TensorSpec spec) {
      return new Slice(spec.name(), 0, spec.shape());
    }

    /** {@return how many numbers} */
    public long elements() {
      return shape.stream().mapToLong(Long::longValue).reduce(1, Math::multiplyExact);
    }
  }

  /** {@return bytes that these tensors take in memory in this dtype} */
  public static long bytes(Map<String, Slice> slices, DType dtype) {
    long size = dtype == DType.BFLOAT16 ? 2 : 4;
    return slices.values().stream().mapToLong(s -> s.elements() * size).sum();
  }

  /**
   * Loads tensors.
   *
   * @param slices what to load, by the names that the script knows
   * @param dtype {@link DType#FLOAT32} or {@link DType#BFLOAT16}
   * @return a Dict[str, Tensor]
   */
  public static Value load(
      TorchDevice device, Checkpoint checkpoint, Map<String, Slice> slices, DType dtype) {
    try (Scope scope = new Scope();
        TorchScript script = TorchScript.load(device, WeightLoader.class, List.of())) {
      Value like = scope.add(device.floats(new float[1], 1));
      Map<String, Value> tensors = new LinkedHashMap<>();
      Staging staging = new Staging();
      slices.forEach(
          (name, slice) ->
              tensors.put(
                  name, scope.add(one(device, script, like, checkpoint, slice, dtype, staging))));
      return device.dictionary(tensors);
    }
  }

  /** One buffer for everything that is copied: direct memory is given back only by a collection. */
  private static final class Staging {
    private ByteBuffer buffer = ByteBuffer.allocateDirect(CHUNK);

    ByteBuffer of(long bytes) {
      if (bytes > buffer.capacity()) {
        buffer = ByteBuffer.allocateDirect(Math.toIntExact(bytes));
      }
      return buffer.clear().limit((int) bytes);
    }
  }

  private static Value one(
      TorchDevice device,
      TorchScript script,
      Value like,
      Checkpoint checkpoint,
      Slice slice,
      DType dtype,
      Staging staging) {
    TensorSpec spec = checkpoint.spec(slice.tensor());
    long rows = slice.shape().isEmpty() ? 1 : slice.shape().get(0);
    long[] shape = slice.shape().stream().mapToLong(Long::longValue).toArray();
    if (spec.type() == StoredType.F32 && dtype == DType.FLOAT32 && !device.gpu()) {
      ByteBuffer mapped = checkpoint.mapRows(slice.tensor(), slice.firstRow(), rows);
      // an odd offset is legal in a file, but not every kernel takes an odd address
      boolean aligned = mapped.alignmentOffset(0, Float.BYTES) == 0;
      return device.floats(
          aligned ? mapped : checkpoint.readRows(slice.tensor(), slice.firstRow(), rows), shape);
    }
    int size = spec.type().bytes();
    long rowBytes = rows == 0 ? 0 : Math.multiplyExact(slice.elements() / rows, size);
    long rowsAtOnce = Math.max(1, CHUNK / Math.max(1, rowBytes));
    try (Scope scope = new Scope()) {
      Value sides = scope.add(device.ints(shape));
      Value target =
          script.call("empty", sides, scope.add(device.of(code(dtype))), like);
      Value stored = scope.add(device.of(code(spec)));
      for (long row = 0; row < rows; row += rowsAtOnce) {
        long count = Math.min(rowsAtOnce, rows - row);
        ByteBuffer bytes = staging.of(count * rowBytes);
        checkpoint.readRows(slice.tensor(), slice.firstRow() + row, count, bytes);
        bytes.flip();
        try (Value raw = device.bytes(bytes, bytes.remaining());
            Value first = device.of(row * (rowBytes / size))) {
          script.call("write", target, first, raw, stored).close();
        }
      }
      return target;
    }
  }

  /** The dtype's number in scripts. */
  static int code(DType dtype) {
    return dtype == DType.BFLOAT16 ? 15 : 6;
  }

  private static int code(TensorSpec spec) {
    return switch (spec.type()) {
      case F16 -> 5;
      case F32 -> 6;
      case F64 -> 7;
      case BF16 -> 15;
      default ->
          throw new CheckpointException(
              "Cannot compute with "
                  + spec.name()
                  + "\n  expected F16, BF16, F32 or F64\n  found    "
                  + spec.type()
                  + " in "
                  + spec.file().getFileName());
    };
  }
}
