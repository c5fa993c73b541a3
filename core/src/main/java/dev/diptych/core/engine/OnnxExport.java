package dev.diptych.core.engine;

import ai.onnx.proto.OnnxMl;
import com.google.protobuf.CodedOutputStream;
import com.google.protobuf.WireFormat;
import java.io.BufferedOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.FloatBuffer;
import java.nio.channels.Channels;
import java.nio.channels.FileChannel;
import java.nio.channels.WritableByteChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.util.List;

/**
 * Writes a graph with its weights as an ONNX file that needs nothing else. Weights are read and
 * written one by one, so a file may be larger than the memory.
 */
public final class OnnxExport {
  /** Protobuf ends at 2 GiB; the graph itself takes kilobytes. */
  private static final long INLINE_LIMIT = 1_500_000_000L;

  /** External data is mapped by its readers, and Windows maps at multiples of 64 KiB alone. */
  private static final long ALIGNMENT = 65_536;

  private static final int CHUNK = 1 << 16;

  private static final int MODEL_GRAPH = 7;
  private static final int GRAPH_INITIALIZER = 5;
  private static final int TENSOR_RAW_DATA = 9;

  private OnnxExport() {}

  /**
   * Writes a graph. Weights of more than 1.5 GB together go into a second file, {@code
   * <file>.data}, beside it. Nothing is left under either name when it fails.
   *
   * @param file replaced if it exists
   * @return the files that were written
   * @throws UncheckedIOException if the disk refuses
   */
  public static List<Path> write(OnnxGraph graph, OnnxWeights weights, Path file) {
    return write(graph, weights, file, INLINE_LIMIT);
  }

  /** Writes a graph with another limit for weights in one file. */
  static List<Path> write(OnnxGraph graph, OnnxWeights weights, Path file, long inlineLimit) {
    Path target = file.toAbsolutePath();
    Path data = target.resolveSibling(target.getFileName() + ".data");
    Path newFile = target.resolveSibling(target.getFileName() + ".partial");
    Path newData = target.resolveSibling(data.getFileName() + ".partial");
    boolean inline =
        graph.weights().stream().mapToLong(OnnxGraph.Weight::bytes).sum() <= inlineLimit;
    try {
      try {
        if (inline) {
          writeInline(graph, weights, newFile);
        } else {
          writeExternal(graph, weights, newFile, newData, data.getFileName().toString());
          Files.move(newData, data, StandardCopyOption.REPLACE_EXISTING);
        }
        Files.move(newFile, target, StandardCopyOption.REPLACE_EXISTING);
      } finally {
        Files.deleteIfExists(newFile);
        Files.deleteIfExists(newData);
      }
    } catch (IOException e) {
      throw new UncheckedIOException("Cannot write " + file, e);
    }
    return inline ? List.of(target) : List.of(target, data);
  }

  private static void writeInline(OnnxGraph graph, OnnxWeights weights, Path file)
      throws IOException {
    OnnxMl.ModelProto model = graph.model();
    byte[] structure = model.getGraph().toByteArray();
    long graphBytes = structure.length;
    for (OnnxGraph.Weight weight : graph.weights()) {
      long tensor = tensorBytes(weight);
      graphBytes +=
          CodedOutputStream.computeTagSize(GRAPH_INITIALIZER)
              + CodedOutputStream.computeUInt64SizeNoTag(tensor)
              + tensor;
    }
    try (OutputStream stream = new BufferedOutputStream(Files.newOutputStream(file), CHUNK)) {
      CodedOutputStream out = CodedOutputStream.newInstance(stream);
      // Fields of a message are concatenated: the weights follow the graph's other fields.
      model.toBuilder().clearGraph().build().writeTo(out);
      out.writeTag(MODEL_GRAPH, WireFormat.WIRETYPE_LENGTH_DELIMITED);
      out.writeUInt64NoTag(graphBytes);
      out.writeRawBytes(structure);
      for (OnnxGraph.Weight weight : graph.weights()) {
        out.writeTag(GRAPH_INITIALIZER, WireFormat.WIRETYPE_LENGTH_DELIMITED);
        out.writeUInt64NoTag(tensorBytes(weight));
        OnnxGraph.header(weight).build().writeTo(out);
        out.writeTag(TENSOR_RAW_DATA, WireFormat.WIRETYPE_LENGTH_DELIMITED);
        out.writeUInt64NoTag(weight.bytes());
        out.flush();
        copy(weights.read(weight), weight, Channels.newChannel(stream));
      }
      out.flush();
    }
  }

  private static long tensorBytes(OnnxGraph.Weight weight) {
    return OnnxGraph.header(weight).build().getSerializedSize()
        + CodedOutputStream.computeTagSize(TENSOR_RAW_DATA)
        + CodedOutputStream.computeUInt64SizeNoTag(weight.bytes())
        + weight.bytes();
  }

  private static void writeExternal(
      OnnxGraph graph, OnnxWeights weights, Path file, Path data, String location)
      throws IOException {
    OnnxMl.ModelProto.Builder model = graph.model().toBuilder();
    Files.deleteIfExists(data);
    try (FileChannel channel =
        FileChannel.open(data, StandardOpenOption.CREATE, StandardOpenOption.WRITE)) {
      for (OnnxGraph.Weight weight : graph.weights()) {
        long offset = (channel.position() + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
        channel.position(offset);
        copy(weights.read(weight), weight, channel);
        model
            .getGraphBuilder()
            .addInitializer(
                OnnxGraph.header(weight)
                    .setDataLocation(OnnxMl.TensorProto.DataLocation.EXTERNAL)
                    .addExternalData(OnnxGraph.entry("location", location))
                    .addExternalData(OnnxGraph.entry("offset", Long.toString(offset)))
                    .addExternalData(OnnxGraph.entry("length", Long.toString(weight.bytes()))));
      }
    }
    try (OutputStream out = new BufferedOutputStream(Files.newOutputStream(file))) {
      model.build().writeTo(out);
    }
  }

  private static void copy(FloatBuffer from, OnnxGraph.Weight weight, WritableByteChannel to)
      throws IOException {
    if ((long) from.remaining() * Float.BYTES != weight.bytes()) {
      throw new IllegalArgumentException(
          "Weight " + weight + " came with " + from.remaining() + " elements");
    }
    ByteBuffer chunk = ByteBuffer.allocate(CHUNK).order(ByteOrder.LITTLE_ENDIAN);
    while (from.hasRemaining()) {
      chunk.clear();
      while (chunk.hasRemaining() && from.hasRemaining()) {
        chunk.putFloat(from.get());
      }
      chunk.flip();
      while (chunk.hasRemaining()) {
        to.write(chunk);
      }
    }
  }
}
