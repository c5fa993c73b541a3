package dev.diptych.core.weights;

import dev.diptych.core.CheckpointException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.OptionalLong;

/**
 * The safetensors format: a 64-bit header length, a JSON header, the data. All that is accepted is
 * accepted by the format's own library too; beyond its rules, a duplicate key is refused and the
 * header is limited to what real checkpoints need.
 */
final class SafetensorsFile implements TensorFile {
  /** The format allows 100,000,000; the longest header of a real model is a few MB. */
  static final int MAX_HEADER_BYTES = 32 << 20;

  static final int MAX_TENSORS = 100_000;
  private static final int MAX_RANK = 64;

  private final FileBytes file;
  private final Map<String, TensorSpec> specs;
  private final Map<String, Long> begins;

  /** A tensor and where its data lie, counted from the end of the header. */
  private record Entry(TensorSpec spec, long begin, long end) {}

  private SafetensorsFile(
      FileBytes file, Map<String, TensorSpec> specs, Map<String, Long> begins) {
    this.file = file;
    this.specs = Collections.unmodifiableMap(specs);
    this.begins = begins;
  }

  static SafetensorsFile open(FileBytes file) {
    String name = Shown.file(file.path());
    if (file.size() < 8) {
      throw new CheckpointException(
          name + " is too short: " + file.size()
              + " bytes; a safetensors file begins with 8 bytes of header length");
    }
    long length = ByteBuffer.wrap(file.bytes(0, 8)).order(ByteOrder.LITTLE_ENDIAN).getLong();
    checkHeaderLength(name, length, file.size());
    Map<String, Object> header =
        StrictJson.object(name, file.bytes(8, (int) length), MAX_TENSORS);

    long dataStart = 8 + length;
    List<Entry> entries = new Header(name, file.path()).entries(header);
    checkCoverage(name, entries, file.size() - dataStart);

    Map<String, TensorSpec> specs = new LinkedHashMap<>();
    Map<String, Long> begins = new LinkedHashMap<>();
    for (Entry entry : entries) {
      specs.put(entry.spec().name(), entry.spec());
      begins.put(entry.spec().name(), dataStart + entry.begin());
    }
    return new SafetensorsFile(file, specs, begins);
  }

  private static void checkHeaderLength(String name, long length, long fileSize) {
    if (length < 0 || length > MAX_HEADER_BYTES) {
      throw new CheckpointException(
          name + " has a header of " + Long.toUnsignedString(length)
              + " bytes by its first 8 bytes; at most " + MAX_HEADER_BYTES
              + " are read. Is it a safetensors file?");
    }
    if (length > fileSize - 8) {
      throw new CheckpointException(
          name + " has a header of " + length + " bytes by its first 8 bytes, but only "
              + (fileSize - 8) + " bytes follow. Is the download complete?");
    }
    if (length == 0) {
      throw new CheckpointException(name + " has a header of 0 bytes; expected at least {}");
    }
  }

  /** The data must be covered from the first byte to the last, with no hole and no overlap. */
  private static void checkCoverage(String name, List<Entry> entries, long dataSize) {
    entries.sort(Comparator.comparingLong(Entry::begin).thenComparingLong(Entry::end));
    long covered = 0;
    for (Entry entry : entries) {
      if (entry.begin() != covered) {
        throw new CheckpointException(
            name + ": the data of " + Shown.name(entry.spec().name()) + " begin at byte "
                + entry.begin() + "; expected " + covered
                + (entry.begin() < covered ? " (they overlap another tensor)" : " (a hole)"));
      }
      covered = entry.end();
    }
    if (covered > dataSize) {
      throw new CheckpointException(
          name + ": the data of " + Shown.name(entries.get(entries.size() - 1).spec().name())
              + " end at byte " + covered + ", but the file has only " + dataSize
              + " bytes of data. Is the download complete?");
    }
    if (covered < dataSize) {
      throw new CheckpointException(
          name + " has " + (dataSize - covered)
              + " trailing bytes after its last tensor; expected 0");
    }
  }

  /** The JSON header, entry by entry. */
  private record Header(String name, Path path) {

