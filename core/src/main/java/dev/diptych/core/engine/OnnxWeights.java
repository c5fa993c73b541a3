package dev.diptych.core.engine;

import dev.diptych.core.CheckpointException;
import dev.diptych.core.weights.Checkpoint;
import dev.diptych.core.weights.TensorSpec;
import java.nio.ByteBuffer;
import java.nio.FloatBuffer;
import java.nio.ShortBuffer;

/** Where the weights of a graph come from. */
@FunctionalInterface
public interface OnnxWeights {
  /**
   * Reads one weight.
   *
   * @return its elements as float32, row-major, in a direct buffer of native order
   */
  FloatBuffer read(OnnxGraph.Weight weight);

  /**
   * Weights from a checkpoint, bfloat16 and float16 widened to float32, which is exact.
   *
   * @param checkpoint must stay open until the last weight was read
   * @param prefix what stands before the graph's names in the checkpoint, its last dot included
   * @throws CheckpointException from {@link #read} if the checkpoint has no such tensor, or one of
   *     another shape or type
   */
  static OnnxWeights of(Checkpoint checkpoint, String prefix) {
    return weight -> read(checkpoint, prefix + weight.name(), weight);
  }

  private static FloatBuffer read(Checkpoint checkpoint, String name, OnnxGraph.Weight weight) {
    if (!checkpoint.names().contains(name)) {
      throw new CheckpointException(
          "Cannot load " + name + "\n  expected " + weight.shape()
              + "\n  found    no such tensor in " + checkpoint.location());
    }
    TensorSpec spec = checkpoint.spec(name);
    if (!spec.shape().equals(weight.shape())) {
      throw new CheckpointException(
          "Cannot load " + name + "\n  expected " + weight.shape() + "\n  found    " + spec.shape()
              + " in " + spec.file());
    }
    ByteBuffer data = checkpoint.read(name);
    return switch (spec.type()) {
      case F32 -> data.isDirect() ? data.asFloatBuffer() : direct(data.asFloatBuffer());
      case BF16 -> widenBfloat16(data.asShortBuffer());
      case F16 -> widenFloat16(data.asShortBuffer());
      default ->
          throw new CheckpointException(
              "Cannot load " + name + "\n  expected F32, BF16 or F16\n  found    " + spec.type()
                  + " in " + spec.file());
    };
  }

  private static FloatBuffer direct(FloatBuffer from) {
    return OnnxArray.directFloats(from.remaining()).put(from).flip();
  }

  private static FloatBuffer widenBfloat16(ShortBuffer from) {
    FloatBuffer to = OnnxArray.directFloats(from.remaining());
    for (int i = 0; i < to.capacity(); i++) {
      to.put(i, Float.intBitsToFloat(from.get(i) << 16));
    }
    return to;
  }

  private static FloatBuffer widenFloat16(ShortBuffer from) {
    FloatBuffer to = OnnxArray.directFloats(from.remaining());
    for (int i = 0; i < to.capacity(); i++) {
      to.put(i, widenFloat16(from.get(i)));
    }
    return to;
  }

  /** {@return the value of an IEEE half; the JDK's own conversion comes with 20} */
  private static float widenFloat16(short half) {
    int exponent = (half >> 10) & 0x1f;
    int fraction = half & 0x3ff;
    float magnitude;
    if (exponent == 0) {
      magnitude = fraction * 0x1p-24f;
    } else if (exponent == 0x1f) {
      magnitude = Float.intBitsToFloat(0x7f800000 | fraction << 13);
    } else {
      magnitude = Float.intBitsToFloat((exponent + 112) << 23 | fraction << 13);
    }
    return half < 0 ? -magnitude : magnitude;
  }
}
