package dev.diptych.core.engine;

import static org.assertj.core.api.Assertions.assertThat;

import dev.diptych.core.DType;
import dev.diptych.core.DeviceChoice;
import dev.diptych.core.engine.WeightLoader.Slice;
import dev.diptych.core.weights.Checkpoint;
import dev.diptych.testing.Safetensors;
import java.io.IOException;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Integers with scales, against the product with the numbers of the file. */
class KernelFormTest {
  @TempDir Path folder;

  /** Up to 48 or 64 rows take the weight-only kernel, more the dense product. */
  @ParameterizedTest
  @CsvSource({
    "INT8, 1, 48", "INT8, 3, 48", "INT8, 4, 48", "INT8, 5, 48", "INT8, 48, 48", "INT8, 49, 528",
    "INT4, 1, 48", "INT4, 9, 48", "INT4, 64, 64", "INT4, 65, 48", "INT4, 65, 576"
  })
  void productsStayWithinTheErrorOfTheIntegers(DType dtype, int rows, int n) throws IOException {
    int k = 192;
    float[] weight = random(n * k, 1);
    float[] x = random(rows * k, 2);
    float[] found = multiply(dtype, weight, n, k, x, rows);

    for (int i = 0; i < rows; i++) {
      for (int j = 0; j < n; j++) {
        double exact = 0;
        double size = 0;
        double most = 0;
        for (int c = 0; c < k; c++) {
          exact += (double) bfloat16(x[i * k + c]) * weight[j * k + c];
          size += Math.abs(x[i * k + c]);
          most = Math.max(most, Math.abs(weight[j * k + c]));
        }
        // Half a step of the integers on every weight, and bfloat16's rounding of scales and result.
        double step = dtype == DType.INT8 ? most / 127 : 2 * most / 15;
        double bound = size * (0.5 * step + most * 0.006) + Math.abs(exact) * 0.01 + 1e-3;
        assertThat((double) found[i * n + j]).isBetween(exact - bound, exact + bound);
      }
    }
  }

  /**
   * The kernel and the dense product see the same integers: only bfloat16's rounding of a weight and
   * of a result lies between them. Of {@code n} rows of the weight, 48 are no whole block of the
   * packing, 576 are nine.
   */
  @ParameterizedTest
  @CsvSource({"INT8, 528, 192", "INT4, 48, 192", "INT4, 576, 192", "INT4, 128, 96"})
  void manyRowsGiveWhatOneGives(DType dtype, int n, int k) throws IOException {
    float[] weight = random(n * k, 7);
    float[] x = random(65 * k, 8);
    float[] many = multiply(dtype, weight, n, k, x, 65);

    for (int row : new int[] {0, 31, 64}) {
      float[] one =
          multiply(dtype, weight, n, k, Arrays.copyOfRange(x, row * k, row * k + k), 1);
      for (int j = 0; j < n; j++) {
        // sqrt(k) / 3 numbers of x to 1 times half a step of bfloat16 at 1, three times that
        double bound = Math.sqrt(k) / 256 + Math.abs(one[j]) / 64;
        assertThat((double) many[row * n + j])
            .as("row %d, number %d", row, j)
            .isBetween(one[j] - bound, one[j] + bound);
      }
    }
  }

  /** Random errors average out: the bound above is loose, this one is not. */
  @ParameterizedTest
  @CsvSource({"INT8, 0.015", "INT4, 0.12"})
  void productsAreNearOnTheWhole(DType dtype, double most) throws IOException {
    int n = 64;
    int k = 256;
    float[] weight = random(n * k, 3);
    float[] x = random(k, 4);
    float[] exact = multiply(DType.FLOAT32, weight, n, k, x, 1);
    for (int rows : new int[] {1, 8}) {
      float[] repeated = new float[rows * k];
      for (int i = 0; i < repeated.length; i++) {
        repeated[i] = x[i % k];
      }
      float[] found = multiply(dtype, weight, n, k, repeated, rows);
      double error = 0;
      double size = 0;
      for (int j = 0; j < n; j++) {
        error += Math.pow(found[j] - exact[j], 2);
        size += Math.pow(exact[j], 2);
      }
      assertThat(Math.sqrt(error / size)).isLessThan(most);
    }
  }

