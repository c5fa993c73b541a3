package dev.diptych.core.weights;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.diptych.core.CheckpointException;
import dev.diptych.testing.Safetensors;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Which files of a folder are opened, and that an index cannot point anywhere else. */
class CheckpointFolderTest {
  private static final String ONE = "model-00001-of-00002.safetensors";
  private static final String TWO = "model-00002-of-00002.safetensors";

  @TempDir Path root;
  private Path folder;

  @BeforeEach
  void makeTwoShards() throws IOException {
    folder = Files.createDirectory(root.resolve("a model"));
    shard(folder.resolve(ONE), "a", 4);
    shard(folder.resolve(TWO), "b", 6);
  }

  @Test
  void opensTheShardsOfAnIndex() throws IOException {
    index("{\"metadata\":{\"total_size\":10},\"weight_map\":{\"b\":\"" + TWO + "\",\"a\":\"" + ONE
        + "\"}}");

    try (Checkpoint checkpoint = Checkpoint.open(folder)) {
      assertThat(checkpoint.names()).containsExactlyInAnyOrder("a", "b");
      assertThat(checkpoint.totalBytes()).isEqualTo(10);
      assertThat(checkpoint.read("b").remaining()).isEqualTo(6);
      assertThat(checkpoint.location()).isEqualTo(folder);
    }
  }

  @Test
  void prefersTheSingleFileThenSafetensorsThenPyTorch() throws IOException {
    map("a", ONE, "b", TWO);
    Files.copy(GoldenFiles.path("module.bin"), folder.resolve("pytorch_model.bin"));
    assertThat(names()).containsExactly("a", "b");

    shard(folder.resolve("model.safetensors"), "c", 1);
    assertThat(names()).containsExactly("c");

    Files.delete(folder.resolve("model.safetensors"));
    Files.delete(folder.resolve("model.safetensors.index.json"));
    assertThat(names()).contains("proj.weight");
  }

