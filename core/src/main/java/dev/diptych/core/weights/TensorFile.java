package dev.diptych.core.weights;

import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.util.Map;
import java.util.OptionalLong;

/** One file of tensors. Ranges are in bytes of the tensor's data in row-major order. */
interface TensorFile extends AutoCloseable {

  static TensorFile open(Path path) {
    FileBytes file = FileBytes.open(path);
    try {
      byte[] start = file.bytes(0, (int) Math.min(FileKind.PROBE_BYTES, file.size()));
      switch (FileKind.of(path, start)) {
        case TORCH_ZIP:
          return TorchFile.open(file);
        default:
          return SafetensorsFile.open(file);
      }
    } catch (RuntimeException | Error e) {
      file.close();
      throw e;
    }
  }

  Path path();

  /** In the order of the data. */
  Map<String, TensorSpec> specs();

  /** Bytes of data, shared storage counted once. */
  long dataBytes();

  ByteBuffer read(TensorSpec spec, long from, long length);

  /** Fills the buffer. */
  void read(TensorSpec spec, long from, ByteBuffer into);

  ByteBuffer map(TensorSpec spec, long from, long length);

  /** The first byte of the tensor in the file, if its elements follow each other there. */
  OptionalLong position(TensorSpec spec);

  /** The bytes of the whole file, which its path still names. */
  long unchangedSize();

  @Override
  void close();
}
