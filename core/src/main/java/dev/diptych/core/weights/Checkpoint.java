package dev.diptych.core.weights;

import dev.diptych.core.CheckpointException;
import dev.diptych.core.InvalidRequestException;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.Set;

/**
 * The tensors of a checkpoint, in one file or many, safetensors or PyTorch state dicts. Everything
 * that can be checked without the data is checked when it is opened. Safe for several threads;
 * buffers stay valid after {@link #close()}.
 */
public final class Checkpoint implements AutoCloseable {
  private final Path location;
  private final List<TensorFile> files;
  private final Map<String, TensorSpec> specs = new LinkedHashMap<>();
  private final Map<String, Stored> stored = new LinkedHashMap<>();

  /** Where a tensor is, and what its file calls it. */
  private record Stored(TensorFile file, TensorSpec spec) {}

  private Checkpoint(Path location, List<TensorFile> files) {
    this.location = location;
    this.files = files;
    for (TensorFile file : files) {
      file.specs().forEach((name, spec) -> add(spec, new Stored(file, spec)));
    }
  }

  private Checkpoint(Path location, List<TensorFile> files, Map<String, Checkpoint> parts) {
    this.location = location;
    this.files = files;
    parts.forEach(
        (prefix, part) ->
            part.specs.forEach(
                (name, spec) ->
                    add(
                        new TensorSpec(prefix + name, spec.type(), spec.shape(), spec.file()),
                        part.stored.get(name))));
  }

  private void add(TensorSpec spec, Stored where) {
    TensorSpec other = specs.put(spec.name(), spec);
    if (other != null) {
      throw new CheckpointException(
          "Tensor " + Shown.name(spec.name()) + " is in two files, " + Shown.file(other.file())
              + " and " + Shown.file(spec.file()) + "; expected one");
    }
    stored.put(spec.name(), where);
  }

  /**
   * Opens the weights of a folder: {@code model.safetensors} or its shards, else {@code
   * pytorch_model.bin} or its shards.
   *
   * @throws CheckpointException if there are none, or a file is damaged or not of its index
   */
  public static Checkpoint open(Path folder) {
    CheckpointFiles found = CheckpointFiles.in(folder);
    List<TensorFile> files = new ArrayList<>();
    try {
      for (Path file : found.files()) {
        files.add(TensorFile.open(file));
      }
      Checkpoint checkpoint = new Checkpoint(folder, files);
      found.check(
          checkpoint.specs, files.stream().mapToLong(TensorFile::dataBytes).sum());
      return checkpoint;
    } catch (RuntimeException | Error e) {
      files.forEach(TensorFile::close);
      throw e;
    }
  }

  /**
   * Opens one file of weights: safetensors, or a state dict written by torch.save (.bin, .pth,
   * .ckpt, .pt). The content decides, not the name.
   *
   * @throws CheckpointException if the file is damaged
   * @throws dev.diptych.core.UnsupportedModelException if it is a program (TorchScript) or another
   *     project's format
   */
  public static Checkpoint openFile(Path file) {
    TensorFile opened = TensorFile.open(file);
    try {
      return new Checkpoint(file, List.of(opened));
    } catch (RuntimeException | Error e) {
      opened.close();
      throw e;
    }
  }

  /**
   * Makes one checkpoint of several, for models whose files name their tensors alike: the shards of
   * a model that was trained in parallel, a language model and its picture coder. The parts belong
   * to it from then on and are closed with it.
   *
   * @param location what messages call the whole
   * @param parts what each part's tensors are called by: the prefix, then the name in the file
   * @throws CheckpointException if two tensors get the same name
   */
  public static Checkpoint join(Path location, Map<String, Checkpoint> parts) {
    List<TensorFile> files = new ArrayList<>();
    parts.values().forEach(part -> files.addAll(part.files));
    return new Checkpoint(location, files, parts);
  }

  /** {@return the folder or file that was opened} */
  public Path location() {
    return location;
  }

  /** {@return the names of all tensors, in file order} */
  public Set<String> names() {
    return Collections.unmodifiableSet(specs.keySet());
  }

  /**
   * {@return what is stored under a name}
   *
   * @throws CheckpointException if nothing is; the message has the nearest names
   */
  public TensorSpec spec(String name) {
    TensorSpec spec = specs.get(name);
    if (spec == null) {
      List<String> nearest = Shown.nearest(name, specs.keySet());
      throw new CheckpointException(
          "No tensor " + Shown.name(name) + " in " + location + ", which has " + specs.size()
              + (nearest.isEmpty() ? "" : "; nearest: " + Shown.some(nearest)));
    }
    return spec;
  }

