package dev.diptych.core.engine;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.diptych.core.CheckpointException;
import dev.diptych.core.weights.Checkpoint;
import dev.diptych.testing.Safetensors;
import java.io.IOException;
import java.nio.FloatBuffer;
import java.nio.file.Path;
import java.util.Arrays;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Weights of a checkpoint on their way into a graph. */
class OnnxWeightsTest {
  @TempDir Path folder;

  @Test
  void widensBfloat16WithoutRounding() throws IOException {
    short[] bits = {0x3f80, (short) 0xc049, 0, (short) 0x8000, 0x0001, 0x7f80, 0x7fc0};

    float[] found = read("BF16", bits);

    float[] expected = new float[bits.length];
    for (int i = 0; i < bits.length; i++) {
      expected[i] = Float.intBitsToFloat(bits[i] << 16);
    }
    assertThat(found).isEqualTo(expected);
    assertThat(found[0]).isEqualTo(1);
    assertThat(found[1]).isEqualTo(-3.140625f);
  }

  @Test
  void widensFloat16WithoutRounding() throws IOException {
    // 1, -2, largest, smallest normal, largest and smallest below it, zeros, infinities, NaN
    short[] bits = {
      0x3c00, (short) 0xc000, 0x7bff, 0x0400, 0x03ff, 0x0001, 0, (short) 0x8000, 0x7c00,
      (short) 0xfc00, 0x7e00
    };

    float[] found = read("F16", bits);

    assertThat(found)
        .containsExactly(
            1f,
            -2f,
            65504f,
            0x1p-14f,
            0x3ffp-24f,
            0x1p-24f,
            0f,
            -0f,
            Float.POSITIVE_INFINITY,
            Float.NEGATIVE_INFINITY,
            Float.NaN);
  }

  @Test
  void refusesAnotherShapeAndAnotherTypeAndNothing() throws IOException {
    write("I32", new short[] {1, 2, 3, 4}, 2);
    try (Checkpoint checkpoint = Checkpoint.openFile(folder.resolve("weights.safetensors"))) {
      OnnxWeights weights = OnnxWeights.of(checkpoint, "vq.");

      assertThatThrownBy(() -> weights.read(weight("w", 3)))
          .isInstanceOf(CheckpointException.class)
          .hasMessageContaining("vq.w")
          .hasMessageContaining("[3]")
          .hasMessageContaining("[2]");
      assertThatThrownBy(() -> weights.read(weight("w", 2)))
          .isInstanceOf(CheckpointException.class)
          .hasMessageContaining("expected F32, BF16 or F16")
          .hasMessageContaining("I32");
      assertThatThrownBy(() -> weights.read(weight("absent", 2)))
          .isInstanceOf(CheckpointException.class)
          .hasMessageContaining("vq.absent")
          .hasMessageContaining("no such tensor");
    }
  }

  private float[] read(String type, short[] bits) throws IOException {
    write(type, bits, bits.length);
    try (Checkpoint checkpoint = Checkpoint.openFile(folder.resolve("weights.safetensors"))) {
      FloatBuffer data = OnnxWeights.of(checkpoint, "vq.").read(weight("w", bits.length));
      assertThat(data.isDirect()).isTrue();
      float[] found = new float[data.remaining()];
      data.get(found);
      return found;
    }
  }

  private void write(String type, short[] bits, int elements) {
    String entry =
        Safetensors.entry("vq.w", type, "[" + elements + "]", "[0," + 2 * bits.length + "]");
    Safetensors.write(
        folder.resolve("weights.safetensors"), "{" + entry + "}", Safetensors.shorts(bits));
  }

  private static OnnxGraph.Weight weight(String name, long... shape) {
    return new OnnxGraph.Weight(name, Arrays.stream(shape).boxed().toList());
  }
}