  /** The kernels would read beyond such a matrix, lose what 32 bits do not hold, or refuse it. */
  @ParameterizedTest
  @CsvSource({"INT8, 16, 20", "INT8, 16, 66320", "INT4, 16, 48", "INT4, 20, 64"})
  void whatTheKernelsDoNotTakeStaysInBfloat16(DType dtype, int n, int k) throws IOException {
    float[] weight = random(n * k, 5);
    try (Scope scope = new Scope();
        Checkpoint checkpoint = Checkpoint.openFile(file(weight, n, k))) {
      TorchDevice device = scope.add(TorchDevice.open(DeviceChoice.CPU));
      Map<String, Slice> slices = Map.of("layers.1.m.weight", Slice.of(checkpoint.spec("m.weight")));
      Value weights =
          scope.add(WeightLoader.load(device, checkpoint, slices, dtype, name -> true));
      TorchScript script =
          scope.add(
              TorchScript.load(device, KernelFormTwin.class, List.of("core/nn/linear")));
      float[] x = random(k, 6);
      assertThat(
              scope
                  .add(script.call("multiply", scope.add(device.floats(x, 1, k)), weights))
                  .toFloats())
          .hasSize(n);
      assertThat(WeightLoader.bytes(slices, dtype, name -> true)).isEqualTo(2L * n * k);
    }
  }

  @Test
  void bytesAreThoseOfIntegersAndScales() {
    Map<String, Slice> slices =
        Map.of(
            "layers.1.a.weight", new Slice("a", 0, List.of(64L, 128L)),
            "b.weight", new Slice("b", 0, List.of(10L, 10L)));

    assertThat(WeightLoader.bytes(slices, DType.INT8, name -> name.endsWith("a.weight")))
        .isEqualTo(64 * 128 + 12 * 64 + 200);
    assertThat(WeightLoader.bytes(slices, DType.INT4, name -> name.endsWith("a.weight")))
        .isEqualTo(64 * 64 + 4 * 4 * 64 + 200);
    assertThat(WeightLoader.bytes(slices, DType.FLOAT32, name -> true))
        .isEqualTo(4 * (64 * 128 + 100));
  }

  /** Rows times the identity are the numbers as the kernel sees them. */
  @Test
  void aFewNumbersFarOutDoNotCoarsenAllOthersInFourBits() throws IOException {
    int n = 32;
    int k = 32;
    float[] weight = random(n * k, 9);
    float[] identity = new float[k * k];
    for (int i = 0; i < n; i++) {
      weight[i * k] = -2.2f;
      weight[i * k + 1] = 2.2f;
    }
    for (int i = 0; i < k; i++) {
      identity[i * k + i] = 1;
    }
    float[] seen = multiply(DType.INT4, weight, n, k, identity, k);

    double error = 0;
    double plain = 0;
    float step = 4.4f / 15;
    for (int i = 0; i < n; i++) {
      for (int j = 0; j < k; j++) {
        float w = weight[i * k + j];
        error += Math.pow(seen[j * n + i] - w, 2);
        plain += Math.pow(Math.round((w + 2.2f) / step) * step - 2.2f - w, 2);
      }
    }
    assertThat(error).isBetween(0.3 * plain, 0.97 * plain);
  }

  /** By the name alone, whatever stands before it; nothing changes in 8 bits. */
  @ParameterizedTest
  @CsvSource({
    "model.layers.0.mlp.up_proj.weight, true",
    "model.language_model.layers.0.self_attn.q_proj.weight, true",
    "layers.0.attention.wq.weight, true",
    "model.layers.1.mlp.up_proj.weight, false",
    "model.layers.10.mlp.up_proj.weight, false",
    "model.sublayers.1.up_proj.weight, true",
    "lm_head.weight, true"
  })
  void theFirstLayerAndTheHeadsKeepEightBitsWhereOthersHaveFour(String name, boolean kept) {
    Map<String, Slice> slices = Map.of(name, new Slice("a", 0, List.of(64L, 128L)));
    long eight = 64 * 128 + 12 * 64;
    long four = 64 * 64 + 4 * 4 * 64;

    assertThat(WeightLoader.bytes(slices, DType.INT4, n -> true)).isEqualTo(kept ? eight : four);
    assertThat(WeightLoader.bytes(slices, DType.INT8, n -> true)).isEqualTo(eight);
    assertThat(WeightLoader.bytes(slices, DType.INT4, n -> false)).isEqualTo(2 * 64 * 128);
  }

