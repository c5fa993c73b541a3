package dev.diptych.core.engine;

import dev.diptych.core.CheckpointException;
import dev.diptych.core.DType;
import dev.diptych.core.UnsupportedModelException;
import dev.diptych.core.WeightMemory;
import dev.diptych.core.weights.Checkpoint;
import dev.diptych.core.weights.StoredType;
import dev.diptych.core.weights.TensorSpec;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.BiConsumer;
import java.util.function.Predicate;

/**
 * Brings a checkpoint's tensors into libtorch, in the dtype that the model computes in.
 *
 * <p>On the CPU a tensor of the model's own dtype is not copied: it lies where the page cache has
 * its file ({@link MappedFiles}). Where that cannot be, or {@link
 * dev.diptych.core.WeightMemory} forbids it, it is read straight into memory of its own,
 * by several threads. Everything else goes through a small buffer that is read from the file. So
 * the heap limit never hurts, and a file that shrinks while it is loaded gives an error.
 */
public final class WeightLoader {
  /** The number of float32 in scripts. */
  static final int FLOAT32 = 6;

  private static final int BFLOAT16 = 15;
  private static final int CHUNK = 8 << 20;

  private WeightLoader() {}

  /**
   * A tensor that the model sees: one of the checkpoint, some of its rows, or several joined.
   *
   * @param pieces what it is made of, in order
   * @param dimension 0 where the pieces follow each other as rows, 1 where they lie side by side as
   *     columns, each with all rows
   * @param shape what the model sees
   */
  public record Slice(List<Piece> pieces, int dimension, List<Long> shape) {
    /**
     * Rows of a tensor of the checkpoint.
     *
     * @param tensor its name in the file
     * @param firstRow first row of dimension 0
     * @param rows how many
     */
    public record Piece(String tensor, long firstRow, long rows) {
      /** {@return all rows} */
      public static Piece of(TensorSpec spec) {
        return new Piece(spec.name(), 0, spec.shape().isEmpty() ? 1 : spec.shape().get(0));
      }
    }

    /** Copies the lists. */
    public Slice {
      pieces = List.copyOf(pieces);
      shape = List.copyOf(shape);
      if (dimension < 0 || dimension > 1 || dimension == 1 && shape.size() != 2) {
        throw new IllegalArgumentException(
            "Cannot join along dimension " + dimension + " to the shape " + shape);
      }
    }

    /**
     * Takes rows of one tensor.
     *
     * @param tensor its name in the file
     * @param firstRow first row of dimension 0
     * @param shape what the model sees; the first side is the number of rows taken
     */
    public Slice(String tensor, long firstRow, List<Long> shape) {
      this(
          List.of(new Piece(tensor, firstRow, shape.isEmpty() ? 1 : shape.get(0))), 0, shape);
    }

    /** {@return a whole tensor} */
    public static Slice of(TensorSpec spec) {
      return new Slice(spec.name(), 0, spec.shape());
    }

    /** {@return how many numbers} */
    public long elements() {
      return shape.stream().mapToLong(Long::longValue).reduce(1, Math::multiplyExact);
    }
  }

  /** {@return bytes that these tensors take in memory in this dtype, none of them quantised} */
  public static long bytes(Map<String, Slice> slices, DType dtype) {
    return bytes(slices, dtype, name -> false);
  }

  /**
   * {@return bytes that these tensors take in memory in this dtype}
   *
   * @param linear which tensors are quantised where the dtype says so and their shape allows it
   */
  public static long bytes(Map<String, Slice> slices, DType dtype, Predicate<String> linear) {
    Map<String, Slice> all = dtype.quantised() ? JoinedProjections.of(slices, linear) : slices;
    return all.entrySet().stream()
        .mapToLong(
            e -> {
              KernelForm form =
                  KernelForm.of(dtype, WeightMemory.COPIED, e.getKey(), e.getValue(), linear);
              return form == null
                  ? e.getValue().elements() * dtype.bytes()
                  : form.bytes(e.getValue());
            })
        .sum();
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
    return load(device, checkpoint, slices, dtype, name -> false);
  }

