package dev.diptych.core.weights;

import java.io.ByteArrayOutputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;

/** Writes pickles instruction by instruction, those that torch would never write as well. */
final class PickleWriter {
  private final ByteArrayOutputStream out = new ByteArrayOutputStream();

  /** A pickle of protocol 2. */
  static PickleWriter protocol2() {
    return new PickleWriter().op(0x80, 2);
  }

  /** A state dict with one float32 tensor of 6 elements in storage 0. */
  static PickleWriter oneTensor(String name) {
    return protocol2()
        .op('}', '(')
        .string(name)
        .tensor("0", "FloatStorage", 6, 0, new long[] {2, 3}, new long[] {3, 1})
        .op('u', '.');
  }

  PickleWriter op(int... bytes) {
    for (int b : bytes) {
      out.write(b);
    }
    return this;
  }

  PickleWriter string(String text) {
    byte[] utf8 = text.getBytes(StandardCharsets.UTF_8);
    out.write('X');
    out.writeBytes(little(4).putInt(utf8.length).array());
    out.writeBytes(utf8);
    return this;
  }

  PickleWriter integer(long value) {
    out.write(0x8a);
    out.write(8);
    out.writeBytes(little(8).putLong(value).array());
    return this;
  }

  PickleWriter global(String module, String name) {
    out.write('c');
    out.writeBytes((module + "\n" + name + "\n").getBytes(StandardCharsets.UTF_8));
    return this;
  }

  PickleWriter integers(long... values) {
    out.write('(');
    for (long value : values) {
      integer(value);
    }
    out.write('t');
    return this;
  }

  PickleWriter storage(String key, String type, long elements) {
    return op('(').string("storage").global("torch", type).string(key).string("cpu")
        .integer(elements).op('t', 'Q');
  }

  PickleWriter tensor(
      String key, String type, long elements, long offset, long[] shape, long[] strides) {
    return global("torch._utils", "_rebuild_tensor_v2")
        .op('(')
        .storage(key, type, elements)
        .integer(offset)
        .integers(shape)
        .integers(strides)
        .op(0x89)
        .global("collections", "OrderedDict")
        .op(')', 'R', 't', 'R');
  }

  byte[] bytes() {
    return out.toByteArray();
  }

  private static ByteBuffer little(int bytes) {
    return ByteBuffer.allocate(bytes).order(ByteOrder.LITTLE_ENDIAN);
  }
}
