package dev.diptych.core.engine;

import com.google.protobuf.CodedInputStream;
import com.google.protobuf.InvalidProtocolBufferException;
import com.google.protobuf.WireFormat;
import dev.diptych.core.CheckpointException;
import dev.diptych.core.UnsupportedModelException;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.Map;
import java.util.Set;

/**
 * Looks through an ONNX file of the user's before ONNX Runtime gets it. Tensor data is skipped
 * where it lies, so the look costs milliseconds and no memory beyond the file's bytes, which are
 * read once and handed on: what was looked at is what is run.
 *
 * <p>Field numbers are those of onnx/onnx.proto (onnx/onnx@v1.17.0).
 */
final class OnnxFile {
  /** Makers whose operators ONNX Runtime's published builds carry. */
  private static final Set<String> KNOWN_DOMAINS =
      Set.of("", "ai.onnx", "ai.onnx.ml", "com.microsoft");

  /** Graphs inside graphs: loops and conditions rarely go beyond three. */
  private static final int MAX_DEPTH = 16;

  private static final String LFS_POINTER = "version https://git-lfs";
  private static final String MEMORY_MARKER = "_ORT_MEM_ADDR_";

  private final Path file;
  private final CodedInputStream in;
  private final Set<String> nodeDomains = new LinkedHashSet<>();
  private final Set<String> functionDomains = new HashSet<>();
  private final Set<Map<String, String>> externals = new LinkedHashSet<>();
  private boolean hasVersion;
  private boolean hasGraph;
  private boolean hasOutput;

  private OnnxFile(Path file, ByteBuffer bytes) {
    this.file = file;
    this.in = CodedInputStream.newInstance(bytes);
  }

  /** Takes one field of the message at hand, or returns false to have it skipped. */
  private interface Field {
    boolean read(int number, int wireType) throws IOException;
  }

  /**
   * Reads a file and refuses it if it is not safe and sound.
   *
   * @return the whole file, direct
   */
  static ByteBuffer read(Path file) {
    ByteBuffer bytes = bytes(file);
    OnnxFile look = new OnnxFile(file, bytes.duplicate());
    try {
      look.model();
    } catch (IOException e) {
      throw look.notOnnx(beginning(bytes), e);
    }
    if (!look.hasVersion || !look.hasGraph || !look.hasOutput) {
      throw look.notOnnx(beginning(bytes), null);
    }
    for (String domain : look.nodeDomains) {
      if (!KNOWN_DOMAINS.contains(domain) && !look.functionDomains.contains(domain)) {
        throw new UnsupportedModelException(
            "Cannot open " + file + ": it has operators of the domain " + domain
                + "\n  expected ai.onnx, ai.onnx.ml or com.microsoft"
                + "\n  Was it exported with custom operators?");
      }
    }
    look.externals.forEach(look::checkExternal);
    return bytes;
  }

  private static ByteBuffer bytes(Path file) {
    try (FileChannel channel = FileChannel.open(file)) {
      long size = channel.size();
      if (size > Integer.MAX_VALUE) {
        throw new CheckpointException(
            "Cannot open " + file + "\n  expected at most " + Integer.MAX_VALUE
                + " bytes, protobuf's limit\n  found    " + size
                + "\n  Export the model with external data.");
      }
      ByteBuffer bytes = ByteBuffer.allocateDirect((int) size).order(ByteOrder.nativeOrder());
      while (bytes.hasRemaining()) {
        if (channel.read(bytes) < 0) {
          throw new CheckpointException(
              "Cannot open " + file + ": it was cut from " + size + " to " + bytes.position()
                  + " bytes while it was read");
        }
      }
      return bytes.flip();
    } catch (IOException e) {
      throw new CheckpointException("Cannot read " + file + ": " + e, e);
    }
  }

  private void model() throws IOException {
    message(
        (number, wire) -> {
          switch (number) {
            case 1 -> hasVersion = number(wire) > 0;
            case 7 -> {
              hasGraph = true;
              nested(wire, () -> graph(0));
            }
            case 25 -> nested(wire, this::function);
            default -> {
              return false;
            }
          }
          return true;
        });
  }

