package dev.diptych.core.engine;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import dev.diptych.core.DType;
import dev.diptych.core.DeviceChoice;
import dev.diptych.core.LoadOptions;
import dev.diptych.core.WeightMemory;
import dev.diptych.core.engine.WeightLoader.Slice.Piece;
import dev.diptych.core.engine.WeightLoader.Slice;
import dev.diptych.core.weights.Checkpoint;
import dev.diptych.testing.Safetensors;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Predicate;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Quantised projections of the same rows as one tensor. */
class JoinedProjectionsTest {
  private static final int D = 64;
  private static final String A = "model.layers.1.self_attn.";
  private static final String M = "model.layers.1.mlp.";

  @TempDir Path folder;

  @Test
  void whatReadsTheSameRowsIsOneTensorWithItsBiases() {
    Map<String, Slice> slices = attention("");
    slices.put(A + "o_proj.weight", new Slice("o", 0, List.of(64L, 64L)));
    slices.put(M + "gate_proj.weight", new Slice("g", 0, List.of(96L, 64L)));
    slices.put(M + "up_proj.weight", new Slice("u", 5, List.of(96L, 64L)));

    Map<String, Slice> joined = JoinedProjections.of(slices, name -> true);

    assertThat(joined)
        .containsOnlyKeys(
            A + "qkv_proj.weight",
            A + "qkv_proj.bias",
            A + "o_proj.weight",
            M + "gate_up_proj.weight");
    assertThat(joined.get(A + "qkv_proj.weight"))
        .isEqualTo(
            new Slice(
                List.of(new Piece("q", 0, 64), new Piece("k", 0, 32), new Piece("v", 0, 32)),
                0,
                List.of(128L, 64L)));
    assertThat(joined.get(A + "qkv_proj.bias").shape()).containsExactly(128L);
    assertThat(joined.get(M + "gate_up_proj.weight").pieces())
        .containsExactly(new Piece("g", 0, 96), new Piece("u", 5, 96));
  }

  @Test
  void theWeightsOfPicturesAreJoinedAmongThemselves() {
    Map<String, Slice> slices = attention("");
    slices.putAll(attention("_image"));

    assertThat(JoinedProjections.of(slices, name -> true))
        .containsOnlyKeys(
            A + "qkv_proj.weight",
            A + "qkv_proj.bias",
            A + "qkv_proj_image.weight",
            A + "qkv_proj_image.bias");
  }

  @Test
  void whatDoesNotFitTogetherStaysApart() {
    Map<String, Slice> without = attention("");
    without.remove(A + "k_proj.bias");
    Map<String, Slice> alone = attention("");
    alone.remove(A + "v_proj.weight");
    Map<String, Slice> wide = attention("");
    wide.put(A + "k_proj.weight", new Slice("k", 0, List.of(32L, 80L)));

    for (Map<String, Slice> slices : List.of(without, alone, wide)) {
      assertThat(JoinedProjections.of(slices, name -> true)).isEqualTo(slices);
    }
    Predicate<String> notAll = name -> !name.contains("v_proj");
    assertThat(JoinedProjections.of(attention(""), notAll)).isEqualTo(attention(""));
  }

  /** Every row has its own scales, so the answers are the same to the last bit. */
  @ParameterizedTest
  @CsvSource({"INT8, 1", "INT8, 5", "INT4, 1", "INT4, 5"})
  void theJoinedAnswerAsTheyDoApart(DType dtype, int rows) throws IOException {
    Map<String, Slice> slices = attention("");
    slices.put(M + "gate_proj.weight", new Slice("g", 0, List.of(96L, 64L)));
    slices.put(M + "up_proj.weight", new Slice("u", 0, List.of(96L, 64L)));
    slices.put(M + "down_proj.weight", new Slice("d", 0, List.of(64L, 96L)));
    Predicate<String> projections = name -> name.endsWith("_proj.weight");
    float[] x = KernelFormTest.random(rows * D, 1);
    try (Scope scope = new Scope();
        Checkpoint checkpoint = Checkpoint.openFile(file())) {
      TorchDevice device = scope.add(TorchDevice.open(DeviceChoice.CPU));
      TorchScript script =
          scope.add(
              TorchScript.load(device, JoinedProjectionsTwin.class, List.of("core/nn/linear")));
      Value joined =
          scope.add(WeightLoader.load(device, checkpoint, slices, dtype, projections));
      // by other names nothing is joined
      Map<String, Slice> renamed = new LinkedHashMap<>();
      slices.forEach((name, slice) -> renamed.put(name.replace("_proj", "_apart"), slice));
      Value apart =
          scope.add(
              WeightLoader.load(
                  device, checkpoint, renamed, dtype, name -> name.endsWith("_apart.weight")));
      Value in = scope.add(device.floats(x, rows, D));
      float[] expected = scope.add(script.call("apart", in, apart)).toFloats();

      assertThat(scope.add(script.call("joined", in, joined)).toFloats()).isEqualTo(expected);
      assertThat(expected).hasSize(rows * (128 + 64)).doesNotContain(0f);
    }
  }

