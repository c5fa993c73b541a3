package dev.diptych.core.weights;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.diptych.core.CheckpointException;
import dev.diptych.core.DiptychException;
import dev.diptych.core.UnsupportedModelException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Files that torch.save wrote, against the same tensors written by the safetensors library. */
class TorchFileGoldenTest {

  @ParameterizedTest
  @ValueSource(strings = {"types.bin", "views.bin", "module.bin", "parameters.bin", "wrapped.ckpt"})
  void readsTheSameTensorsAsFromSafetensors(String name) {
    String twin = name.substring(0, name.lastIndexOf('.')) + ".safetensors";
    try (Checkpoint torch = Checkpoint.openFile(GoldenFiles.path(name));
        Checkpoint expected = Checkpoint.openFile(GoldenFiles.path(twin))) {
      assertThat(torch.names()).containsExactlyInAnyOrderElementsOf(expected.names());
      for (String tensor : expected.names()) {
        assertThat(torch.spec(tensor).type()).as(tensor).isEqualTo(expected.spec(tensor).type());
        assertThat(torch.spec(tensor).shape()).as(tensor).isEqualTo(expected.spec(tensor).shape());
        assertThat(torch.read(tensor)).as(tensor).isEqualTo(expected.read(tensor));
        assertThat(torch.map(tensor)).as(tensor).isEqualTo(expected.map(tensor));
        assertThat(torch.map(tensor).isReadOnly()).as(tensor).isTrue();
        assertThat(torch.read(tensor).isDirect()).as(tensor).isTrue();
        assertEveryRangeOfRows(torch, expected, tensor);
      }
    }
  }

  private static void assertEveryRangeOfRows(
      Checkpoint torch, Checkpoint expected, String tensor) {
    List<Long> shape = expected.spec(tensor).shape();
    long all = shape.isEmpty() ? 1 : shape.get(0);
    for (long first = 0; first < all; first++) {
      for (long rows = 0; rows <= all - first; rows++) {
        ByteBuffer right = expected.readRows(tensor, first, rows);
        assertThat(torch.readRows(tensor, first, rows)).as(tensor).isEqualTo(right);
        assertThat(torch.mapRows(tensor, first, rows)).as(tensor).isEqualTo(right);
      }
    }
  }

  @Test
  void keepsTheOrderOfTheStateDict() {
    try (Checkpoint torch = Checkpoint.openFile(GoldenFiles.path("module.bin"))) {
      assertThat(torch.names())
          .containsExactly(
              "norm.weight", "norm.bias", "norm.running_mean", "norm.running_var",
              "norm.num_batches_tracked", "proj.weight", "proj.bias");
    }
  }

  @Test
  void readsPublishedShardsWithTheirIndex() {
    try (Checkpoint checkpoint = Checkpoint.open(GoldenFiles.path("sharded"))) {
      assertThat(checkpoint.names()).hasSize(21);
      assertThat(checkpoint.totalBytes()).isEqualTo(12960);
      assertThat(checkpoint.spec("lm_head.weight").file().getFileName().toString())
          .isEqualTo("model-00003-of-00003.safetensors");
      assertThat(checkpoint.spec("lm_head.weight").type()).isEqualTo(StoredType.BF16);
    }
  }

  @Test
  void readsPyTorchShardsWithTheirIndex(@TempDir Path folder) throws Exception {
    Files.copy(GoldenFiles.path("module.bin"), folder.resolve("pytorch_model-00001-of-00002.bin"));
    Files.copy(GoldenFiles.path("types.bin"), folder.resolve("pytorch_model-00002-of-00002.bin"));
    Files.writeString(
        folder.resolve("pytorch_model.bin.index.json"),
        "{\"weight_map\":{\"norm.bias\":\"pytorch_model-00001-of-00002.bin\","
            + "\"scalar\":\"pytorch_model-00002-of-00002.bin\"}}");

    try (Checkpoint checkpoint = Checkpoint.open(folder)) {
      assertThat(checkpoint.names()).contains("norm.weight", "torch.bfloat16");
      assertThat(checkpoint.read("scalar").getFloat()).isEqualTo(2.5f);
    }
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "legacy.bin | before 1.6",
        "whole_module.bin | __main__.Block",
        "uint16.bin | _rebuild_tensor_v3",
        "float8.bin | _rebuild_tensor_v3",
        "broadcast.bin | more elements than its storage",
        "not_only_tensors.bin | holds n, which is no tensor",
        "bare_tensor.bin | no dictionary of tensors",
        "complex.bin | torch.ComplexFloatStorage",
        "negated.bin | a negation yet to be carried out",
        "sparse.bin | _rebuild_sparse_tensor",
        "protocol_5.bin | protocol 2",
      })
  void refusesWhatIsNoPlainStateDict(String name, String reason) {
    Path file = GoldenFiles.path("refused/" + name);

    assertThatThrownBy(() -> Checkpoint.openFile(file))
        .isInstanceOf(CheckpointException.class)
        .hasMessageContaining(name)
        .hasMessageContaining(reason);
  }

  @Test
  void refusesATorchScriptProgramWhateverItsName(@TempDir Path folder) throws Exception {
    for (String name : List.of("model.pt", "pytorch_model.bin", "model.safetensors")) {
      Path file = Files.copy(GoldenFiles.path("refused/torchscript.pt"), folder.resolve(name));

      assertThatThrownBy(() -> Checkpoint.openFile(file))
          .isInstanceOf(UnsupportedModelException.class)
          .hasMessageContaining("TorchScript program")
          .hasMessageContaining("save_file");
    }
    assertThatThrownBy(() -> Checkpoint.open(folder))
        .isInstanceOf(UnsupportedModelException.class);
  }

  @Test
  void listsRareTypesButBindsThemToNothing() {
    try (Checkpoint checkpoint = Checkpoint.openFile(GoldenFiles.path("rare_types.safetensors"))) {
      Weights weights = Weights.of(checkpoint);
      weights.require("weight", 4);
      weights.require("u64", 3);

      assertThat(checkpoint.spec("f8_e4m3").type()).isEqualTo(StoredType.F8_E4M3);
      assertThatThrownBy(weights::done)
          .isInstanceOf(DiptychException.class)
          .hasMessageContaining(
              "u64 expected [3] of a type that can be computed with, found [3] U64")
          .hasMessageContaining("3 not used");
      assertThat(weights.report().unused())
          .containsExactlyInAnyOrder("f8_e4m3", "f8_e5m2", "u16");
    }
  }

  @Test
  void bindsWhenRareTypesAreIgnoredByName() {
    try (Checkpoint checkpoint = Checkpoint.openFile(GoldenFiles.path("rare_types.safetensors"))) {
      Weights weights = Weights.of(checkpoint);
      weights.require("weight", 4);
      weights.ignore("f8_*", "scales of another engine");
      weights.ignore("u16", "not needed");
      weights.ignore("u64", "not needed");

      assertThat(weights.done()).containsOnlyKeys("weight");
      assertThat(weights.report().ignored())
          .containsAllEntriesOf(Map.of("f8_e5m2", "scales of another engine"));
    }
  }
}