  /**
   * Loads tensors, and quantises or packs some of them as they come: no two forms of more than some
   * rows of them are in memory at once, but for the one tensor that is packed.
   *
   * @param slices what to load, by the names that the script knows
   * @param dtype any but {@link DType#AUTO}
   * @param linear which tensors, all named {@code X.weight} and read by {@code core.nn.linear}, are
   *     quantised where the dtype says so, or packed where {@link WeightMemory} does; shapes that the
   *     kernels do not take stay as they are
   * @return a Dict[str, Tensor], with {@code X.scales}, perhaps {@code X.shift}, or {@code
   *     X.scales_and_zeros} beside what was quantised, and such projections that read the same rows as
   *     one tensor ({@link JoinedProjections})
   * @throws UnsupportedModelException if the dtype is quantised and the device is a GPU
   */
  public static Value load(
      TorchDevice device,
      Checkpoint checkpoint,
      Map<String, Slice> slices,
      DType dtype,
      Predicate<String> linear) {
    return load(device, checkpoint, slices, dtype, linear, true);
  }

  /**
   * Loads as the other does.
   *
   * @param mayPack8 false: 8 bits as a processor takes them that multiplies no bytes exactly
   */
  static Value load(
      TorchDevice device,
      Checkpoint checkpoint,
      Map<String, Slice> asked,
      DType dtype,
      Predicate<String> linear,
      boolean mayPack8) {
    if (dtype.quantised() && device.gpu()) {
      throw new UnsupportedModelException(
          dtype + " weights run on the CPU only\n  remedy   dtype BFLOAT16, or device CPU");
    }
    WeightMemory memory = device.gpu() ? WeightMemory.COPIED : device.weightMemory();
    boolean packed = dtype == DType.BFLOAT16 && memory == WeightMemory.PACKED;
    Map<String, Slice> slices =
        dtype.quantised() || packed ? JoinedProjections.of(asked, linear) : asked;
    Map<String, KernelForm> forms = new LinkedHashMap<>();
    slices.forEach(
        (name, slice) -> {
          KernelForm form = KernelForm.of(dtype, memory, name, slice, linear);
          if (form != null) {
            forms.put(name, form);
          }
        });
    // The reads end before the tensors that they fill are closed.
    try (Scope scope = new Scope();
        DirectReads reads = new DirectReads();
        TorchScript script = TorchScript.load(device, WeightLoader.class, List.of());
        MappedFiles mapped = new MappedFiles(device, script, checkpoint, reads)) {
      Value like = scope.add(device.floats(new float[1], 1));
      Job job = new Job(device, script, like, checkpoint, dtype, new Staging(), reads, scope);
      Map<String, Value> tensors = new LinkedHashMap<>();
      Map<KernelForm, Slice> all = new LinkedHashMap<>();
      forms.forEach((name, form) -> all.put(form, slices.get(name)));
      try (KernelForm.Work work = new KernelForm.Work(device, script, like, mayPack8, all)) {
        slices.forEach(
            (name, slice) -> {
              KernelForm form = forms.get(name);
              if (form != null) {
                work.put(form, name, slice, each -> rows(job, slice, each), tensors, scope);
                return;
              }
              Value tensor = mapped.tensor(slice, code(dtype));
              tensors.put(name, tensor == null ? one(job, slice) : scope.add(tensor));
            });
      }
      reads.finish();
      Runnable giveBack = Memory.hold(mapped.bytes());
      try {
        return device.dictionary(tensors, giveBack);
      } catch (RuntimeException | Error e) {
        giveBack.run();
        throw e;
      }
    }
  }