  /** {@return the bytes of all tensors together; what several names share counts every time} */
  public long totalBytes() {
    return specs.values().stream().mapToLong(TensorSpec::bytes).sum();
  }

  /**
   * Copies a tensor out of its file. A file that is cut meanwhile gives an error.
   *
   * @return the elements in row-major order, direct, little-endian
   * @throws dev.diptych.core.ResourceLimitException if it is 2 GiB or more, or memory is short
   */
  public ByteBuffer read(String name) {
    TensorSpec spec = spec(name);
    return read(name, 0, spec.bytes());
  }

  /**
   * Maps a tensor where its file allows it, without a copy; a strided tensor of a PyTorch file is
   * copied. The file must not be cut while the buffer is used: that ends the process. Use {@link
   * #read} for files that others may write.
   *
   * @return the elements in row-major order, direct, read-only, little-endian; at any address
   * @throws dev.diptych.core.ResourceLimitException if it is 2 GiB or more
   */
  public ByteBuffer map(String name) {
    TensorSpec spec = spec(name);
    return map(name, 0, spec.bytes());
  }

  /**
   * Copies rows of the first dimension, as {@link #read} does; a scalar is one row.
   *
   * @param firstRow the first row, ≥ 0
   * @param rows how many, ≥ 0
   */
  public ByteBuffer readRows(String name, long firstRow, long rows) {
    TensorSpec spec = spec(name);
    long row = rowBytes(spec, firstRow, rows);
    return read(name, firstRow * row, rows * row);
  }

  /**
   * Copies rows of the first dimension into a buffer of the caller's, as many as it has room for: a
   * large checkpoint is read without a buffer for every piece.
   *
   * @param firstRow the first row, ≥ 0
   * @param rows how many, ≥ 0
   * @param into filled from its position to its limit
   */
  public void readRows(String name, long firstRow, long rows, ByteBuffer into) {
    TensorSpec spec = spec(name);
    long row = rowBytes(spec, firstRow, rows);
    if (into.remaining() != rows * row) {
      throw new IllegalArgumentException(
          rows + " rows of " + Shown.name(name) + " are " + rows * row + " bytes; the buffer has"
              + " room for " + into.remaining());
    }
    Stored where = stored.get(name);
    where.file().read(where.spec(), firstRow * row, into);
  }

  /**
   * Maps rows of the first dimension, as {@link #map} does; a scalar is one row.
   *
   * @param firstRow the first row, ≥ 0
   * @param rows how many, ≥ 0
   */
  public ByteBuffer mapRows(String name, long firstRow, long rows) {
    TensorSpec spec = spec(name);
    long row = rowBytes(spec, firstRow, rows);
    return map(name, firstRow * row, rows * row);
  }

  /**
   * Where a tensor lies, for native code that maps the file itself.
   *
   * @param file its path
   * @param fileBytes of the whole file
   * @param position the first byte of the tensor
   */
  public record Place(Path file, long fileBytes, long position) {}

  /**
   * {@return where a tensor's elements follow each other in row-major order; nothing if they do not}
   *
   * @throws CheckpointException if the file was cut or replaced since it was opened
   */
  public Optional<Place> place(String name) {
    TensorSpec spec = spec(name);
    Stored where = stored.get(name);
    OptionalLong position = where.file().position(where.spec());
    return position.isEmpty()
        ? Optional.empty()
        : Optional.of(
            new Place(spec.file(), where.file().unchangedSize(), position.getAsLong()));
  }

  private ByteBuffer read(String name, long from, long length) {
    Stored where = stored.get(name);
    return where.file().read(where.spec(), from, length);
  }

  private ByteBuffer map(String name, long from, long length) {
    Stored where = stored.get(name);
    return where.file().map(where.spec(), from, length);
  }

  private static long rowBytes(TensorSpec spec, long firstRow, long rows) {
    long all = spec.shape().isEmpty() ? 1 : spec.shape().get(0);
    if (firstRow < 0 || rows < 0 || rows > all - firstRow) {
      throw new InvalidRequestException(
          "Rows " + firstRow + " to " + firstRow + " + " + rows + " of " + Shown.name(spec.name())
              + " are outside its shape " + spec.shape());
    }
    return all == 0 ? 0 : spec.bytes() / all;
  }

  @Override
  public void close() {
    files.forEach(TensorFile::close);
  }
}