  private void graph(int depth) throws IOException {
    if (depth > MAX_DEPTH) {
      throw new CheckpointException(
          "Cannot open " + file + ": graphs are nested more than " + MAX_DEPTH + " deep");
    }
    message(
        (number, wire) -> {
          switch (number) {
            case 1 -> nested(wire, () -> node(depth));
            case 5 -> nested(wire, this::tensor);
            case 12 -> {
              hasOutput = true;
              return false;
            }
            case 15 -> nested(wire, this::sparseTensor);
            default -> {
              return false;
            }
          }
          return true;
        });
  }

  private void node(int depth) throws IOException {
    String[] domain = {""};
    String[] operator = {""};
    message(
        (number, wire) -> {
          switch (number) {
            case 4 -> operator[0] = text(wire);
            case 5 -> nested(wire, () -> attribute(depth));
            case 7 -> domain[0] = text(wire);
            default -> {
              return false;
            }
          }
          return true;
        });
    nodeDomains.add(domain[0]);
    if (domain[0].equals("com.microsoft") && operator[0].equals("EPContext")) {
      throw new UnsupportedModelException(
          "Cannot open " + file + ": it was compiled for one accelerator (operator EPContext);"
              + " use the model that it was compiled from");
    }
  }

  private void attribute(int depth) throws IOException {
    message(
        (number, wire) -> {
          switch (number) {
            case 5, 10 -> nested(wire, this::tensor);
            case 6, 11 -> nested(wire, () -> graph(depth + 1));
            case 22, 23 -> nested(wire, this::sparseTensor);
            default -> {
              return false;
            }
          }
          return true;
        });
  }

  private void function() throws IOException {
    message(
        (number, wire) -> {
          switch (number) {
            case 7 -> nested(wire, () -> node(0));
            case 10 -> functionDomains.add(text(wire));
            case 11 -> nested(wire, () -> attribute(0));
            default -> {
              return false;
            }
          }
          return true;
        });
  }

  private void sparseTensor() throws IOException {
    message(
        (number, wire) -> {
          if (number != 1 && number != 2) {
            return false;
          }
          nested(wire, this::tensor);
          return true;
        });
  }

  private void tensor() throws IOException {
    boolean[] external = {false};
    Map<String, String> entries = new LinkedHashMap<>();
    message(
        (number, wire) -> {
          switch (number) {
            case 13 -> nested(wire, () -> entry(entries));
            case 14 -> external[0] |= number(wire) != 0;
            default -> {
              return false;
            }
          }
          return true;
        });
    if (external[0] || !entries.isEmpty()) {
      externals.add(entries);
    }
  }

  private void entry(Map<String, String> entries) throws IOException {
    String[] pair = {"", ""};
    message(
        (number, wire) -> {
          if (number != 1 && number != 2) {
            return false;
          }
          pair[number - 1] = text(wire);
          return true;
        });
    if (entries.put(pair[0], pair[1]) != null) {
      throw new CheckpointException(
          "Cannot open " + file + ": external data gives " + shown(pair[0]) + " twice");
    }
  }

  private void message(Field field) throws IOException {
    for (int tag = in.readTag(); tag != 0; tag = in.readTag()) {
      int wire = WireFormat.getTagWireType(tag);
      if (!field.read(WireFormat.getTagFieldNumber(tag), wire) && !in.skipField(tag)) {
        throw new InvalidProtocolBufferException("a group ends that never began");
      }
    }
  }

  /** Reads a message inside the message. */
  private interface Nested {
    void read() throws IOException;
  }

  private void nested(int wireType, Nested message) throws IOException {
    require(wireType, WireFormat.WIRETYPE_LENGTH_DELIMITED);
    int limit = in.pushLimit(in.readRawVarint32());
    message.read();
    in.popLimit(limit);
  }

  private String text(int wireType) throws IOException {
    require(wireType, WireFormat.WIRETYPE_LENGTH_DELIMITED);
    return in.readStringRequireUtf8();
  }