  /**
   * What the loading of one checkpoint works with.
   *
   * @param like a tensor of the device
   * @param held closes the tensors when the dictionary holds them
   */
  private record Job(
      TorchDevice device,
      TorchScript script,
      Value like,
      Checkpoint checkpoint,
      DType dtype,
      Staging staging,
      DirectReads reads,
      Scope held) {
    Job heldBy(Scope scope) {
      return new Job(device, script, like, checkpoint, dtype, staging, reads, scope);
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

  /** {@return a tensor that the job holds, which is whole when its reads are finished} */
  private static Value one(Job job, Slice slice) {
    TorchDevice device = job.device();
    Checkpoint checkpoint = job.checkpoint();
    long[] shape = slice.shape().stream().mapToLong(Long::longValue).toArray();
    Value target;
    try (Scope scope = new Scope()) {
      Value sides = scope.add(device.ints(shape));
      Value dtype = scope.add(device.of(code(job.dtype())));
      target = job.held().add(job.script().call("empty", sides, dtype, job.like()));
    }
    if (!device.gpu() && direct(checkpoint, slice, job.dtype())) {
      ByteBuffer memory = device.memory(target);
      for (Slice.Piece piece : slice.pieces()) {
        int bytes = Math.toIntExact(rowBytes(checkpoint.spec(piece.tensor())) * piece.rows());
        job.reads().begin(checkpoint, piece, memory.slice(memory.position(), bytes));
        memory.position(memory.position() + bytes);
      }
    } else {
      long at = 0;
      for (Slice.Piece piece : slice.pieces()) {
        at += copy(job, piece, slice, at, target);
      }
    }
    return target;
  }

  /** Gives the numbers of a matrix as the file has them, some rows at a time. */
  private static void rows(Job job, Slice slice, BiConsumer<Value, Long> each) {
    if (slice.dimension() == 1 && slice.pieces().size() > 1) {
      try (Scope scope = new Scope()) {
        Value whole = one(job.heldBy(scope), slice);
        job.reads().finish();
        each.accept(whole, 0L);
      }
      return;
    }
    long row = 0;
    for (Slice.Piece piece : slice.pieces()) {
      long first = row;
      pieces(
          job,
          piece,
          (raw, done) -> {
            TorchDevice device = job.device();
            try (Value stored = device.of(code(job.checkpoint().spec(piece.tensor())));
                Value width = device.of(slice.shape().get(1));
                Value numbers = job.script().call("numbers", raw, stored, width)) {
              each.accept(numbers, first + done);
            }
          });
      row += piece.rows();
    }
  }

  /** Whether the file's bytes follow each other in memory just as the CPU wants them. */
  private static boolean direct(Checkpoint checkpoint, Slice slice, DType dtype) {
    StoredType stored = dtype == DType.FLOAT32 ? StoredType.F32 : StoredType.BF16;
    return ByteOrder.nativeOrder() == ByteOrder.LITTLE_ENDIAN
        && (slice.dimension() == 0 || slice.pieces().size() == 1)
        && slice.pieces().stream().allMatch(p -> checkpoint.spec(p.tensor()).type() == stored)
        && slice.elements() <= Integer.MAX_VALUE / stored.bytes();
  }

  static long rowBytes(TensorSpec spec) {
    long rows = spec.shape().isEmpty() ? 1 : spec.shape().get(0);
    return rows == 0 ? 0 : Math.multiplyExact(spec.elements() / rows, spec.type().bytes());
  }

  /**
   * Copies one piece, a few rows at a time.
   *
   * @param at the first number that it fills; its first column where pieces lie side by side
   * @return numbers written; columns where pieces lie side by side
   */
  private static long copy(Job job, Slice.Piece piece, Slice slice, long at, Value target) {
    TorchDevice device = job.device();
    TorchScript script = job.script();
    TensorSpec spec = job.checkpoint().spec(piece.tensor());
    long row = rowBytes(spec) / spec.type().bytes();
    boolean columns = slice.dimension() == 1;
    try (Value stored = device.of(code(spec));
        Value column = device.of(at);
        Value width = device.of(row)) {
      pieces(
          job,
          piece,
          (raw, done) -> {
            try (Value begin = device.of(columns ? done : at + done * row)) {
              Value written =
                  columns
                      ? script.call("write_columns", target, begin, column, width, raw, stored)
                      : script.call("write", target, begin, raw, stored);
              written.close();
            }
          });
    }
    return columns ? row : piece.rows() * row;
  }

  /** Gives the bytes of a piece, whole rows as they are read, with the number of the first. */
  private static void pieces(Job job, Slice.Piece piece, BiConsumer<Value, Long> each) {
    Checkpoint checkpoint = job.checkpoint();
    long rowBytes = rowBytes(checkpoint.spec(piece.tensor()));
    long rowsAtOnce = Math.max(1, CHUNK / Math.max(1, rowBytes));
    for (long done = 0; done < piece.rows(); done += rowsAtOnce) {
      long count = Math.min(rowsAtOnce, piece.rows() - done);
      ByteBuffer bytes = job.staging().of(count * rowBytes);
      checkpoint.readRows(piece.tensor(), piece.firstRow() + done, count, bytes);
      bytes.flip();
      try (Value raw = job.device().bytes(bytes, bytes.remaining())) {
        each.accept(raw, done);
      }
    }
  }

  /** The dtype's number in scripts. */
  static int code(DType dtype) {
    return dtype == DType.FLOAT32 ? FLOAT32 : BFLOAT16;
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