  @Test
  void saysWhatWasLookedForWhenThereAreNoWeights() {
    assertThatThrownBy(() -> Checkpoint.open(folder))
        .isInstanceOf(CheckpointException.class)
        .hasMessageContainingAll(
            "model.safetensors", "model.safetensors.index.json", "pytorch_model.bin",
            "pytorch_model.bin.index.json", "found " + ONE + ", " + TWO);
    assertThatThrownBy(() -> Checkpoint.open(root.resolve("absent")))
        .isInstanceOf(CheckpointException.class)
        .hasMessageContaining("does not exist");
    assertThatThrownBy(() -> Checkpoint.open(folder.resolve(ONE)))
        .isInstanceOf(CheckpointException.class)
        .hasMessageContaining("expected the folder");
    assertThatThrownBy(() -> Checkpoint.openFile(folder))
        .isInstanceOf(CheckpointException.class)
        .hasMessageContaining("expected a file");
    assertThatThrownBy(() -> Checkpoint.openFile(root.resolve("absent")))
        .isInstanceOf(CheckpointException.class)
        .hasMessageContaining("is missing");
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "../outside.safetensors", "..", ".", "", "sub/x.safetensors", "/etc/passwd",
        "..\\\\outside.safetensors", "C:\\\\x", "C:x", "file:///etc/passwd", "a\\u0000b"
      })
  void refusesAShardThatIsNoPlainName(String name) throws IOException {
    shard(root.resolve("outside.safetensors"), "a", 4);
    Files.createDirectory(folder.resolve("sub"));
    shard(folder.resolve("sub/x.safetensors"), "a", 4);
    map("a", name, "b", TWO);

    assertRefused("weight_map names the file");
  }

  @Test
  void refusesAShardThatIsALinkOutOfTheFolder() throws IOException {
    shard(root.resolve("outside.safetensors"), "a", 4);
    Files.createSymbolicLink(
        folder.resolve("link.safetensors"), root.resolve("outside.safetensors"));
    map("a", "link.safetensors", "b", TWO);

    assertRefused("a link out of the folder");
  }

  @Test
  void followsLinksInsideTheFolderAndThoseOfTheHubCache() throws IOException {
    Files.createSymbolicLink(folder.resolve("link.safetensors"), folder.resolve(ONE));
    map("a", "link.safetensors", "b", TWO);
    assertThat(names()).containsExactly("a", "b");

    Path blobs = Files.createDirectories(root.resolve("models--x/blobs"));
    Path snapshot = Files.createDirectories(root.resolve("models--x/snapshots/main"));
    Files.move(folder.resolve(ONE), blobs.resolve("1111"));
    Files.createSymbolicLink(snapshot.resolve(ONE), Path.of("../../blobs/1111"));
    Files.move(folder.resolve(TWO), blobs.resolve("2222"));
    Files.createSymbolicLink(snapshot.resolve(TWO), Path.of("../../blobs/2222"));
    folder = snapshot;
    map("a", ONE, "b", TWO);
    assertThat(names()).containsExactly("a", "b");
  }

  @Test
  void refusesAMissingShard() throws IOException {
    map("a", ONE, "b", TWO);
    Files.delete(folder.resolve(TWO));

    assertRefused(TWO + ", which is missing");
  }

  @Test
  void refusesATensorInTwoShards() throws IOException {
    shard(folder.resolve(TWO), "a", 4);
    map("a", ONE, "b", TWO);

    assertRefused("Tensor a is in two files, " + ONE + " and " + TWO);
  }

  @Test
  void refusesAnIndexThatPutsATensorIntoTheWrongShardOrNone() throws IOException {
    map("a", TWO, "b", ONE);
    assertRefused("says that a is in " + TWO + "; it is in " + ONE);

    index("{\"weight_map\":{\"a\":\"" + ONE + "\",\"b\":\"" + TWO + "\",\"c\":\"" + TWO + "\"}}");
    assertRefused("says that c is in " + TWO + ", which does not hold it");
  }

  @ParameterizedTest
  @ValueSource(longs = {0, 9, 11, Long.MAX_VALUE})
  void refusesATotalSizeThatLies(long total) throws IOException {
    index("{\"metadata\":{\"total_size\":" + total + "},\"weight_map\":{\"a\":\"" + ONE
        + "\",\"b\":\"" + TWO + "\"}}");

    assertRefused("metadata.total_size is " + total + "; the files hold 10 bytes");
  }

  @Test
  void refusesAnIndexThatIsNotOne() throws IOException {
    index("{}");
    assertRefused("model.safetensors.index.json: weight_map is missing");
    index("{\"weight_map\":{}}");
    assertRefused("weight_map is an object; expected at least one tensor and its file");
    index("{\"weight_map\":[\"a\"]}");
    assertRefused("weight_map is an array of 1; expected an object");
    index("{\"weight_map\":{\"a\":3}}");
    assertRefused("weight_map.a is 3; expected a string");
    index("{\"weight_map\":{\"a\":\"x\",\"a\":\"y\"}}");
    assertRefused("duplicate key: a");
    index("version https://git-lfs.github.com/spec/v1\n");
    assertRefused("Git LFS pointer");
  }

  private void map(String a, String fileOfA, String b, String fileOfB) throws IOException {
    index("{\"weight_map\":{\"" + a + "\":\"" + fileOfA + "\",\"" + b + "\":\"" + fileOfB + "\"}}");
  }

  private void index(String json) throws IOException {
    Files.writeString(folder.resolve("model.safetensors.index.json"), json);
  }

  private static void shard(Path file, String tensor, int bytes) {
    Safetensors.write(
        file,
        "{" + Safetensors.entry(tensor, "I8", "[" + bytes + "]", "[0," + bytes + "]") + "}",
        bytes);
  }

  private Iterable<String> names() {
    try (Checkpoint checkpoint = Checkpoint.open(folder)) {
      return checkpoint.names();
    }
  }

  private void assertRefused(String reason) {
    assertThatThrownBy(() -> Checkpoint.open(folder))
        .isInstanceOf(CheckpointException.class)
        .hasMessageContaining(reason);
  }
}