  private long number(int wireType) throws IOException {
    require(wireType, WireFormat.WIRETYPE_VARINT);
    return in.readInt64();
  }

  /** A field of another wire type would be skipped by ONNX Runtime and misread here. */
  private static void require(int wireType, int expected) throws IOException {
    if (wireType != expected) {
      throw new InvalidProtocolBufferException(
          "a field has wire type " + wireType + " in place of " + expected);
    }
  }

  private void checkExternal(Map<String, String> entries) {
    String location = entries.getOrDefault("location", "");
    if (location.contains(MEMORY_MARKER)) {
      throw external(location, "an address in memory");
    }
    Path folder = file.toAbsolutePath().normalize().getParent();
    Path data;
    try {
      Path relative = Path.of(location);
      // A drive letter is absolute on Windows alone, but has no place anywhere.
      if (relative.isAbsolute() || location.matches("(?s)([A-Za-z]:|[/\\\\]).*")) {
        throw external(location, "an absolute path");
      }
      if (location.isEmpty() || location.matches("(?s)(^|.*[/\\\\])\\.\\.([/\\\\].*|$)")) {
        throw external(location, location.isEmpty() ? "no path" : "a path with ..");
      }
      data = folder.resolve(relative);
      if (!data.toRealPath().startsWith(folder.toRealPath())) {
        throw external(location, "a link out of the folder, to " + data.toRealPath());
      }
      if (!Files.isRegularFile(data)) {
        throw external(location, "no regular file");
      }
      if (Files.getFileStore(data).supportsFileAttributeView("unix")
          && (Integer) Files.getAttribute(data, "unix:nlink") > 1) {
        throw external(location, "a file with a second name (hard link)");
      }
    } catch (InvalidPathException | IOException e) {
      throw new CheckpointException(
          "Cannot open " + file + ": its external data " + shown(location) + " cannot be read: "
              + e,
          e);
    }
    checkRange(data, entries);
  }

  private void checkRange(Path data, Map<String, String> entries) {
    long size = data.toFile().length();
    try {
      long offset = Long.parseLong(entries.getOrDefault("offset", "0"));
      long length = Long.parseLong(entries.getOrDefault("length", "0"));
      if (offset < 0 || length < 0 || length > size - offset) {
        throw new CheckpointException(
            "Cannot open " + file + "\n  expected bytes " + offset + " to " + offset + " + "
                + length + " in " + data + "\n  found    " + size
                + " bytes\n  Was the download complete?");
      }
    } catch (NumberFormatException e) {
      throw new CheckpointException(
          "Cannot open " + file + ": offset and length of external data are no numbers: "
              + shown(entries.toString()),
          e);
    }
  }

  private CheckpointException external(String location, String found) {
    return new CheckpointException(
        "Cannot open " + file + ": external data must lie in the file's own folder"
            + "\n  expected a plain file name\n  found    " + shown(location) + ", " + found
            + "\n  If the file comes from a cache of links, copy the files themselves into a"
            + " folder.");
  }

  private CheckpointException notOnnx(String beginning, IOException cause) {
    String why;
    if (beginning.startsWith(LFS_POINTER)) {
      why = "it is a Git LFS pointer; run git lfs pull";
    } else if (beginning.stripLeading().startsWith("<")) {
      why = "it is a web page; was the download refused?";
    } else {
      why = "it is not an ONNX model" + (cause == null ? "" : " (" + cause.getMessage() + ")");
    }
    return new CheckpointException("Cannot open " + file + ": " + why, cause);
  }

  private static String beginning(ByteBuffer bytes) {
    byte[] first = new byte[Math.min(64, bytes.capacity())];
    bytes.duplicate().rewind().get(first);
    return new String(first, StandardCharsets.UTF_8);
  }

  private static String shown(String text) {
    String plain = text.replaceAll("\\p{Cntrl}", "?");
    return plain.length() <= 120 ? plain : plain.substring(0, 120) + "...";
  }
}