    List<Entry> entries(Map<String, Object> header) {
      List<Entry> entries = new ArrayList<>(header.size());
      header.forEach((tensor, value) -> {
        if (tensor.equals("__metadata__")) {
          checkMetadata(value);
        } else {
          entries.add(entry(tensor, value));
        }
      });
      return entries;
    }

    private void checkMetadata(Object value) {
      boolean strings = value == null || value instanceof Map
          && ((Map<?, ?>) value).values().stream().allMatch(String.class::isInstance);
      if (!strings) {
        throw new CheckpointException(name + ": __metadata__ must map strings to strings");
      }
    }

    private Entry entry(String tensor, Object value) {
      if (!(value instanceof Map)) {
        throw wrong(tensor, "is not an object with dtype, shape and data_offsets");
      }
      Map<?, ?> fields = (Map<?, ?>) value;
      Object dtype = fields.get("dtype");
      if (!(dtype instanceof String)) {
        throw wrong(tensor, "has no dtype");
      }
      StoredType type = StoredType.named((String) dtype).orElseThrow(() -> wrong(tensor,
          "has dtype " + Shown.name((String) dtype) + "; expected one of "
              + List.of(StoredType.values())));
      List<Long> shape = integers(tensor, fields, "shape");
      List<Long> offsets = integers(tensor, fields, "data_offsets");
      if (shape.size() > MAX_RANK) {
        throw wrong(tensor, "has " + shape.size() + " dimensions; at most " + MAX_RANK);
      }
      if (offsets.size() != 2 || offsets.get(0) > offsets.get(1)) {
        throw wrong(tensor, "has data_offsets " + offsets + "; expected [begin, end]");
      }
      long bytes;
      try {
        bytes = TensorSpec.bytes(type, shape);
      } catch (ArithmeticException e) {
        throw wrong(
            tensor, "has shape " + shape + ": an overflow, its size in bytes has no number");
      }
      if (bytes != offsets.get(1) - offsets.get(0)) {
        throw wrong(tensor, "is " + type + " of shape " + shape + ", so " + bytes
            + " bytes, but its data_offsets " + offsets + " hold "
            + (offsets.get(1) - offsets.get(0)));
      }
      return new Entry(new TensorSpec(tensor, type, shape, path), offsets.get(0), offsets.get(1));
    }

    private List<Long> integers(String tensor, Map<?, ?> fields, String field) {
      if (!(fields.get(field) instanceof List)) {
        throw wrong(tensor, "has no " + field);
      }
      List<Long> integers = new ArrayList<>();
      for (Object element : (List<?>) fields.get(field)) {
        if (!(element instanceof Long) || (Long) element < 0) {
          Object shown =
              element instanceof StrictJson.Decimal
                  ? ((StrictJson.Decimal) element).literal()
                  : element instanceof String ? '"' + (String) element + '"' : element;
          throw wrong(tensor, "has " + Shown.name(String.valueOf(shown)) + " in " + field
              + "; expected integers from 0");
        }
        integers.add((Long) element);
      }
      return integers;
    }

    private CheckpointException wrong(String tensor, String what) {
      return new CheckpointException(name + ": tensor " + Shown.name(tensor) + " " + what);
    }
  }

  @Override
  public Path path() {
    return file.path();
  }

  @Override
  public Map<String, TensorSpec> specs() {
    return specs;
  }

  @Override
  public long dataBytes() {
    return specs.values().stream().mapToLong(TensorSpec::bytes).sum();
  }

  @Override
  public ByteBuffer read(TensorSpec spec, long from, long length) {
    return file.read(begins.get(spec.name()) + from, length, spec.name());
  }

  @Override
  public void read(TensorSpec spec, long from, ByteBuffer into) {
    file.read(begins.get(spec.name()) + from, into);
  }

  @Override
  public ByteBuffer map(TensorSpec spec, long from, long length) {
    return file.map(begins.get(spec.name()) + from, length, spec.name());
  }

  @Override
  public OptionalLong position(TensorSpec spec) {
    return OptionalLong.of(begins.get(spec.name()));
  }

  @Override
  public long unchangedSize() {
    file.requireUnchanged();
    return file.size();
  }

  @Override
  public void close() {
    file.close();
  }
}
