package dev.diptych.core.engine;

import dev.diptych.core.WeightMemory;
import dev.diptych.core.EngineException;
import dev.diptych.core.weights.Checkpoint;
import dev.diptych.core.weights.StoredType;
import dev.diptych.core.weights.TensorSpec;
import java.nio.ByteOrder;
import java.nio.MappedByteBuffer;
import java.nio.file.FileSystems;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.Map;
import java.util.Optional;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Tensors that lie where the page cache has their file, mapped by libtorch itself: nothing is copied
 * and nothing is held twice. Products read weights from there as fast as from memory of their own,
 * at any address that their numbers' size divides.
 *
 * <p>What the page cache does not have is read once, by several threads, before the model sees it:
 * the fastest way to get it from a drive, and a drive that fails gives an error. Afterwards the file
 * must stay as it is; a page that is gone is a SIGBUS, which ends the process.
 */
final class MappedFiles implements AutoCloseable {
  private static final Logger LOG = LoggerFactory.getLogger(MappedFiles.class);

  private final TorchDevice device;
  private final TorchScript script;
  private final Checkpoint checkpoint;
  private final DirectReads reads;
  // Empty where a file could not be mapped.
  private final Map<Path, Optional<Value>> files = new HashMap<>();
  private long bytes;
  private long fetched;

  /**
   * Maps nothing yet.
   *
   * @param script of {@link WeightLoader}
   * @param reads what fetches pages; finished by the caller before the model is used
   */
  MappedFiles(TorchDevice device, TorchScript script, Checkpoint checkpoint, DirectReads reads) {
    this.device = device;
    this.script = script;
    this.checkpoint = checkpoint;
    this.reads = reads;
  }

  /**
   * Lets a tensor lie in its file.
   *
   * @param code the dtype's number in scripts, float32's or bfloat16's; the same at every call
   * @return for the caller to close; null if it has to be copied
   * @throws dev.diptych.core.CheckpointException if the file was cut or replaced
   */
  Value tensor(WeightLoader.Slice slice, int code) {
    StoredType type = code == WeightLoader.FLOAT32 ? StoredType.F32 : StoredType.BF16;
    if (device.gpu()
        || device.weightMemory() != WeightMemory.MAPPED
        || slice.pieces().size() != 1
        || ByteOrder.nativeOrder() != ByteOrder.LITTLE_ENDIAN) {
      return null;
    }
    WeightLoader.Slice.Piece piece = slice.pieces().get(0);
    TensorSpec spec = checkpoint.spec(piece.tensor());
    if (spec.type() != type || slice.elements() == 0) {
      return null;
    }
    Checkpoint.Place place = checkpoint.place(piece.tensor()).orElse(null);
    if (place == null || place.position() % type.bytes() != 0) {
      return null;
    }
    Value file =
        files
            .computeIfAbsent(place.file(), path -> map(place, type.bytes(), code))
            .orElse(null);
    if (file == null) {
      return null;
    }
    fetch(piece, WeightLoader.rowBytes(spec));
    long first = (place.position() + piece.firstRow() * WeightLoader.rowBytes(spec)) / type.bytes();
    try (Scope scope = new Scope()) {
      long[] sides = slice.shape().stream().mapToLong(Long::longValue).toArray();
      Value part =
          script.call(
              "part",
              file,
              scope.add(device.of(first)),
              scope.add(device.of(slice.elements())),
              scope.add(device.ints(sides)));
      bytes += slice.elements() * type.bytes();
      return part;
    }
  }

  /** {@return bytes of all tensors that lie in files} */
  long bytes() {
    return bytes;
  }

  /** {@return bytes of them that were not in memory} */
  long fetched() {
    return fetched;
  }

  private Optional<Value> map(Checkpoint.Place place, int width, int code) {
    if (place.file().getFileSystem() != FileSystems.getDefault()) {
      return Optional.empty();
    }
    try (Value path = device.of(place.file().toString());
        Value numbers = device.of(place.fileBytes() / width);
        Value dtype = device.of(code)) {
      return Optional.of(script.call("map", path, numbers, dtype));
    } catch (EngineException e) {
      // Where the system lends no such stretch of addresses, or the name does not survive the way.
      LOG.debug("{} is copied, since libtorch cannot map it", place.file(), e);
      return Optional.empty();
    }
  }

  /** Reads rows that are not in memory yet; what is read goes nowhere but into the page cache. */
  private void fetch(WeightLoader.Slice.Piece piece, long rowBytes) {
    long atOnce = Math.max(1, DirectReads.PIECE / Math.max(1, rowBytes));
    for (long done = 0; done < piece.rows(); done += atOnce) {
      long first = piece.firstRow() + done;
      long rows = Math.min(atOnce, piece.rows() - done);
      if (checkpoint.mapRows(piece.tensor(), first, rows) instanceof MappedByteBuffer pages
          && !pages.isLoaded()) {
        reads.beginAndForget(checkpoint, piece.tensor(), first, rows, rows * rowBytes);
        fetched += rows * rowBytes;
      }
    }
  }

  /** Lets the files go; tensors that lie in them keep what they need. */
  @Override
  public void close() {
    try (Scope scope = new Scope()) {
      files.values().forEach(file -> file.ifPresent(scope::add));
    }
  }
}
