package dev.diptych.core.weights;

import dev.diptych.core.CheckpointException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Collections;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.OptionalLong;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;

/**
 * A state dict written by torch.save since PyTorch 1.6. The checksum of a storage is compared once,
 * before its first byte is handed out: a checkpoint of many GB opens at once, tensors that nobody
 * uses cost nothing, and the pages read are the pages needed next.
 */
final class TorchFile implements TensorFile {
  private static final List<String> WRAPPERS = List.of("state_dict", "model_state_dict", "model");
  private static final int MAX_WRAPPERS = 4;
  private static final String PARALLEL = "module.";

  private final FileBytes file;
  private final TorchZip zip;
  private final Map<String, TensorSpec> specs = new LinkedHashMap<>();
  private final Map<String, StridedTensor> tensors = new LinkedHashMap<>();
  private final Map<String, Boolean> verified = new ConcurrentHashMap<>();

  private TorchFile(FileBytes file, TorchZip zip) {
    this.file = file;
    this.zip = zip;
  }

  static TorchFile open(FileBytes file) {
    TorchFile opened = new TorchFile(file, TorchZip.open(file));
    opened.checkByteOrder();
    opened.list(opened.stateDict());
    return opened;
  }

  private void checkByteOrder() {
    TorchZip.Entry entry = zip.entry("byteorder");
    if (entry != null) {
      String order = new String(zip.bytes(entry, 16), StandardCharsets.UTF_8).strip();
      if (!order.equals("little")) {
        throw refused("has byte order " + Shown.name(order) + "; expected little");
      }
    }
  }

  private Map<Object, Object> stateDict() {
    TorchZip.Entry entry = zip.entry("data.pkl");
    if (entry == null) {
      throw refused("has no data.pkl; expected a file written by torch.save");
    }
    Object value =
        StatePickle.read(Shown.file(path()), zip.bytes(entry, StatePickle.MAX_BYTES));
    for (int depth = 0; depth <= MAX_WRAPPERS; depth++) {
      if (!(value instanceof StatePickle.Dict dict)) {
        throw refused("holds no dictionary of tensors; expected a state dict");
      }
      Object inner = null;
      for (String wrapper : WRAPPERS) {
        if (inner == null && dict.members.get(wrapper) instanceof StatePickle.Dict wrapped) {
          inner = wrapped;
        }
      }
      if (inner == null) {
        return dict.members;
      }
      value = inner;
    }
    throw refused("wraps its state dict in more than " + MAX_WRAPPERS + " others");
  }

  private void list(Map<Object, Object> state) {
    boolean parallel = !state.isEmpty()
        && state.keySet().stream().allMatch(key -> String.valueOf(key).startsWith(PARALLEL));
    state.forEach((key, value) -> {
      if (!(key instanceof String) || !(value instanceof StridedTensor tensor)) {
        throw refused("holds " + Shown.name(String.valueOf(key)) + ", which is no tensor;"
            + " expected a state dict. Save its tensors as safetensors");
      }
      String name = parallel ? ((String) key).substring(PARALLEL.length()) : (String) key;
      entry(name, tensor.storage());
      specs.put(
          name, new TensorSpec(name, tensor.storage().type(), tensor.shape(), file.path()));
      tensors.put(name, tensor);
    });
  }

  private TorchZip.Entry entry(String tensor, StridedTensor.Storage storage) {
    TorchZip.Entry entry = zip.entry("data/" + storage.key());
    if (entry == null) {
      throw refused("lacks the data of " + Shown.name(tensor) + ": no entry data/"
          + Shown.name(storage.key()));
    }
    long elements = entry.size() / storage.type().bytes();
    if (elements != storage.elements() || entry.size() % storage.type().bytes() != 0) {
      throw refused("holds " + entry.size() + " bytes for the data of " + Shown.name(tensor)
          + "; expected " + storage.elements() + " elements of " + storage.type());
    }
    return entry;
  }

  @Override
  public Path path() {
    return file.path();
  }

  @Override
  public Map<String, TensorSpec> specs() {
    return Collections.unmodifiableMap(specs);
  }

  @Override
  public long dataBytes() {
    Set<String> storages = new HashSet<>();
    long sum = 0;
    for (StridedTensor tensor : tensors.values()) {
      if (storages.add(tensor.storage().key())) {
        sum += TensorSpec.bytes(tensor.storage().type(), tensor.shape());
      }
    }
    return sum;
  }

  @Override
  public ByteBuffer read(TensorSpec spec, long from, long length) {
    StridedTensor tensor = tensors.get(spec.name());
    TorchZip.Entry entry = verifiedEntry(spec.name(), tensor.storage());
    if (tensor.isContiguous()) {
      return file.read(begin(entry, tensor) + from, length, spec.name());
    }
    return gather(entry, tensor, spec.name(), from, length);
  }

  @Override
  public void read(TensorSpec spec, long from, ByteBuffer into) {
    StridedTensor tensor = tensors.get(spec.name());
    TorchZip.Entry entry = verifiedEntry(spec.name(), tensor.storage());
    if (tensor.isContiguous()) {
      file.read(begin(entry, tensor) + from, into);
    } else {
      into.put(gather(entry, tensor, spec.name(), from, into.remaining()));
    }
  }

  @Override
  public ByteBuffer map(TensorSpec spec, long from, long length) {
    StridedTensor tensor = tensors.get(spec.name());
    TorchZip.Entry entry = verifiedEntry(spec.name(), tensor.storage());
    if (tensor.isContiguous()) {
      return file.map(begin(entry, tensor) + from, length, spec.name());
    }
    return gather(entry, tensor, spec.name(), from, length)
        .asReadOnlyBuffer()
        .order(ByteOrder.LITTLE_ENDIAN);
  }

  @Override
  public OptionalLong position(TensorSpec spec) {
    StridedTensor tensor = tensors.get(spec.name());
    return tensor.isContiguous()
        ? OptionalLong.of(begin(verifiedEntry(spec.name(), tensor.storage()), tensor))
        : OptionalLong.empty();
  }

  @Override
  public long unchangedSize() {
    file.requireUnchanged();
    return file.size();
  }

  private TorchZip.Entry verifiedEntry(String tensor, StridedTensor.Storage storage) {
    TorchZip.Entry entry = entry(tensor, storage);
    verified.computeIfAbsent(
        storage.key(),
        key -> {
          zip.verify(entry);
          return true;
        });
    return entry;
  }

  private static long begin(TorchZip.Entry entry, StridedTensor tensor) {
    return entry.position() + tensor.offset() * tensor.storage().type().bytes();
  }

  /** Reads the part of the storage that the asked elements span, then picks them out. */
  private ByteBuffer gather(
      TorchZip.Entry entry, StridedTensor tensor, String name, long from, long length) {
    ByteBuffer out = FileBytes.direct(length, name);
    if (length > 0) {
      int width = tensor.storage().type().bytes();
      StridedTensor.Span span = tensor.span(from / width, length / width);
      ByteBuffer stored =
          file.read(
              entry.position() + span.first() * width, span.elements() * width, name);
      tensor.copy(stored, span, from / width, out);
    }
    return out.flip().order(ByteOrder.LITTLE_ENDIAN);
  }

  @Override
  public void close() {
    file.close();
  }

  private CheckpointException refused(String what) {
    return new CheckpointException(Shown.file(path()) + " " + what);
  }
}