  /**
   * Integers of which one a row is 127 have the scale 1, and their products with whole numbers of x are
   * exact. The largest of x makes the steps of its 16 bits coarse, which is all that may be lost.
   */
  @ParameterizedTest
  @CsvSource({"1, 16, 64", "5, 70, 208", "192, 16, 64", "193, 33, 80", "300, 70, 208", "600, 33, 80"})
  void packedBytesAreMultipliedWithoutALoss(int rows, int n, int k) throws IOException {
    float[] weight = random(n * k, 10);
    for (int i = 0; i < weight.length; i++) {
      weight[i] = i % k == 0 ? 127 : Math.round(126 * weight[i]);
    }
    float[] x = random(rows * k, 11);
    for (int i = 0; i < x.length; i++) {
      x[i] = bfloat16(i % k == 1 ? 40 : x[i]);
    }
    float[] found = multiply(DType.INT8, weight, n, k, x, rows);

    for (int i = 0; i < rows; i++) {
      for (int j = 0; j < n; j++) {
        double exact = 0;
        double size = 0;
        for (int c = 0; c < k; c++) {
          exact += (double) x[i * k + c] * weight[j * k + c];
          size += Math.pow(weight[j * k + c], 2);
        }
        // half a step of 16 bits on every number, at random; bfloat16's rounding of the result
        double bound = 3 * Math.sqrt(size) * 40 / 65_278 + Math.abs(exact) / 256;
        assertThat((double) found[i * n + j])
            .as("row %d, number %d", i, j)
            .isBetween(exact - bound, exact + bound);
      }
    }
  }

  /** Where a processor cannot, the same integers give the same but for bfloat16's roundings. */
  @ParameterizedTest
  @CsvSource({"1", "4", "5", "48", "49", "65"})
  void plainBytesGiveWhatPackedOnesDo(int rows) throws IOException {
    int n = 528;
    int k = 192;
    float[] weight = random(n * k, 12);
    float[] x = random(rows * k, 13);
    float[] packed = multiply(DType.INT8, weight, n, k, x, rows);
    float[] plain = multiply(DType.INT8, weight, n, k, x, rows, false);

    for (int i = 0; i < plain.length; i++) {
      // another step of the integers where the scale is rounded, and the results' roundings
      double bound = Math.sqrt(k) / 128 + Math.abs(packed[i]) / 64;
      assertThat((double) plain[i]).isBetween(packed[i] - bound, packed[i] + bound);
    }
  }

  private float[] multiply(DType dtype, float[] weight, int n, int k, float[] x, int rows)
      throws IOException {
    return multiply(dtype, weight, n, k, x, rows, true);
  }

  private float[] multiply(
      DType dtype, float[] weight, int n, int k, float[] x, int rows, boolean mayPack)
      throws IOException {
    try (Scope scope = new Scope();
        Checkpoint checkpoint = Checkpoint.openFile(file(weight, n, k))) {
      TorchDevice device = scope.add(TorchDevice.open(DeviceChoice.CPU));
      boolean exact = dtype == DType.FLOAT32;
      Value weights =
          scope.add(
              WeightLoader.load(
                  device,
                  checkpoint,
                  Map.of("layers.1.m.weight", Slice.of(checkpoint.spec("m.weight"))),
                  exact ? DType.BFLOAT16 : dtype,
                  name -> true,
                  mayPack));
      TorchScript script =
          scope.add(TorchScript.load(device, KernelFormTwin.class, List.of("core/nn/linear")));
      return scope
          .add(script.call("multiply", scope.add(device.floats(x, rows, k)), weights))
          .toFloats();
    }
  }

  private Path file(float[] weight, int n, int k) {
    String entry =
        Safetensors.entry("m.weight", "F32", "[" + n + "," + k + "]", "[0," + 4 * n * k + "]");
    return Safetensors.write(
        folder.resolve("m.safetensors"), "{" + entry + "}", Safetensors.floats(weight));
  }

  private static float bfloat16(float x) {
    return Float.intBitsToFloat((Float.floatToRawIntBits(x) + 0x8000) & 0xffff0000);
  }

  /** Between -1 and 1. */
  static float[] random(int count, long seed) {
    SplittableRandom random = new SplittableRandom(seed);
    float[] values = new float[count];
    for (int i = 0; i < count; i++) {
      values[i] = (float) (2 * random.nextDouble() - 1);
    }
    return values;
  }
}
