package dev.diptych.core.weights;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.List;
import java.util.Optional;

/**
 * A view of a storage, as torch describes it.
 *
 * @param storage the elements that it looks at
 * @param offset its first element
 * @param shape its dimensions
 * @param strides how many elements apart neighbours in each dimension lie
 */
record StridedTensor(Storage storage, long offset, List<Long> shape, List<Long> strides) {
  private static final int MAX_RANK = 64;

  /** The bytes of the entry {@code data/key}: so many elements of a type. */
  record Storage(StoredType type, String key, long elements) {}

  /** A run of elements of the storage, first and last included. */
  record Span(long first, long last) {
    long elements() {
      return last - first + 1;
    }
  }

  /** What is wrong with the description; nothing if every element that it names is there. */
  Optional<String> fault() {
    if (shape.size() > MAX_RANK) {
      return Optional.of("has a tensor of " + shape.size() + " dimensions; at most " + MAX_RANK);
    }
    String what = "has a tensor of shape " + shape + ", strides " + strides + ", offset " + offset;
    try {
      long elements = TensorSpec.elements(shape);
      TensorSpec.bytes(storage.type(), List.of(storage.elements()));
      long last = offset;
      for (int i = 0; i < shape.size() && elements > 0; i++) {
        last = Math.addExact(last, Math.multiplyExact(shape.get(i) - 1, strides.get(i)));
      }
      if (offset < 0 || offset > storage.elements() || elements > 0 && last >= storage.elements()) {
        return Optional.of(
            what + " outside its storage of " + storage.elements() + " elements");
      }
      if (elements > storage.elements()) {
        return Optional.of(
            what + ": more elements than its storage has, " + storage.elements()
                + ". Save it with .contiguous()");
      }
      return Optional.empty();
    } catch (ArithmeticException e) {
      return Optional.of(what + ": an overflow");
    }
  }

  /** Whether the elements lie in row-major order without gaps. */
  boolean isContiguous() {
    long expected = 1;
    for (int i = shape.size() - 1; i >= 0; i--) {
      long size = shape.get(i);
      if (size == 0) {
        return true;
      }
      if (size != 1 && strides.get(i) != expected) {
        return false;
      }
      expected *= size;
    }
    return true;
  }

  /** The part of the storage in which {@code count > 0} elements from the {@code first} lie. */
  Span span(long first, long count) {
    long row = TensorSpec.elements(shape) / shape.get(0);
    long low = offset + first / row * strides.get(0);
    long high = offset + (first + count - 1) / row * strides.get(0);
    for (int i = 1; i < shape.size(); i++) {
      high += (shape.get(i) - 1) * strides.get(i);
    }
    return new Span(low, high);
  }

  /**
   * Copies elements in row-major order.
   *
   * @param from the bytes of the span
   * @param span which elements of the storage they are
   * @param first the first element to copy, counted in row-major order
   * @param to filled to its limit
   */
  void copy(ByteBuffer from, Span span, long first, ByteBuffer to) {
    from.order(ByteOrder.LITTLE_ENDIAN);
    to.order(ByteOrder.LITTLE_ENDIAN);
    int width = storage.type().bytes();
    int inner = shape.size() - 1;
    long[] index = index(first);
    int step = Math.toIntExact(shape.get(inner) == 1 ? 0 : strides.get(inner) * width);
    while (to.hasRemaining()) {
      long at = offset - span.first();
      for (int i = 0; i <= inner; i++) {
        at += index[i] * strides.get(i);
      }
      long count = Math.min(to.remaining() / width, shape.get(inner) - index[inner]);
      copyRun(from, (int) (at * width), step, to, (int) count, width);
      index[inner] += count;
      for (int i = inner; i > 0 && index[i] == shape.get(i); i--) {
        index[i] = 0;
        index[i - 1]++;
      }
    }
  }

  private long[] index(long element) {
    long[] index = new long[shape.size()];
    long rest = element;
    for (int i = shape.size() - 1; i >= 0; i--) {
      index[i] = rest % shape.get(i);
      rest /= shape.get(i);
    }
    return index;
  }

  private static void copyRun(
      ByteBuffer from, int at, int step, ByteBuffer to, int count, int width) {
    for (int i = 0, p = at; i < count; i++, p += step) {
      switch (width) {
        case 1 -> to.put(from.get(p));
        case 2 -> to.putShort(from.getShort(p));
        case 4 -> to.putInt(from.getInt(p));
        default -> to.putLong(from.getLong(p));
      }
    }
  }
}
