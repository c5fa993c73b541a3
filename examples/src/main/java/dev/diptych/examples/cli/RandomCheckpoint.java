package dev.diptych.examples.cli;

import com.google.gson.JsonArray;
import com.google.gson.JsonObject;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Arrays;
import java.util.Map;

/**
 * Writes random bfloat16 weights as one safetensors file, tensor by tensor: norms are ones, biases
 * zeros, everything else uniform with the deviation that transformers initialises with (0.02), so
 * that logits stay finite.
 */
final class RandomCheckpoint {
  private static final int BUFFER = 8 << 20;
  // sqrt(3) times the deviation
  private static final float RANGE = 0.0346f;

  private RandomCheckpoint() {}

  /** Writes the file. */
  static void write(Path file, Map<String, long[]> tensors, long seed, Progress progress)
      throws IOException {
    byte[] header = header(tensors);
    try (FileChannel channel =
        FileChannel.open(
            file,
            StandardOpenOption.CREATE,
            StandardOpenOption.TRUNCATE_EXISTING,
            StandardOpenOption.WRITE)) {
      ByteBuffer buffer = ByteBuffer.allocate(BUFFER).order(ByteOrder.LITTLE_ENDIAN);
      buffer.putLong(header.length).put(header);
      long total = tensors.values().stream().mapToLong(RandomCheckpoint::elements).sum();
      long done = 0;
      long state = seed;
      for (Map.Entry<String, long[]> tensor : tensors.entrySet()) {
        long elements = elements(tensor.getValue());
        Kind kind = kind(tensor.getKey());
        for (long i = 0; i < elements; i++) {
          if (buffer.remaining() < 2) {
            drain(channel, buffer);
            progress.to((done + i) >> 20, total >> 20);
          }
          state = state * 6364136223846793005L + 1442695040888963407L;
          buffer.putShort(
              switch (kind) {
                case ONES -> bfloat16(1);
                case ZEROS -> (short) 0;
                case RANDOM -> bfloat16(RANGE * ((state >> 32) * 0x1p-31f));
              });
        }
        done += elements;
      }
      drain(channel, buffer);
    }
  }

  private enum Kind {
    ONES,
    ZEROS,
    RANDOM
  }

  private static Kind kind(String name) {
    if (name.endsWith(".bias")) {
      return Kind.ZEROS;
    }
    String[] path = name.split("\\.");
    return path[path.length - 2].contains("norm") ? Kind.ONES : Kind.RANDOM;
  }

  private static short bfloat16(float value) {
    return (short) (Float.floatToRawIntBits(value) >>> 16);
  }

  private static void drain(FileChannel channel, ByteBuffer buffer) throws IOException {
    buffer.flip();
    while (buffer.hasRemaining()) {
      channel.write(buffer);
    }
    buffer.clear();
  }

  private static byte[] header(Map<String, long[]> tensors) {
    JsonObject header = new JsonObject();
    JsonObject metadata = new JsonObject();
    metadata.addProperty("format", "pt");
    header.add("__metadata__", metadata);
    long at = 0;
    for (Map.Entry<String, long[]> tensor : tensors.entrySet()) {
      JsonObject entry = new JsonObject();
      entry.addProperty("dtype", "BF16");
      JsonArray shape = new JsonArray();
      Arrays.stream(tensor.getValue()).forEach(shape::add);
      entry.add("shape", shape);
      JsonArray offsets = new JsonArray();
      offsets.add(at);
      at += 2 * elements(tensor.getValue());
      offsets.add(at);
      entry.add("data_offsets", offsets);
      header.add(tensor.getKey(), entry);
    }
    byte[] json = header.toString().getBytes(StandardCharsets.UTF_8);
    // The data begins at a multiple of 8, as the format's own writer has it.
    byte[] padded = Arrays.copyOf(json, (json.length + 7) / 8 * 8);
    Arrays.fill(padded, json.length, padded.length, (byte) ' ');
    return padded;
  }

  private static long elements(long[] shape) {
    return Arrays.stream(shape).reduce(1, Math::multiplyExact);
  }
}
