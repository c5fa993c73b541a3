package dev.diptych.core.engine;

import dev.diptych.core.engine.OnnxGraph.ElementType;
import java.nio.Buffer;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.FloatBuffer;
import java.nio.LongBuffer;
import java.util.Arrays;

/**
 * Numbers on their way into or out of an {@link OnnxProgram}. Holds the caller's buffer, not a
 * copy.
 */
public final class OnnxArray {
  private final ElementType type;
  private final Buffer data;
  private final long[] shape;

  private OnnxArray(ElementType type, Buffer data, long[] shape) {
    long elements = 1;
    for (long size : shape) {
      if (size < 0) {
        throw new IllegalArgumentException("Shape " + Arrays.toString(shape) + " is negative");
      }
      elements = Math.multiplyExact(elements, size);
    }
    if (data.remaining() != elements) {
      throw new IllegalArgumentException(
          "Shape " + Arrays.toString(shape) + " takes " + elements + " elements; found "
              + data.remaining());
    }
    this.type = type;
    this.data = data;
    this.shape = shape.clone();
  }

  /** Wraps an array; a direct buffer is made of it when it goes in. */
  public static OnnxArray of(float[] data, long... shape) {
    return new OnnxArray(ElementType.FLOAT32, FloatBuffer.wrap(data), shape);
  }

  /** Wraps a buffer; a direct one in native order goes in without a copy. */
  public static OnnxArray of(FloatBuffer data, long... shape) {
    return new OnnxArray(ElementType.FLOAT32, data.slice(), shape);
  }

  /** Wraps an array; a direct buffer is made of it when it goes in. */
  public static OnnxArray of(long[] data, long... shape) {
    return new OnnxArray(ElementType.INT64, LongBuffer.wrap(data), shape);
  }

  /** Wraps a buffer; a direct one in native order goes in without a copy. */
  public static OnnxArray of(LongBuffer data, long... shape) {
    return new OnnxArray(ElementType.INT64, data.slice(), shape);
  }

  /** {@return a new direct buffer of n floats in native order} */
  public static FloatBuffer directFloats(int n) {
    return ByteBuffer.allocateDirect(Math.multiplyExact(n, Float.BYTES))
        .order(ByteOrder.nativeOrder())
        .asFloatBuffer();
  }

  /** {@return what the numbers are} */
  public ElementType type() {
    return type;
  }

  /** {@return a copy of the sizes, outermost first} */
  public long[] shape() {
    return shape.clone();
  }

  /**
   * {@return the float32 numbers, a view}
   *
   * @throws IllegalStateException if they are int64
   */
  public FloatBuffer floats() {
    require(ElementType.FLOAT32);
    return ((FloatBuffer) data).duplicate();
  }

  /**
   * {@return the int64 numbers, a view}
   *
   * @throws IllegalStateException if they are float32
   */
  public LongBuffer longs() {
    require(ElementType.INT64);
    return ((LongBuffer) data).duplicate();
  }

  /** {@return a copy of the float32 numbers} */
  public float[] toFloats() {
    FloatBuffer from = floats();
    float[] copy = new float[from.remaining()];
    from.get(copy);
    return copy;
  }

  /** {@return a copy of the int64 numbers} */
  public long[] toLongs() {
    LongBuffer from = longs();
    long[] copy = new long[from.remaining()];
    from.get(copy);
    return copy;
  }

  @Override
  public String toString() {
    return type + " " + Arrays.toString(shape);
  }

  private void require(ElementType wanted) {
    if (type != wanted) {
      throw new IllegalStateException("The array is " + this + ", not " + wanted);
    }
  }
}