  /** oneDNN's order of a weight changes at most the rounding of a product. */
  @ParameterizedTest
  @ValueSource(ints = {1, 5, 70, 300})
  void packedBfloat16AnswersAsPlainDoes(int rows) throws IOException {
    Map<String, Slice> slices = attention("");
    slices.put(M + "gate_proj.weight", new Slice("g", 0, List.of(96L, 64L)));
    slices.put(M + "up_proj.weight", new Slice("u", 0, List.of(96L, 64L)));
    slices.put(M + "down_proj.weight", new Slice("d", 0, List.of(64L, 96L)));
    float[] x = KernelFormTest.random(rows * D, 3);
    List<float[]> answers = new ArrayList<>();
    for (WeightMemory memory : List.of(WeightMemory.MAPPED, WeightMemory.PACKED)) {
      try (Scope scope = new Scope();
          Checkpoint checkpoint = Checkpoint.openFile(file())) {
        TorchDevice device =
            scope.add(
                TorchDevice.open(
                    LoadOptions.DEFAULT
                        .withDevice(DeviceChoice.CPU)
                        .withWeightMemory(memory)));
        TorchScript script =
            scope.add(
                TorchScript.load(device, JoinedProjectionsTwin.class, List.of("core/nn/linear")));
        Value weights =
            scope.add(
                WeightLoader.load(
                    device,
                    checkpoint,
                    slices,
                    DType.BFLOAT16,
                    name -> name.endsWith("_proj.weight")));
        Value in = scope.add(device.floats(x, rows, D));
        answers.add(scope.add(script.call("joined", in, weights)).toFloats());
      }
    }
    // A step of bfloat16 at 8, which products of 64 numbers up to 1 hardly reach, down_proj's less.
    assertThat(answers.get(1)).containsExactly(answers.get(0), within(1 / 16f));
    assertThat(answers.get(0)).hasSize(rows * (128 + 64));
  }

  private static Map<String, Slice> attention(String end) {
    Map<String, Slice> slices = new LinkedHashMap<>();
    for (String part : List.of("q", "k", "v")) {
      long rows = part.equals("q") ? 64 : 32;
      slices.put(A + part + "_proj" + end + ".weight", new Slice(part, 0, List.of(rows, 64L)));
      slices.put(A + part + "_proj" + end + ".bias", new Slice(part + "b", 0, List.of(rows)));
    }
    return slices;
  }

  private Path file() {
    List<String> entries = new ArrayList<>();
    int end = 0;
    for (String entry : List.of("q 64 64", "k 32 64", "v 32 64", "g 96 64", "u 96 64", "d 64 96",
        "qb 64 1", "kb 32 1", "vb 32 1")) {
      String[] parts = entry.split(" ");
      int rows = Integer.parseInt(parts[1]);
      int columns = Integer.parseInt(parts[2]);
      String shape = columns == 1 ? "[" + rows + "]" : "[" + rows + "," + columns + "]";
      int begin = end;
      end += 4 * rows * columns;
      entries.add(Safetensors.entry(parts[0], "F32", shape, "[" + begin + "," + end + "]"));
    }
    return Safetensors.write(
        folder.resolve("m.safetensors"),
        "{" + String.join(",", entries) + "}",
        Safetensors.floats(KernelFormTest.random(end / 4, 2)));
  }
}
